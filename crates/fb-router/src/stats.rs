//! Per-target call statistics, and weights derived from them.

use serde::Serialize;

/// The minimum weight of a target: without any traffic a recovered target could never raise its success rate.
const FLOOR: f64 = 0.01;

/// Counts of the requests that called one target. Retries are not counted separately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests that called the target without a failure at another one before.
    pub selected: u64,
    /// Requests that the target answered.
    pub successes: u64,
    /// Selections that failed and were followed by a move to another target.
    pub fallback_from: u64,
    /// Requests that called the target after a failure at another one.
    pub fallback_to: u64,
}

impl Stats {
    /// Returns `successes / (selected + fallback_to)`, or `None` if no request called the target.
    pub fn success_rate(&self) -> Option<f64> {
        rate(self.successes, self.selected.saturating_add(self.fallback_to))
    }

    /// Returns `fallback_from / selected`, or `None` if the target was never selected.
    pub fn fallback_rate(&self) -> Option<f64> {
        rate(self.fallback_from, self.selected)
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates need no more than four digits")]
fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Returns new weights for a route's targets, in the same order and with the sum 1.
///
/// Each new weight is the mean of the target's share of the old weights and its share of the summed success rates. No
/// weight falls below 0.01, or below an equal share when there are more than 100 targets. A target without calls counts
/// with the mean success rate of the others; if no target has a success, the shares stay unchanged. Old weights must be
/// finite and greater than 0. Applied repeatedly, the weights converge to the ratio of the success rates.
pub fn adjust_weights(targets: &[(f64, Stats)]) -> Vec<f64> {
    let sum: f64 = targets.iter().map(|(weight, _)| weight).sum();
    let shares = targets.iter().map(|(weight, _)| weight / sum);
    let known: Vec<_> = targets.iter().filter_map(|(_, stats)| stats.success_rate()).collect();
    let known_sum: f64 = known.iter().sum();
    if known_sum <= 0.0 {
        return with_floor(&shares.collect::<Vec<_>>());
    }
    let mean = known_sum / count(known.len());
    let rates: Vec<_> = targets.iter().map(|(_, stats)| stats.success_rate().unwrap_or(mean)).collect();
    let rate_sum: f64 = rates.iter().sum();
    let blend = |(share, rate): (f64, &f64)| f64::midpoint(share, rate / rate_sum);
    with_floor(&shares.zip(&rates).map(blend).collect::<Vec<_>>())
}

/// Scales the weights to the sum 1 with none below the floor.
fn with_floor(weights: &[f64]) -> Vec<f64> {
    let floor = FLOOR.min(1.0 / count(weights.len()));
    let mut raised = vec![false; weights.len()];
    loop {
        let low = count(raised.iter().filter(|raised| **raised).count());
        let others: f64 = weights.iter().zip(&raised).filter(|(_, raised)| !**raised).map(|(w, _)| w).sum();
        let scale = (1.0 - floor * low) / others;
        // Raising one weight scales the others down, which may push another one below the floor: repeat until stable.
        let next: Vec<_> =
            weights.iter().zip(&raised).map(|(weight, raised)| *raised || weight * scale < floor).collect();
        if next == raised {
            let weight = |(weight, raised): (&f64, &bool)| if *raised { floor } else { weight * scale };
            return weights.iter().zip(&raised).map(weight).collect();
        }
        raised = next;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of targets")]
fn count(targets: usize) -> f64 {
    targets as f64
}

#[cfg(test)]
mod tests;
