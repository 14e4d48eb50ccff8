//! Per-target call statistics, and weights derived from them.

use serde::Serialize;

/// The minimum weight of a target: without any traffic a recovered target could never raise its success rate.
const FLOOR: f64 = 0.01;

/// Counts of the calls to one target, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Calls made to the target.
    pub selected: u64,
    /// Calls that returned a usable answer.
    pub successes: u64,
    /// Calls after which the request moved on to another target.
    pub fallback_from: u64,
    /// Calls of requests that had failed at another target before.
    pub fallback_to: u64,
}

impl Stats {
    /// Returns successes per call, 0 to 1, or `None` without calls.
    pub fn success_rate(&self) -> Option<f64> {
        self.rate(self.successes)
    }

    /// Returns requests that moved on per call, 0 to 1, or `None` without calls.
    pub fn fallback_from_rate(&self) -> Option<f64> {
        self.rate(self.fallback_from)
    }

    /// Returns requests that came from another target per call, 0 to 1, or `None` without calls.
    pub fn fallback_to_rate(&self) -> Option<f64> {
        self.rate(self.fallback_to)
    }

    #[expect(clippy::cast_precision_loss, reason = "rates need no more than four digits")]
    fn rate(&self, part: u64) -> Option<f64> {
        (self.selected > 0).then(|| part as f64 / self.selected as f64)
    }
}

/// Returns new weights for a route's targets, in the same order and with the sum 1.
///
/// Each new weight lies halfway between the target's share of the old weights and its success rate, before both are
/// normalized. No weight falls below 0.01, or below an equal share when there are more than 100 targets. A target
/// without calls counts with the mean success rate of the others; if no target has calls, the shares stay unchanged.
/// Old weights must be finite and greater than 0. Applied repeatedly, the weights converge to the ratio of the success
/// rates.
pub fn adjust_weights(targets: &[(f64, Stats)]) -> Vec<f64> {
    let sum: f64 = targets.iter().map(|(weight, _)| weight).sum();
    let shares = targets.iter().map(|(weight, _)| weight / sum);
    let rates: Vec<_> = targets.iter().filter_map(|(_, stats)| stats.success_rate()).collect();
    if rates.is_empty() {
        return with_floor(&shares.collect::<Vec<_>>());
    }
    let mean = rates.iter().sum::<f64>() / count(rates.len());
    let rates = targets.iter().map(|(_, stats)| stats.success_rate().unwrap_or(mean));
    with_floor(&shares.zip(rates).map(|(share, rate)| f64::midpoint(share, rate)).collect::<Vec<_>>())
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
