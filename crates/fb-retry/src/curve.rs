//! The waits between retries.

use std::time::Duration;

use crate::{Curve, Jitter, RetryConfig};

impl RetryConfig {
    /// Returns the wait before retry `n`, from 0. `last_wait` is the wait before it, and `random`, 0 to 1, determines the
    /// jitter.
    pub(crate) fn wait(&self, base: Duration, n: u32, last_wait: Duration, random: f64) -> Duration {
        let base = base.min(self.cap);
        let grown = self.before_jitter(base, n);
        match self.jitter {
            Jitter::Full => grown.mul_f64(random),
            Jitter::Equal => grown.mul_f64(0.5 + random / 2.0),
            Jitter::Decorrelated => {
                let span = (3 * last_wait.clamp(base, self.cap)).saturating_sub(base);
                (base + span.mul_f64(random)).min(self.cap)
            }
            Jitter::Additive => grown + base.mul_f64(random),
            Jitter::Proportional => grown.mul_f64(0.5 + random),
            Jitter::None => grown,
        }
    }

    /// Returns the wait of the curve before retry `n`, at most the cap.
    pub(crate) fn before_jitter(&self, base: Duration, n: u32) -> Duration {
        self.grown(base.min(self.cap), n).min(self.cap)
    }

    /// Returns the wait of the curve, saturating on overflow.
    fn grown(&self, base: Duration, n: u32) -> Duration {
        match self.curve {
            Curve::Constant => base,
            Curve::Linear => base.saturating_mul(n.saturating_add(1)),
            Curve::Exponential if base.is_zero() => base, // The product with an infinite power would be NaN.
            Curve::Exponential => {
                let power = self.factor.powi(i32::try_from(n).unwrap_or(i32::MAX));
                Duration::try_from_secs_f64(base.as_secs_f64() * power).unwrap_or(Duration::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests;
