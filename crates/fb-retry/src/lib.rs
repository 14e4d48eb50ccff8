#![doc = include_str!("../README.md")]

mod config;
mod curve;

mod policy;

mod budget;

#[cfg(feature = "tokio")]
mod future;

pub use self::budget::{BudgetConfig, RetryBudget};
pub use self::config::{InvalidConfig, Jitter, RetryConfig};
#[cfg(feature = "tokio")]
pub use self::future::retry;
pub use self::policy::{Ask, Decision, Pace, RetryPolicy, Why};
