//! The retry decision.

use std::fmt;
use std::time::Duration;

use crate::{Curve, InvalidConfig, Jitter, RetryConfig};

/// A retry policy: decides whether and when to retry. The default uses the default [`RetryConfig`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fb_retry::{Decision, Pace, RetryConfig, RetryContext, RetryPolicy, StopReason};
///
/// let policy = RetryPolicy::new(RetryConfig::default())?;
/// let failed = RetryContext {
///     pace: Pace::RetryAfter,
///     max_retries: 2,
///     retries: 0,
///     last_wait: Duration::ZERO,
///     retry_after: Some(Duration::from_secs(1)),
///     random: 0.0,
/// };
/// assert_eq!(policy.decide(failed), Decision::After(Duration::from_secs(1)));
/// let exhausted = RetryContext { retries: 2, ..failed };
/// assert_eq!(policy.decide(exhausted), Decision::Stop(StopReason::Exhausted));
/// # Ok::<(), fb_retry::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RetryPolicy {
    config: RetryConfig,
}

/// The inputs of a retry decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryContext {
    /// The pace of retries for this kind of failure.
    pub pace: Pace,
    /// Maximum number of retries after this kind of failure.
    pub max_retries: u32,
    /// Number of retries made so far.
    pub retries: u32,
    /// The wait before the last attempt, used by decorrelated jitter; zero if there was none.
    pub last_wait: Duration,
    /// The time to wait that the server sent, such as `Retry-After`.
    pub retry_after: Option<Duration>,
    /// A random number in `[0, 1)`; values outside are clamped.
    pub random: f64,
}

/// The pace of retries after a kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// No retry.
    Never,
    /// A retry without a wait.
    Immediate,
    /// A retry after the usual backoff.
    Backoff,
    /// A retry after the longer backoff for a server that is short of capacity.
    Throttled,
    /// A retry after the time that the server sent; without one, as `Throttled`.
    RetryAfter,
}

/// The decision after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Retry after this wait.
    After(Duration),
    /// Stop.
    Stop(StopReason),
}

/// The reason for not retrying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// This kind of failure is not retried.
    Never,
    /// The maximum number of retries is reached.
    Exhausted,
    /// The server sent a time to wait that is longer than [`RetryConfig::max_hint_wait`].
    RetryAfterTooLong,
    /// The wait would end after the deadline.
    Deadline,
    /// The shared retry budget is empty.
    Budget,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "not retryable",
            Self::Exhausted => "no retries left",
            Self::RetryAfterTooLong => "the retry-after is too long",
            Self::Deadline => "the deadline is too near",
            Self::Budget => "the retry budget is empty",
        })
    }
}

impl RetryPolicy {
    /// Creates a policy.
    ///
    /// # Errors
    /// [`InvalidConfig`], naming the first invalid setting.
    pub fn new(config: RetryConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self { config })
    }

    /// Returns a policy for rate limits without an alternative server: 5 attempts, waits from 5 s doubling up to 120 s, and
    /// a `Retry-After` of up to 120 s.
    pub const fn rate_limit() -> Self {
        let (base, cap) = (Duration::from_secs(5), Duration::from_secs(120));
        Self::preset(4, 2.0, base, cap)
    }

    /// Returns a policy for timeouts: 3 attempts, waits from 2 s growing by half up to 30 s.
    pub const fn timeout() -> Self {
        let (base, cap) = (Duration::from_secs(2), Duration::from_secs(30));
        Self::preset(2, 1.5, base, cap)
    }

    const fn preset(max_retries: u32, factor: f64, base: Duration, cap: Duration) -> Self {
        let (curve, jitter) = (Curve::Exponential, Jitter::Full);
        Self {
            config: RetryConfig {
                base,
                throttled_base: base,
                curve,
                factor,
                cap,
                jitter,
                max_hint_wait: cap,
                max_retries,
            },
        }
    }

    /// Returns the maximum number of retries made by `retry`.
    pub const fn max_retries(&self) -> u32 {
        self.config.max_retries
    }

    /// Decides whether and when to retry. A pure function that does not allocate.
    pub fn decide(&self, context: RetryContext) -> Decision {
        if context.pace == Pace::Never {
            return Decision::Stop(StopReason::Never);
        }
        if context.retries >= context.max_retries {
            return Decision::Stop(StopReason::Exhausted);
        }
        if context.pace == Pace::Immediate {
            return Decision::After(Duration::ZERO);
        }
        if context.retry_after.is_some_and(|wait| wait > self.config.max_hint_wait) {
            return Decision::Stop(StopReason::RetryAfterTooLong);
        }
        let base = if context.pace == Pace::Backoff { self.config.base } else { self.config.throttled_base };
        let random = if context.random.is_nan() { 0.0 } else { context.random.clamp(0.0, 1.0) };
        match context.retry_after {
            // Spread the clients that received the same `Retry-After`.
            Some(wait) if context.pace == Pace::RetryAfter => {
                Decision::After(wait + wait.mul_f64(0.1 * random))
            }
            retry_after => Decision::After(
                self.config
                    .wait(base, context.retries, context.last_wait, random)
                    .max(retry_after.unwrap_or_default()),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
