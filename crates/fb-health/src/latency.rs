//! How long calls take: one number to rank by, and percentiles to look at.

use std::time::{Duration, Instant};

/// How fast a peak is forgotten: after so long a third of it is left. Finagle's `PeakEwma` and tower's use the same.
const DECAY: Duration = Duration::from_secs(10);
/// Samples kept for percentiles.
const KEPT: usize = 256;
/// Samples older than this say nothing of today.
const OLDEST: Duration = Duration::from_secs(600);

/// A moving mean that jumps to a higher sample at once and forgets it slowly: being slow is believed sooner than being
/// quick.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeakEwma {
    last: Option<(f64, Instant)>,
}

impl PeakEwma {
    pub(crate) fn record(&mut self, sample: f64, now: Instant) {
        let mean = match self.last {
            Some((mean, when)) if sample < mean => {
                let gap = now.saturating_duration_since(when).as_secs_f64();
                let kept = (-gap / DECAY.as_secs_f64()).exp();
                mean * kept + sample * (1.0 - kept)
            }
            _ => sample,
        };
        self.last = Some((mean, now));
    }

    pub(crate) fn value(&self) -> Option<f64> {
        self.last.map(|(mean, _)| mean)
    }
}

/// The latest samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    samples: Vec<(Instant, Duration)>,
    next: usize,
}

impl Recent {
    pub(crate) fn record(&mut self, sample: Duration, now: Instant) {
        if self.samples.len() < KEPT {
            self.samples.push((now, sample));
        } else {
            self.samples[self.next] = (now, sample);
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// How many samples there are, the mean, and for each share the least time that so many samples do not exceed (the
    /// nearest rank); `None` without samples.
    pub(crate) fn summary<const N: usize>(
        &self,
        shares: [f64; N],
        now: Instant,
    ) -> Option<(usize, Duration, [Duration; N])> {
        let young = |when: Instant| now.saturating_duration_since(when) <= OLDEST;
        let kept = self.samples.iter().filter(|(when, _)| young(*when));
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
    reason = "at most 256 samples, and a share of 0 to 1"
)]
fn rank(share: f64, of: usize) -> usize {
    ((share * of as f64).ceil() as usize).clamp(1, of) - 1
}

#[cfg(test)]
mod tests;
