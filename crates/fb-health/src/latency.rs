//! Latency of calls: a moving average for ranking, and percentiles.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The decay time of a peak, after which about a third of it is left; as in the `PeakEwma` of Finagle and tower.
const DECAY: Duration = Duration::from_secs(10);
/// The number of samples kept for percentiles.
const CAPACITY: usize = 100;
/// Older samples do not count.
const MAX_AGE: Duration = Duration::from_secs(600);

/// A moving average that follows a higher sample at once and a lower one slowly, so that slowness shows sooner than
/// recovery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeakEwma {
    last: Option<(f64, Instant)>,
}

impl PeakEwma {
    pub(crate) fn record(&mut self, sample: f64, now: Instant) {
        let mean = match self.last {
            Some((mean, when)) if sample < mean => {
                let kept = kept(now.saturating_duration_since(when));
                mean * kept + sample * (1.0 - kept)
            }
            _ => sample,
        };
        self.last = Some((mean, now));
    }

    /// Returns the average as of the last sample.
    pub(crate) fn last(&self) -> Option<f64> {
        self.last.map(|(mean, _)| mean)
    }

    /// Returns the average, which decays towards zero without samples, so that what was slow once is tried again.
    pub(crate) fn value(&self, now: Instant) -> Option<f64> {
        self.last.map(|(mean, when)| mean * kept(now.saturating_duration_since(when)))
    }
}

/// Returns the share of a peak that is left after a time.
fn kept(gap: Duration) -> f64 {
    (-gap.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

/// The latest samples, kept sorted, because a router reads their percentiles for every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    /// In the order of their arrival.
    samples: VecDeque<(Instant, u64)>,
    /// The same samples by their length, in nanoseconds: a search compares words.
    sorted: Vec<u64>,
    sum: u128,
}

impl Recent {
    pub(crate) fn record(&mut self, sample: Duration, now: Instant) {
        let sample = u64::try_from(sample.as_nanos()).unwrap_or(u64::MAX);
        let index = self.sorted.partition_point(|other| *other < sample);
        if self.samples.len() == CAPACITY
            && let Some((_, oldest)) = self.samples.pop_front()
        {
            // Moves only what lies between the two: nothing for equal samples.
            let freed = self.sorted.partition_point(|other| *other < oldest);
            if freed < index {
                self.sorted[freed..index].rotate_left(1);
                self.sorted[index - 1] = sample;
            } else {
                self.sorted[index..=freed].rotate_right(1);
                self.sorted[index] = sample;
            }
            self.sum -= u128::from(oldest);
        } else {
            self.sorted.insert(index, sample);
        }
        self.samples.push_back((now, sample));
        self.sum += u128::from(sample);
    }

    /// Returns the number of samples, their mean, and a percentile (nearest rank) for each share; `None` without
    /// samples.
    pub(crate) fn summary<const N: usize>(
        &mut self,
        shares: [f64; N],
        now: Instant,
    ) -> Option<(usize, Duration, [Duration; N])> {
        while self.samples.front().is_some_and(|(when, _)| now.saturating_duration_since(*when) > MAX_AGE) {
            self.remove_first();
        }
        let (sorted, len) = (&self.sorted, self.sorted.len());
        let mean = u64::try_from(self.sum.checked_div(len as u128)?).unwrap_or(u64::MAX);
        let percentiles = shares.map(|share| Duration::from_nanos(sorted[rank(share, len)]));
        Some((len, Duration::from_nanos(mean), percentiles))
    }

    fn remove_first(&mut self) {
        let Some((_, sample)) = self.samples.pop_front() else { return };
        let index = self.sorted.partition_point(|other| *other < sample);
        self.sorted.remove(index);
        self.sum -= u128::from(sample);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "at most 100 samples, and a share of 0 to 1"
)]
fn rank(share: f64, len: usize) -> usize {
    ((share * len as f64).ceil() as usize).clamp(1, len) - 1
}

#[cfg(test)]
mod tests;
