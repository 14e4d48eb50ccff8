//! How long to wait between attempts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Half of what a person notices as a pause.
const BASE: Duration = Duration::from_millis(250);
/// A provider short of capacity needs longer than one that hiccuped.
const THROTTLED_BASE: Duration = Duration::from_secs(1);
/// The cap of the official OpenAI and Anthropic clients.
const CAP: Duration = Duration::from_secs(8);
/// Longer than this another target answers sooner.
const MAX_HINT_WAIT: Duration = Duration::from_secs(2);
/// Each wait twice the one before.
const FACTOR: f64 = 2.0;
/// The retries of the official OpenAI and Anthropic clients.
const MAX_RETRIES: u32 = 2;
/// Longest time that any setting may name.
const MAX_TIME: Duration = Duration::from_secs(3_600);

/// How long to wait between attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// The first wait, before jitter; 250 ms.
    #[serde(with = "humantime_serde")]
    pub base: Duration,
    /// The first wait when the other side is short of capacity; 1 s.
    #[serde(with = "humantime_serde")]
    pub throttled_base: Duration,
    /// How waits grow; exponential.
    pub curve: Curve,
    /// Growth from one wait to the next on the exponential curve, 1 to 10; 2.
    pub factor: f64,
    /// The longest wait, jitter included; 8 s.
    #[serde(with = "humantime_serde")]
    pub cap: Duration,
    /// How chance spreads the waits; full.
    pub jitter: Jitter,
    /// The longest wait that the other side may ask for before the retries stop; 2 s.
    #[serde(with = "humantime_serde")]
    pub max_hint_wait: Duration,
    /// Retries of `retry` after the first try, 0 to 100; 2. Targets of a route have a count of their own.
    pub max_retries: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            base: BASE,
            throttled_base: THROTTLED_BASE,
            curve: Curve::Exponential,
            factor: FACTOR,
            cap: CAP,
            jitter: Jitter::Full,
            max_hint_wait: MAX_HINT_WAIT,
            max_retries: MAX_RETRIES,
        }
    }
}

/// How waits grow from retry to retry, before jitter and cap; `n` counts from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// `base`
    Constant,
    /// `base · (n + 1)`
    Linear,
    /// `base · factorⁿ`
    #[default]
    Exponential,
}

/// How chance spreads waits, so that clients that failed together do not come back together.
///
/// `e` is the wait of the curve, at most the cap; `U(a, b)` is evenly random between `a` and `b`. The cap holds after
/// the jitter, too. Full, equal and decorrelated are those of Brooker's "Exponential Backoff And Jitter" (AWS, 2015).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// `U(0, e)`: the least load for the same number of tries.
    #[default]
    Full,
    /// `U(e/2, e)`: a pause for certain.
    Equal,
    /// `U(base, 3 · the last wait)`, whatever the curve.
    Decorrelated,
    /// `e + U(0, base)`
    Additive,
    /// `U(0.5 · e, 1.5 · e)`
    Proportional,
    /// `e`; for tests.
    None,
}

impl RetryConfig {
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let times = [
            ("base", self.base),
            ("throttled_base", self.throttled_base),
            ("cap", self.cap),
            ("max_hint_wait", self.max_hint_wait),
        ];
        for (field, time) in times {
            if time > MAX_TIME {
                return Err(InvalidConfig { field, value: format!("{time:?}"), expected: "at most an hour" });
            }
        }
        if !(1.0..=10.0).contains(&self.factor) {
            return Err(InvalidConfig {
                field: "factor",
                value: self.factor.to_string(),
                expected: "1 to 10",
            });
        }
        if self.max_retries > 100 {
            let value = self.max_retries.to_string();
            return Err(InvalidConfig { field: "max_retries", value, expected: "0 to 100" });
        }
        Ok(())
    }
}

/// A setting no policy could work with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid retry config: `{field}` is {value}, expected {expected}")]
pub struct InvalidConfig {
    /// The field.
    pub field: &'static str,
    /// What it was.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests;
