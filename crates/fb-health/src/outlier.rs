//! Who does so much worse than its peers that it is left out for a while.

use std::time::Duration;

use crate::{config::OutlierConfig, window::Counts};

/// Whether the target with these calls is an outlier among its peers, of whom `ejected` are left out already.
///
/// It is when its failures are a share of `failure_share`, or when its successes are rarer than the other peers' by
/// `deviations` standard deviations and by `margin`. The others only: a target among n is never further from the mean of
/// all than √(n-1) of their deviations, so that with 1.9 of them none of three or four could ever be told apart.
pub(crate) fn is_outlier(config: &OutlierConfig, target: Counts, others: &[Counts], ejected: usize) -> bool {
    let judged = |counts: &Counts| counts.calls >= u64::from(config.min_calls);
    if !config.enabled || !judged(&target) || !may_eject(config, others.len() + 1, ejected) {
        return false;
    }
    let peers: Vec<f64> = others.iter().filter(|counts| judged(counts)).map(success).collect();
    if peers.len() + 1 < config.min_peers as usize {
        return false;
    }
    let own = success(&target);
    let (mean, deviation) = mean_and_deviation(&peers);
    1.0 - own >= config.failure_share || own < mean - (config.deviations * deviation).max(config.margin)
}

/// Whether one more of so many peers may be left out: the next one counts too, and somebody always stays.
fn may_eject(config: &OutlierConfig, peers: usize, ejected: usize) -> bool {
    let next = ejected + 1;
    next < peers && float(next) <= config.max_ejected * float(peers)
}

fn success(counts: &Counts) -> f64 {
    float(counts.calls - counts.failed) / float(counts.calls)
}

fn mean_and_deviation(shares: &[f64]) -> (f64, f64) {
    let of = float(shares.len());
    let mean = shares.iter().sum::<f64>() / of;
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / of;
    (mean, variance.sqrt())
}

/// How long the `nth` ejection in a row lasts; `unit`, 0 to 1, spreads those of many processes by a tenth each way.
pub(crate) fn ejected_for(config: &OutlierConfig, nth: u32, unit: f64) -> Duration {
    config.base.saturating_mul(nth).min(config.max).mul_f64(0.9 + 0.2 * unit)
}

#[expect(clippy::cast_precision_loss, reason = "counts of one window")]
fn float(count: impl TryInto<u64>) -> f64 {
    count.try_into().map_or(f64::MAX, |count| count as f64)
}

#[cfg(test)]
mod tests;
