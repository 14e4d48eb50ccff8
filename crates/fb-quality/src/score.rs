//! How often a target's answers pass.

use std::time::{Duration, Instant};

/// After this time an answer counts half.
const HALF_LIFE: Duration = Duration::from_secs(600);
/// How many passed answers every target is given in advance, so that one defect is no verdict.
const ADVANCE: f64 = 5.0;

/// The share of a target's answers that passed its gates, later ones weighing more: an answer counts half after ten
/// minutes.
///
/// Apart from the breaker: a target with poor answers is alive, and is asked less, not cut off. Five passed answers are
/// added in advance, so the score is 1.0 when nothing is known, and comes back to it when nothing is heard any more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Score {
    passed: f64,
    all: f64,
    /// When the counts were last right.
    at: Option<Instant>,
}

impl Score {
    /// Counts one checked answer. Times may come out of order; an earlier one counts as the latest known.
    pub fn record(&mut self, passed: bool, now: Instant) {
        let kept = self.kept(now);
        self.passed = self.passed * kept + f64::from(u8::from(passed));
        self.all = self.all * kept + 1.0;
        self.at = self.at.max(Some(now));
    }

    /// The share that passed, 0 to 1; 1.0 when nothing is known.
    pub fn value(&self, now: Instant) -> f64 {
        let kept = self.kept(now);
        (self.passed * kept + ADVANCE) / (self.all * kept + ADVANCE)
    }

    fn kept(&self, now: Instant) -> f64 {
        let age = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        (-age.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
    }
}

/// From this score on a target keeps its whole weight: one defect in twenty is the models' usual noise.
const FULL: f64 = 0.95;
/// At this score and below a target keeps the least of its weight.
const POOR: f64 = 0.5;
/// The least: enough requests to notice that it is better again.
const LEAST: f64 = 0.1;

/// What to multiply a target's weight with: 1.0 from a score of 0.95 on, 0.1 at 0.5 and below, evenly in between.
/// A score that is not a number counts as unknown.
pub fn rank_penalty(score: f64) -> f64 {
    if score.is_nan() {
        return 1.0;
    }
    let part = ((score - POOR) / (FULL - POOR)).clamp(0.0, 1.0);
    part.mul_add(1.0 - LEAST, LEAST)
}

#[cfg(test)]
mod tests;
