//! A ring of buckets over the last span of time, with exact integer counts.

use std::collections::VecDeque;
use std::time::Instant;

use crate::config::{BreakerConfig, WindowConfig};

/// Weighted failures are kept in hundredths, so sums stay exact however long the window runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    calls: u64,
    failed_hundredths: u64,
}

/// The calls of the last span.
///
/// Recording costs the same whatever came before: totals are carried along, and a gap of any length clears
/// each bucket at most once. The buckets cut the span itself, not a rounded bucket width, so the realised
/// window is the configured one even when it does not divide evenly.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    began: Instant,
    span_nanos: u128,
    /// Which bucket, counted from the beginning, is the newest.
    tick: u64,
    total: Counts,
    /// Oldest first, never empty.
    buckets: VecDeque<Counts>,
}

impl Window {
    pub(crate) fn new(config: &WindowConfig, now: Instant) -> Self {
        let buckets = (0..config.buckets).map(|_| Counts::default()).collect();
        Self { began: now, span_nanos: config.span.as_nanos(), tick: 0, total: Counts::default(), buckets }
    }

    /// Counts a call that failed by so many hundredths and returns where it is kept.
    pub(crate) fn record(&mut self, failed_hundredths: u8, now: Instant) -> u64 {
        self.roll(now);
        let failed_hundredths = u64::from(failed_hundredths);
        if let Some(newest) = self.buckets.back_mut() {
            newest.calls += 1;
            newest.failed_hundredths += failed_hundredths;
            self.total.calls += 1;
            self.total.failed_hundredths += failed_hundredths;
        }
        self.tick
    }

    /// Uncounts a success, if it is not forgotten yet: its call turned out otherwise.
    pub(crate) fn take_back(&mut self, tick: u64, now: Instant) {
        self.roll(now);
        let age = usize::try_from(self.tick.saturating_sub(tick)).ok();
        if let Some(bucket) = age.and_then(|age| self.buckets.iter_mut().rev().nth(age)) {
            bucket.calls -= 1;
            self.total.calls -= 1;
        }
    }

    /// Whether there were enough calls and too many of them failed, as of the last one recorded.
    pub(crate) fn is_failing(&self, config: &BreakerConfig) -> bool {
        let Counts { calls, failed_hundredths } = self.total;
        calls >= u64::from(config.min_calls)
            && u128::from(failed_hundredths) * 10_000
                >= u128::from(config.rate_millionths()) * u128::from(calls)
    }

    /// Calls, and failures in hundredths.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.total.calls, self.total.failed_hundredths)
    }

    /// A clock that stepped back counts into the newest bucket.
    fn roll(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began).as_nanos();
        // At most 2^94 ns times 1000 buckets.
        let tick = elapsed * self.buckets.len() as u128 / self.span_nanos;
        let tick = u64::try_from(tick).unwrap_or(u64::MAX).max(self.tick);
        let forgotten = (tick - self.tick).min(self.buckets.len() as u64);
        for _ in 0..forgotten {
            if let Some(oldest) = self.buckets.pop_front() {
                self.total.calls -= oldest.calls;
                self.total.failed_hundredths -= oldest.failed_hundredths;
            }
            self.buckets.push_back(Counts::default());
        }
        self.tick = tick;
    }
}

#[cfg(test)]
mod tests;
