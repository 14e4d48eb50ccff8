#![doc = include_str!("../README.md")]

mod with;

mod config;
mod curve;

mod policy;

mod compose;

mod budget;

#[cfg(feature = "tokio")]
mod future;

#[cfg(feature = "tower")]
mod tower;

pub use self::budget::{BudgetConfig, RetryBudget};
pub use self::compose::{Class, Classify, Or, OrLongest, Policy, Progress, When};
pub use self::config::{Curve, InvalidConfig, Jitter, RetryConfig};
#[cfg(feature = "tokio")]
pub use self::future::{Event, Retry, Retryable, retry};
pub use self::policy::{Decision, Pace, RetryContext, RetryPolicy, StopReason};
#[cfg(feature = "tower")]
pub use self::tower::{RetryFuture, RetryLayer, RetryService};
