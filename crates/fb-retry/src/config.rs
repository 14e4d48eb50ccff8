//! The configuration of a retry policy, with the reasons for its defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// With full jitter, half of it on average, which a person does not notice as a pause.
const BASE: Duration = Duration::from_millis(250);
/// A provider that is short of capacity needs longer to recover than one with a transient error.
const THROTTLED_BASE: Duration = Duration::from_secs(1);
/// As in the official OpenAI and Anthropic clients.
const CAP: Duration = Duration::from_secs(8);
/// Another target answers sooner than this.
const MAX_HINT_WAIT: Duration = Duration::from_secs(2);
/// Every wait doubles.
const FACTOR: f64 = 2.0;
/// As in the official OpenAI and Anthropic clients.
const MAX_RETRIES: u32 = 2;
/// The longest time that a setting accepts.
const MAX_TIME: Duration = Duration::from_secs(3_600);

/// The waits between attempts, and their number.
///
/// Validated by [`RetryPolicy::new`](crate::RetryPolicy::new).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fb_retry::{Jitter, RetryConfig};
///
/// let patient = RetryConfig {
///     base: Duration::from_secs(1),
///     jitter: Jitter::Equal,
///     max_retries: 5,
///     ..RetryConfig::default()
/// };
/// assert_eq!(patient.cap, Duration::from_secs(8));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// First wait, before jitter. Defaults to 250 ms.
    #[serde(with = "humantime_serde")]
    pub base: Duration,
    /// First wait after a failure caused by a lack of capacity, before jitter. Defaults to 1 s.
    #[serde(with = "humantime_serde")]
    pub throttled_base: Duration,
    /// Growth of the waits. Defaults to "exponential".
    pub curve: Curve,
    /// Growth factor of the exponential curve, 1 to 10. Defaults to 2.
    pub factor: f64,
    /// Maximum wait, including jitter. Defaults to 8 s.
    #[serde(with = "humantime_serde")]
    pub cap: Duration,
    /// Randomization of the waits. Defaults to "full".
    pub jitter: Jitter,
    /// Maximum `Retry-After`; a longer one stops the retries. Defaults to 2 s.
    #[serde(with = "humantime_serde")]
    pub max_hint_wait: Duration,
    /// Maximum number of retries made by `retry`, 0 to 100. The targets of a route have their own `max_retries`.
    /// Defaults to 2.
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

/// Growth of the waits, before jitter and cap; `n` is the number of the retry, from 0.
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

/// Randomization of the waits, so that clients that failed at the same time do not retry at the same time.
///
/// `e` is the wait of the curve, at most the cap; `U(a, b)` is uniformly distributed between `a` and `b`. The cap also
/// applies after the jitter. Full, equal and decorrelated jitter are defined in Brooker's "Exponential Backoff And Jitter"
/// (AWS, 2015).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// `U(0, e)`: the lowest load for the same number of attempts.
    #[default]
    Full,
    /// `U(e/2, e)`: always a pause.
    Equal,
    /// `U(base, 3 · the last wait)`, for any curve.
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

/// An invalid setting of a policy or a budget.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid retry config: `{field}` is {value}, expected {expected}")]
pub struct InvalidConfig {
    /// The name of the field.
    pub field: &'static str,
    /// The rejected value.
    pub value: String,
    /// The accepted values, such as `1 to 10`.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests;
