#![doc = include_str!("../README.md")]

mod config;
mod defect;

mod gate;
mod gates;

mod json;
mod quote;
mod repetition;
#[cfg(feature = "schema")]
mod schema;
mod text_checks;
mod tools;

mod repair;

mod losses;
mod score;

mod expect;
mod parity;

pub use fb_core::InvalidConfig;

pub use self::config::QualityConfig;
pub use self::defect::{Defect, GateKind};
pub use self::expect::{AnswerContent, CalledTool, Expect, Expectation, Mismatch};
pub use self::gate::Gate;
pub use self::gates::Gates;
pub use self::losses::{Loss, Losses, MaxLoss, Severity, TooMuchLost};
pub use self::parity::difference;
pub use self::repair::repair;
#[cfg(feature = "schema")]
pub use self::schema::UnusableSchema;
pub use self::score::{Score, rank_penalty};
