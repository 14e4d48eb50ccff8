//! How targets did, and weights that follow it.

use serde::Serialize;

/// No target falls below this part of the traffic: one that gets none cannot show that it is well again.
const FLOOR: f64 = 0.01;

/// What became of the calls to one target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Calls made to it.
    pub selected: u64,
    /// Of these, those that gave a usable answer.
    pub successes: u64,
    /// Of these, those after which the request moved on to another target.
    pub fallback_from: u64,
    /// Of these, those of a request that another target had failed.
    pub fallback_to: u64,
}

impl Stats {
    /// Successes per call, 0 to 1; `None` without calls.
    pub fn success_rate(&self) -> Option<f64> {
        self.rate(self.successes)
    }

    /// Requests that moved on per call, 0 to 1; `None` without calls.
    pub fn fallback_from_rate(&self) -> Option<f64> {
        self.rate(self.fallback_from)
    }

    /// Requests that came from another target per call, 0 to 1; `None` without calls.
    pub fn fallback_to_rate(&self) -> Option<f64> {
        self.rate(self.fallback_to)
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate to four digits, not a count")]
    fn rate(&self, part: u64) -> Option<f64> {
        (self.selected > 0).then(|| part as f64 / self.selected as f64)
    }
}

/// New weights of a route's targets, in their order: each halfway between its part of the old weights and its success
/// rate, and all together 1.
///
/// None is below 0.01 (of more than 100 targets: below an equal part). A target without calls counts as the mean of
/// those with calls; when there are none, parts stay as they are. Old weights have to be finite and more than 0.
/// Applied again and again, weights come to stand as the success rates do, whatever they were.
pub fn adjust_weights(targets: &[(f64, Stats)]) -> Vec<f64> {
    let sum: f64 = targets.iter().map(|(weight, _)| weight).sum();
    let parts = targets.iter().map(|(weight, _)| weight / sum);
    let rates: Vec<_> = targets.iter().filter_map(|(_, stats)| stats.success_rate()).collect();
    if rates.is_empty() {
        return floored(&parts.collect::<Vec<_>>());
    }
    let mean = rates.iter().sum::<f64>() / count(rates.len());
    let rates = targets.iter().map(|(_, stats)| stats.success_rate().unwrap_or(mean));
    floored(&parts.zip(rates).map(|(part, rate)| f64::midpoint(part, rate)).collect::<Vec<_>>())
}

/// The weights with the sum 1, none below the floor.
fn floored(weights: &[f64]) -> Vec<f64> {
    let floor = FLOOR.min(1.0 / count(weights.len()));
    let mut raised = vec![false; weights.len()];
    loop {
        let low = count(raised.iter().filter(|raised| **raised).count());
        let others: f64 = weights.iter().zip(&raised).filter(|(_, raised)| !**raised).map(|(w, _)| w).sum();
        let scale = (1.0 - floor * low) / others;
        // What is raised takes from the others, and may bring one of them down to the floor.
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
