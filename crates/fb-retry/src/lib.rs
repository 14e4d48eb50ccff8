#![doc = include_str!("../README.md")]

mod budget;
mod config;
#[cfg(feature = "tokio")]
mod future;
mod policy;

#[cfg(feature = "tokio")]
pub use crate::future::retry;
pub use crate::{
    budget::{BudgetConfig, RetryBudget},
    config::{InvalidConfig, Jitter, RetryConfig},
    policy::{Ask, Decision, Pace, RetryPolicy, Why},
};
