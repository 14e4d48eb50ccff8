//! The wait before each retry.

use std::time::Duration;

use crate::{Curve, Jitter, RetryConfig};

impl RetryConfig {
    /// The wait before retry `n`, from 0: grown, spread by `unit`, 0 to 1, and never above the cap. `last` is the wait
    /// before this one.
    pub(crate) fn wait(&self, base: Duration, n: u32, last: Duration, unit: f64) -> Duration {
        let base = base.min(self.cap);
        let grown = self.grown(base, n).min(self.cap);
        let wait = match self.jitter {
            Jitter::Full => grown.mul_f64(unit),
            Jitter::Equal => grown.mul_f64(0.5 + unit / 2.0),
            Jitter::Decorrelated => {
                base + (3 * last.clamp(base, self.cap)).saturating_sub(base).mul_f64(unit)
            }
            Jitter::Additive => grown + base.mul_f64(unit),
            Jitter::Proportional => grown.mul_f64(0.5 + unit),
            Jitter::None => grown,
        };
        wait.min(self.cap)
    }

    /// The curve; the longest duration where it would overflow.
    fn grown(&self, base: Duration, n: u32) -> Duration {
        match self.curve {
            Curve::Constant => base,
            Curve::Linear => base.saturating_mul(n.saturating_add(1)),
            Curve::Exponential if base.is_zero() => base, // Times an infinite power it would be no number.
            Curve::Exponential => {
                let power = self.factor.powi(i32::try_from(n).unwrap_or(i32::MAX));
                Duration::try_from_secs_f64(base.as_secs_f64() * power).unwrap_or(Duration::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests;
