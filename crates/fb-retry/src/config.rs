//! The configuration of a retry policy, with the reasons for its defaults.

use std::{str::FromStr, time::Duration};

use thiserror::Error;

/// With full jitter, half of it on average, which a person does not notice as a pause.
const BASE: Duration = Duration::from_millis(250);
/// A provider that is short of capacity needs longer to recover than one with a transient error.
const THROTTLED_BASE: Duration = Duration::from_secs(1);
/// As in the official OpenAI and Anthropic clients.
const CAP: Duration = Duration::from_secs(8);
/// Every wait doubles.
const FACTOR: f64 = 2.0;
/// The longest time that a setting accepts.
const MAX_TIME: Duration = Duration::from_secs(3_600);

/// The waits between attempts, and their number.
///
/// Validated by [`RetryPolicy::new`](crate::RetryPolicy::new). [`classic`](Self::classic),
/// [`backoff`](Self::backoff), [`rate_limit`](Self::rate_limit) and [`timeout`](Self::timeout) are presets, which
/// [`FromStr`] finds by name.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fb_retry::{Jitter, RetryConfig};
///
/// let patient = RetryConfig::with(|config| {
///     config.base = Duration::from_secs(1);
///     config.jitter = Jitter::Equal;
///     config.max_retries = Some(5);
/// });
/// assert_eq!(patient.cap, Duration::from_secs(8));
/// assert_eq!("rate_limit".parse(), Ok(RetryConfig::rate_limit()));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RetryConfig {
    /// First wait, before jitter. Defaults to 250 ms.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub base: Duration,
    /// First wait after a failure caused by a lack of capacity, before jitter. Defaults to 1 s.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub throttled_base: Duration,
    /// Growth of the waits. Defaults to "exponential".
    pub curve: Curve,
    /// Growth factor of the exponential curve, 1 to 10. Defaults to 2.
    pub factor: f64,
    /// Maximum wait, before jitter. Defaults to 8 s.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub cap: Duration,
    /// Randomization of the waits. Defaults to "full".
    pub jitter: Jitter,
    /// Maximum `Retry-After`; a longer one stops the retries. Defaults to 2 s in a route, and to 60 s in `retry`.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde::option"))]
    pub max_hint_wait: Option<Duration>,
    /// Maximum number of retries after the first attempt, 0 to 100. A target of a route takes its own first; without either, the
    /// next target is called at once, and the limits on the request bound later retries. Defaults to none in a route, and to 2
    /// in `retry`.
    pub max_retries: Option<u32>,
    /// Retries calls that timed out after the request was sent. The server may have answered such a call, and bill it.
    /// Defaults to false.
    pub timeouts: bool,
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
            max_hint_wait: None,
            max_retries: None,
            timeouts: false,
        }
    }
}

/// Growth of the waits, before jitter and cap; `n` is the number of the retry, from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
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
/// `e` is the wait of the curve, at most the cap; `U(a, b)` is uniformly distributed between `a` and `b`. Additive and
/// proportional jitter may exceed the cap. Full, equal and decorrelated jitter are defined in Brooker's "Exponential Backoff
/// And Jitter" (AWS, 2015).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Jitter {
    /// `U(0, e)`: the lowest load for the same number of attempts.
    #[default]
    Full,
    /// `U(e/2, e)`: always a pause.
    Equal,
    /// `U(base, 3 · the last wait)`, at most the cap, for any curve.
    Decorrelated,
    /// `e + U(0, base)`
    Additive,
    /// `U(0.5 · e, 1.5 · e)`
    Proportional,
    /// `e`; for tests.
    None,
}

impl RetryConfig {
    /// Returns the textbook waits: 3 retries after 1 s, 2 s and 4 s, each times 0.5 to 1.5. The waits double up to 60 s.
    pub const fn classic() -> Self {
        Self::preset(3, Duration::from_secs(1), FACTOR, Duration::from_secs(60), Jitter::Proportional)
    }

    /// Returns waits with an additive jitter: 3 retries after 1 s, 2 s and 4 s, each plus up to a second. The waits double
    /// up to an hour.
    #[doc(alias = "retry_with_backoff")]
    pub const fn backoff() -> Self {
        Self::preset(3, Duration::from_secs(1), FACTOR, MAX_TIME, Jitter::Additive)
    }

    /// Returns the waits for rate limits without an alternative server: 5 retries, after 5 s that double up to 120 s, each
    /// times 0.5 to 1.5, or after a `Retry-After` of up to 120 s.
    pub const fn rate_limit() -> Self {
        let (base, cap) = (Duration::from_secs(5), Duration::from_secs(120));
        Self { timeouts: false, ..Self::preset(5, base, FACTOR, cap, Jitter::Proportional) }
    }

    /// Returns the waits for timeouts: 3 retries, after 2 s that grow by half up to 30 s, each times 0.5 to 1.5.
    pub const fn timeout() -> Self {
        Self::preset(3, Duration::from_secs(2), 1.5, Duration::from_secs(30), Jitter::Proportional)
    }

    const fn preset(max_retries: u32, base: Duration, factor: f64, cap: Duration, jitter: Jitter) -> Self {
        Self {
            base,
            throttled_base: base,
            curve: Curve::Exponential,
            factor,
            cap,
            jitter,
            max_hint_wait: Some(cap),
            max_retries: Some(max_retries),
            timeouts: true,
        }
    }

    /// Returns the sum of the waits before `retries` retries, before jitter.
    pub fn total_wait(&self, retries: u32) -> Duration {
        let base = self.base.max(self.throttled_base);
        (0..retries).fold(Duration::ZERO, |sum, n| sum.saturating_add(self.before_jitter(base, n)))
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let times = [
            ("base", self.base),
            ("throttled_base", self.throttled_base),
            ("cap", self.cap),
            ("max_hint_wait", self.max_hint_wait.unwrap_or_default()),
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
        if let Some(retries) = self.max_retries.filter(|retries| *retries > 100) {
            let value = retries.to_string();
            return Err(InvalidConfig { field: "max_retries", value, expected: "0 to 100" });
        }
        Ok(())
    }
}

impl FromStr for RetryConfig {
    type Err = InvalidConfig;

    /// Returns the preset of this name.
    fn from_str(name: &str) -> Result<Self, InvalidConfig> {
        match name {
            "classic" => Ok(Self::classic()),
            "backoff" => Ok(Self::backoff()),
            "rate_limit" => Ok(Self::rate_limit()),
            "timeout" => Ok(Self::timeout()),
            _ => Err(InvalidConfig {
                field: "preset",
                value: format!("{name:?}"),
                expected: r#""classic", "backoff", "rate_limit" or "timeout""#,
            }),
        }
    }
}

/// An invalid setting of a policy or a budget.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid retry config: `{field}` is {value}, expected {expected}")]
#[non_exhaustive]
pub struct InvalidConfig {
    /// The name of the field.
    pub field: &'static str,
    /// The rejected value.
    pub value: String,
    /// The accepted values, such as `1 to 10`.
    pub expected: &'static str,
}

crate::with::with_changes!(RetryConfig);

#[cfg(test)]
mod tests;
