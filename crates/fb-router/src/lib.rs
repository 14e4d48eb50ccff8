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

pub use fb_core::InvalidConfig;

pub use self::admission::{admissible, admissible_among, admissible_as_hedge};
pub use self::candidate::Candidate;
pub use self::complexity::{
    ClassRoutes, Classifier, ComplexRules, Complexity, Evidence, Rules, Signals, SimpleRules,
};
pub use self::config::{InvalidTarget, RaceConfig, RouterConfig, StickyBy, StickyConfig, Strategy};
pub use self::facts::{Facts, Needs, estimate_tokens};
pub use self::hedge::{HedgeAfter, HedgeBudget, HedgeConfig};
pub use self::plan::{Inadmissible, Plan, RankReason, Ranked, Start};
pub use self::router::Router;
pub use self::savings::{MissingPrice, Savings, ServedRequest, savings};
pub use self::stats::{Stats, adjust_weights};
