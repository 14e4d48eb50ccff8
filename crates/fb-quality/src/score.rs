//! The quality score of a target: the share of its answers that pass.

use std::time::{Duration, Instant};

/// The age at which an answer counts half.
const HALF_LIFE: Duration = Duration::from_secs(600);
/// Number of passed answers credited in advance, so that a single defect does not decide the score.
const PRIOR: f64 = 5.0;

/// The share of a target's answers that passed its gates, as an exponentially decaying average with a half-life of ten
/// minutes.
///
/// The score is independent of the circuit breaker: a target with poor answers is alive, so it gets fewer requests
/// instead of none. Five passed answers are credited in advance. The score is therefore 1.0 without data, and returns to
/// 1.0 when no answers arrive.
#[derive(Debug, Clone, Copy, Default)]
pub struct Score {
    passed: f64,
    all: f64,
    /// The time to which the counts are decayed.
    at: Option<Instant>,
}

impl Score {
    /// Records one checked answer. Times may be out of order: an earlier time counts as the latest known one.
    pub fn record(&mut self, passed: bool, now: Instant) {
        let decay = self.decay(now);
        self.passed = self.passed * decay + f64::from(u8::from(passed));
        self.all = self.all * decay + 1.0;
        self.at = self.at.max(Some(now));
    }

    /// The share of answers that passed, 0 to 1; 1.0 without data.
    pub fn value(&self, now: Instant) -> f64 {
        let decay = self.decay(now);
        (self.passed * decay + PRIOR) / (self.all * decay + PRIOR)
    }

    fn decay(&self, now: Instant) -> f64 {
        let age = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        (-age.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
    }
}

/// The score from which a target keeps its whole weight: one defect in twenty is the models' usual noise.
const FULL: f64 = 0.95;
/// The score up to which a target keeps only the minimum weight.
const POOR: f64 = 0.5;
/// The minimum factor: enough requests to notice a recovery.
const MIN_FACTOR: f64 = 0.1;

/// Returns the factor for a target's weight: 1.0 from a score of 0.95 on, 0.1 at 0.5 and below, linear in between.
/// NaN counts as an unknown score, with a factor of 1.0.
pub fn rank_penalty(score: f64) -> f64 {
    if score.is_nan() {
        return 1.0;
    }
    let part = ((score - POOR) / (FULL - POOR)).clamp(0.0, 1.0);
    part.mul_add(1.0 - MIN_FACTOR, MIN_FACTOR)
}

#[cfg(test)]
mod tests;
