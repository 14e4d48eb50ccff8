//! Latency of calls: a moving average for ranking, and percentiles.

use std::time::{Duration, Instant};

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

/// A ring of the latest samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    samples: Vec<(Instant, Duration)>,
    next: usize,
}

impl Recent {
    pub(crate) fn record(&mut self, sample: Duration, now: Instant) {
        if self.samples.len() < CAPACITY {
            self.samples.push((now, sample));
        } else {
            self.samples[self.next] = (now, sample);
        }
        self.next = (self.next + 1) % CAPACITY;
    }

    /// Returns the number of samples, their mean, and a percentile (nearest rank) for each share; `None` without
    /// samples.
    pub(crate) fn summary<const N: usize>(
        &self,
        shares: [f64; N],
        now: Instant,
    ) -> Option<(usize, Duration, [Duration; N])> {
        let is_recent = |when: Instant| now.saturating_duration_since(when) <= MAX_AGE;
        let kept = self.samples.iter().filter(|(when, _)| is_recent(*when));
        let mut sorted: Vec<Duration> = kept.map(|(_, sample)| *sample).collect();
        sorted.sort_unstable();
        let count = u32::try_from(sorted.len()).ok().filter(|count| *count > 0)?;
        let mean = sorted.iter().sum::<Duration>() / count;
        Some((sorted.len(), mean, shares.map(|share| sorted[rank(share, sorted.len())])))
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
