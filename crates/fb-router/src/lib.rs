#![doc = include_str!("../README.md")]

mod config;

mod candidate;
mod facts;

mod admission;
mod plan;
mod router;

mod order;
mod rotation;
mod sticky;

mod hedge;
mod stats;

mod complexity;
mod savings;

pub use self::admission::admissible;
pub use self::candidate::Candidate;
pub use self::complexity::{
    ClassRoutes, Classifier, ComplexRules, Complexity, Rules, Sign, Signals, SimpleRules,
};
pub use self::config::{
    InvalidConfig, InvalidTarget, RaceConfig, RouterConfig, StickyBy, StickyConfig, Strategy,
};
pub use self::facts::{Facts, Needs, estimate_tokens};
pub use self::hedge::{HedgeAfter, HedgeBudget, HedgeConfig, may_hedge};
pub use self::plan::{Plan, Ranked, Refused, Start, Why};
pub use self::router::Router;
pub use self::savings::{NoPrice, Query, Savings, savings};
pub use self::stats::{Stats, adjust_weights};
