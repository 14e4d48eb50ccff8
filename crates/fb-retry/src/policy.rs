//! Whether and when to try again.

use std::fmt;
use std::time::Duration;

use crate::{Curve, InvalidConfig, Jitter, RetryConfig};

/// Decides whether and when to try again. The default has the default config.
#[derive(Debug, Clone, Default)]
pub struct RetryPolicy {
    config: RetryConfig,
}

/// What a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ask {
    /// How soon this kind of failure may be retried.
    pub pace: Pace,
    /// Most retries of this failure.
    pub most: u32,
    /// Retries made.
    pub done: u32,
    /// The wait before the last try, for the jitter that goes by it; zero when there was none.
    pub last: Duration,
    /// How long the other side asks to wait.
    pub hint: Option<Duration>,
    /// A random number in `[0, 1)`; what lies outside counts as the nearer end.
    pub unit: f64,
}

/// How soon a failure may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Not at all.
    Never,
    /// Without a wait.
    AtOnce,
    /// After the usual backoff.
    Backoff,
    /// After the longer backoff for a side that is short of capacity.
    Throttled,
    /// When the other side said; without its word as throttled.
    Hinted,
}

/// Whether and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// After this wait.
    After(Duration),
    /// Not again.
    Stop(Why),
}

/// Why there is no retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// This kind of failure is not retried.
    Never,
    /// All retries are made.
    Exhausted,
    /// The other side asks for a longer wait than the policy has patience for.
    HintTooLong,
    /// The wait would end after the deadline.
    Deadline,
    /// All calls together have made their share of retries.
    Budget,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "not retryable",
            Self::Exhausted => "no retries left",
            Self::HintTooLong => "asked to wait too long",
            Self::Deadline => "the deadline is too near",
            Self::Budget => "the retry budget is empty",
        })
    }
}

impl RetryPolicy {
    /// Checks the config.
    ///
    /// # Errors
    /// Names the setting no policy could work with.
    pub fn new(config: RetryConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self { config })
    }

    /// For rate limits, where nothing else answers in the meantime: 5 tries, 5 s doubled up to 120 s, and as long as
    /// the other side asks for up to that.
    pub const fn rate_limit() -> Self {
        let (base, cap) = (Duration::from_secs(5), Duration::from_secs(120));
        Self::preset(4, 2.0, base, cap)
    }

    /// For timeouts: 3 tries, 2 s times 1.5 up to 30 s.
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

    /// The retries of `retry`.
    pub const fn max_retries(&self) -> u32 {
        self.config.max_retries
    }

    /// Decides; pure, no allocation.
    pub fn decide(&self, ask: Ask) -> Decision {
        if ask.pace == Pace::Never {
            return Decision::Stop(Why::Never);
        }
        if ask.done >= ask.most {
            return Decision::Stop(Why::Exhausted);
        }
        if ask.pace == Pace::AtOnce {
            return Decision::After(Duration::ZERO);
        }
        if ask.hint.is_some_and(|hint| hint > self.config.max_hint_wait) {
            return Decision::Stop(Why::HintTooLong);
        }
        let base = if ask.pace == Pace::Backoff { self.config.base } else { self.config.throttled_base };
        let unit = if ask.unit.is_nan() { 0.0 } else { ask.unit.clamp(0.0, 1.0) };
        match ask.hint {
            // All clients that were told the same moment must not come back in it.
            Some(hint) if ask.pace == Pace::Hinted => Decision::After(hint + hint.mul_f64(0.1 * unit)),
            hint => Decision::After(
                self.config.wait(base, ask.done, ask.last, unit).max(hint.unwrap_or_default()),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
