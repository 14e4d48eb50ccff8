//! A ring of buckets over the last span of time, or of the last calls, with exact integer counts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::{BreakerConfig, WindowConfig, millionths};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Weighted failures are kept in hundredths, so sums stay exact however long the window runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    calls: u64,
    failed_hundredths: u64,
    slow: u64,
}

/// The calls of the last span; or the last calls, a bucket each.
///
/// Recording costs the same whatever came before: totals are carried along, and a gap of any length clears
/// each bucket at most once. The buckets cut the span itself, not a rounded bucket width, so the realised
/// window is the configured one even when it does not divide evenly.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    began: Instant,
    span_nanos: u128,
    by_calls: bool,
    /// Which bucket, counted from the beginning, is the newest.
    tick: u64,
    /// When that one ends, so that most calls find it without a division.
    ends: Instant,
    total: Counts,
    /// Oldest first, never empty.
    buckets: VecDeque<Counts>,
}

impl Window {
    pub(crate) fn new(config: &WindowConfig, now: Instant) -> Self {
        let buckets = config.calls.unwrap_or(config.buckets);
        let mut window = Self {
            began: now,
            span_nanos: config.span.as_nanos(),
            by_calls: config.calls.is_some(),
            tick: 0,
            ends: now,
            total: Counts::default(),
            buckets: (0..buckets).map(|_| Counts::default()).collect(),
        };
        window.ends = window.end();
        window
    }

    /// Counts a call that failed by so many hundredths, or was slow, and returns where it is kept.
    pub(crate) fn record(&mut self, failed_hundredths: u8, slow: bool, now: Instant) -> u64 {
        self.roll(if self.by_calls { self.tick + 1 } else { self.at(now) });
        let failed_hundredths = u64::from(failed_hundredths);
        if let Some(newest) = self.buckets.back_mut() {
            newest.calls += 1;
            newest.failed_hundredths += failed_hundredths;
            newest.slow += u64::from(slow);
            self.total.calls += 1;
            self.total.failed_hundredths += failed_hundredths;
            self.total.slow += u64::from(slow);
        }
        self.tick
    }

    /// Until when a call is kept in the newest bucket; `None` if each call has its own.
    pub(crate) fn ends(&self) -> Option<Instant> {
        (!self.by_calls).then_some(self.ends)
    }

    /// Counts successes into the newest bucket.
    pub(crate) fn add_successes(&mut self, successes: u32) {
        if let Some(newest) = self.buckets.back_mut() {
            newest.calls += u64::from(successes);
            self.total.calls += u64::from(successes);
        }
    }

    /// Uncounts a success, if it is not forgotten yet: its call turned out otherwise. That it was slow stays.
    pub(crate) fn take_back(&mut self, tick: u64, now: Instant) {
        self.roll(self.at(now));
        let age = usize::try_from(self.tick.saturating_sub(tick)).ok();
        if let Some(bucket) = age.and_then(|age| self.buckets.iter_mut().rev().nth(age)) {
            bucket.calls -= 1;
            self.total.calls -= 1;
        }
    }

    /// Whether there were enough calls and too many of them failed, as of the last one recorded.
    pub(crate) fn is_failing(&self, config: &BreakerConfig) -> bool {
        let Counts { calls, failed_hundredths, .. } = self.total;
        calls >= config.least_calls()
            && u128::from(failed_hundredths) * 10_000 >= millionths(config.failure_rate) * u128::from(calls)
    }

    /// Whether there were enough calls and too many of them slow, as of the last one recorded.
    pub(crate) fn is_slow(&self, config: &BreakerConfig) -> bool {
        let Counts { calls, slow, .. } = self.total;
        calls >= config.least_calls()
            && u128::from(slow) * 1_000_000 >= millionths(config.slow.rate) * u128::from(calls)
    }

    /// Calls, and failures in hundredths.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.total.calls, self.total.failed_hundredths)
    }

    /// The bucket of this moment. A clock that stepped back counts into the newest.
    fn at(&self, now: Instant) -> u64 {
        if self.by_calls || now < self.ends {
            return self.tick;
        }
        let elapsed = now.saturating_duration_since(self.began).as_nanos();
        // At most 2^94 ns times 1000 buckets.
        let tick = elapsed * self.buckets.len() as u128 / self.span_nanos;
        u64::try_from(tick).unwrap_or(u64::MAX).max(self.tick)
    }

    /// The first moment of the next bucket. Where no `Instant` is so late it is the beginning, which is as good as
    /// not to know.
    fn end(&self) -> Instant {
        let nanos = ((u128::from(self.tick) + 1) * self.span_nanos).div_ceil(self.buckets.len() as u128);
        let seconds = u64::try_from(nanos / NANOS_PER_SECOND).ok();
        let rest = Duration::from_nanos_u128(nanos % NANOS_PER_SECOND);
        seconds
            .and_then(|seconds| self.began.checked_add(Duration::from_secs(seconds))?.checked_add(rest))
            .unwrap_or(self.began)
    }

    fn roll(&mut self, tick: u64) {
        if tick == self.tick {
            return;
        }
        let forgotten = (tick - self.tick).min(self.buckets.len() as u64);
        for _ in 0..forgotten {
            if let Some(oldest) = self.buckets.pop_front() {
                self.total.calls -= oldest.calls;
                self.total.failed_hundredths -= oldest.failed_hundredths;
                self.total.slow -= oldest.slow;
            }
            self.buckets.push_back(Counts::default());
        }
        self.tick = tick;
        if !self.by_calls {
            self.ends = self.end();
        }
    }
}

#[cfg(test)]
mod tests;
