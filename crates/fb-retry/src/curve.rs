//! The wait before each retry.

use std::time::Duration;

use crate::{Jitter, RetryConfig};

impl RetryConfig {
    /// The wait before retry `n`, from 0: exponential, spread by `unit`, 0 to 1, and never above the cap.
    pub(crate) fn wait(&self, base: Duration, n: u32, unit: f64) -> Duration {
        self.jitter.spread(self.grown(base, n).min(self.cap), unit)
    }

    /// `base · factorⁿ`, or the longest duration where that would overflow.
    fn grown(&self, base: Duration, n: u32) -> Duration {
        if base.is_zero() {
            return base; // Times an infinite power it would be no number.
        }
        let power = self.factor.powi(i32::try_from(n).unwrap_or(i32::MAX));
        Duration::try_from_secs_f64(base.as_secs_f64() * power).unwrap_or(Duration::MAX)
    }
}

impl Jitter {
    /// Never longer than `full`.
    fn spread(self, full: Duration, unit: f64) -> Duration {
        match self {
            Self::Full => full.mul_f64(unit),
            Self::Equal => full.mul_f64(0.5 + unit / 2.0),
            Self::None => full,
        }
    }
}

#[cfg(test)]
mod tests;
