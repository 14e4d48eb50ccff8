//! The retry decision.

use std::fmt;
use std::time::Duration;

use crate::{InvalidConfig, RetryConfig};

/// As in the official OpenAI and Anthropic clients.
const MAX_RETRIES: u32 = 2;
/// As in the same clients. There is no other server to answer sooner.
const MAX_HINT_WAIT: Duration = Duration::from_secs(60);

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
///     retry_after: Some(Duration::from_secs(3)),
///     random: 0.0,
/// };
/// assert_eq!(policy.decide(failed), Decision::After(Duration::from_secs(3)));
/// let exhausted = RetryContext { retries: 2, ..failed };
/// assert_eq!(policy.decide(exhausted), Decision::Stop(StopReason::Exhausted));
/// # Ok::<(), fb_retry::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// A retry after the usual backoff if [`RetryConfig::timeouts`] is set, and none otherwise.
    Timeout,
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
#[non_exhaustive]
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

    /// Creates a policy from [`RetryConfig::classic`].
    pub const fn classic() -> Self {
        Self { config: RetryConfig::classic() }
    }

    /// Creates a policy from [`RetryConfig::backoff`].
    #[doc(alias = "retry_with_backoff")]
    pub const fn backoff() -> Self {
        Self { config: RetryConfig::backoff() }
    }

    /// Creates a policy from [`RetryConfig::rate_limit`].
    pub const fn rate_limit() -> Self {
        Self { config: RetryConfig::rate_limit() }
    }

    /// Creates a policy from [`RetryConfig::timeout`].
    pub const fn timeout() -> Self {
        Self { config: RetryConfig::timeout() }
    }

    /// Returns the maximum number of retries made by `retry`.
    pub const fn max_retries(&self) -> u32 {
        match self.config.max_retries {
            Some(retries) => retries,
            None => MAX_RETRIES,
        }
    }

    /// Decides whether and when to retry. A pure function that does not allocate.
    pub fn decide(&self, context: RetryContext) -> Decision {
        let RetryConfig { max_hint_wait, timeouts, .. } = self.config;
        let max_hint_wait = max_hint_wait.unwrap_or(MAX_HINT_WAIT);
        if context.pace == Pace::Never || (context.pace == Pace::Timeout && !timeouts) {
            return Decision::Stop(StopReason::Never);
        }
        if context.retries >= context.max_retries {
            return Decision::Stop(StopReason::Exhausted);
        }
        if context.pace != Pace::Immediate && context.retry_after.is_some_and(|wait| wait > max_hint_wait) {
            return Decision::Stop(StopReason::RetryAfterTooLong);
        }
        Decision::After(self.wait(context))
    }

    /// Returns the wait before the next retry, whether or not there is to be one. For [`Pace::Never`] it is that of
    /// [`Pace::Backoff`].
    pub fn wait(&self, context: RetryContext) -> Duration {
        let base = match context.pace {
            Pace::Immediate => return Duration::ZERO,
            Pace::Never | Pace::Backoff | Pace::Timeout => self.config.base,
            Pace::Throttled | Pace::RetryAfter => self.config.throttled_base,
        };
        let random = if context.random.is_nan() { 0.0 } else { context.random.clamp(0.0, 1.0) };
        match context.retry_after {
            // Spread the clients that received the same `Retry-After`.
            Some(wait) if context.pace == Pace::RetryAfter => wait.saturating_add(wait.mul_f64(0.1 * random)),
            retry_after => self
                .config
                .wait(base, context.retries, context.last_wait, random)
                .max(retry_after.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;
