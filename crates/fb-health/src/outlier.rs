//! Outlier detection among the targets of a group.

use std::time::Duration;

use crate::{config::OutlierConfig, window::Counts};

/// Returns whether the target with these counts is an outlier among its peers, of which `ejected` are ejected already.
///
/// A target is an outlier if its failure share reaches `failure_share`, or if its success share is below the mean of
/// the other peers by `deviations` standard deviations and by `margin`. The mean excludes the target itself: a value
/// among n is never more than √(n-1) standard deviations from the mean of all, so 1.9 of them could never be reached
/// with three or four targets.
pub(crate) fn is_outlier(config: &OutlierConfig, target: Counts, others: &[Counts], ejected: usize) -> bool {
    let has_enough_calls = |counts: &Counts| counts.calls >= u64::from(config.min_calls);
    if !config.enabled || !has_enough_calls(&target) || !may_eject(config, others.len() + 1, ejected) {
        return false;
    }
    let peers: Vec<f64> =
        others.iter().filter(|counts| has_enough_calls(counts)).map(success_share).collect();
    if peers.len() + 1 < config.min_peers as usize {
        return false;
    }
    let own = success_share(&target);
    let (mean, deviation) = mean_and_deviation(&peers);
    1.0 - own >= config.failure_share || own < mean - (config.deviations * deviation).max(config.margin)
}

/// Returns whether one more of `peers` targets may be ejected, counting that one. At least one target always stays.
fn may_eject(config: &OutlierConfig, peers: usize, ejected: usize) -> bool {
    let next = ejected + 1;
    next < peers && float(next) <= config.max_ejected * float(peers)
}

fn success_share(counts: &Counts) -> f64 {
    float(counts.calls - counts.failed) / float(counts.calls)
}

fn mean_and_deviation(shares: &[f64]) -> (f64, f64) {
    let count = float(shares.len());
    let mean = shares.iter().sum::<f64>() / count;
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Returns the duration of the `nth` consecutive ejection. `random` in `[0, 1)` spreads it by a tenth in both
/// directions, so that many processes do not return at once.
pub(crate) fn ejection_time(config: &OutlierConfig, nth: u32, random: f64) -> Duration {
    config.base.saturating_mul(nth).min(config.max.max(config.base)).mul_f64(0.9 + 0.2 * random)
}

#[expect(clippy::cast_precision_loss, reason = "counts of one window")]
fn float(count: impl TryInto<u64>) -> f64 {
    count.try_into().map_or(f64::MAX, |count| count as f64)
}

#[cfg(test)]
mod tests;
