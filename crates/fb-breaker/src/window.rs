//! A sliding window over a span of time or a number of calls, with exact integer counts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::{BreakerConfig, WindowConfig, millionths};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Weighted failures are counted in hundredths, so that sums stay exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    calls: u64,
    failed_hundredths: u64,
    slow: u64,
}

/// The calls of the last span in a ring of buckets, or the last calls with one bucket each.
///
/// Recording takes constant time: totals are maintained, and a gap of any length clears each bucket at most once. The
/// buckets divide the span itself, not a rounded bucket width, so the window has the configured length even if it does not
/// divide evenly.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    origin: Instant,
    span_nanos: u128,
    by_calls: bool,
    /// The number of the newest bucket, counted from the origin.
    tick: u64,
    /// The end of the newest bucket, so that most calls need no division.
    ends: Instant,
    total: Counts,
    /// Oldest first, never empty.
    buckets: VecDeque<Counts>,
}

impl Window {
    pub(crate) fn new(config: &WindowConfig, now: Instant) -> Self {
        let buckets = config.calls.unwrap_or(config.buckets);
        let mut window = Self {
            origin: now,
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

    /// Records a call and returns the number of its bucket.
    pub(crate) fn record(&mut self, failed_hundredths: u8, slow: bool, now: Instant) -> u64 {
        self.roll(if self.by_calls { self.tick + 1 } else { self.tick_at(now) });
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

    /// Returns the end of the newest bucket; `None` if each call has its own.
    pub(crate) fn ends(&self) -> Option<Instant> {
        (!self.by_calls).then_some(self.ends)
    }

    /// Adds successes to the newest bucket.
    pub(crate) fn add_successes(&mut self, successes: u32) {
        if let Some(newest) = self.buckets.back_mut() {
            newest.calls += u64::from(successes);
            self.total.calls += u64::from(successes);
        }
    }

    /// Removes a success that is still in the window, because its call failed later. A slow call still counts as slow.
    pub(crate) fn revoke_success(&mut self, tick: u64, now: Instant) {
        self.roll(self.tick_at(now));
        let age = usize::try_from(self.tick.saturating_sub(tick)).ok();
        if let Some(bucket) = age.and_then(|age| self.buckets.iter_mut().rev().nth(age)) {
            bucket.calls -= 1;
            self.total.calls -= 1;
        }
    }

    /// Returns `true` if the window has enough calls and the share of failures reaches the limit.
    pub(crate) fn is_failing(&self, config: &BreakerConfig) -> bool {
        let Counts { calls, failed_hundredths, .. } = self.total;
        calls >= config.effective_min_calls()
            && u128::from(failed_hundredths) * 10_000 >= millionths(config.failure_rate) * u128::from(calls)
    }

    /// Returns `true` if the window has enough calls and the share of slow ones reaches the limit.
    pub(crate) fn is_slow(&self, config: &BreakerConfig) -> bool {
        let Counts { calls, slow, .. } = self.total;
        calls >= config.effective_min_calls()
            && u128::from(slow) * 1_000_000 >= millionths(config.slow.rate) * u128::from(calls)
    }

    /// Returns the calls, and the failures in hundredths.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.total.calls, self.total.failed_hundredths)
    }

    /// Returns the number of the bucket at this time; the newest one if the clock stepped back.
    fn tick_at(&self, now: Instant) -> u64 {
        if self.by_calls || now < self.ends {
            return self.tick;
        }
        let elapsed = now.saturating_duration_since(self.origin).as_nanos();
        // At most 2^94 ns times 1000 buckets, which fits in 128 bits.
        let tick = elapsed * self.buckets.len() as u128 / self.span_nanos;
        u64::try_from(tick).unwrap_or(u64::MAX).max(self.tick)
    }

    /// Returns the end of the newest bucket. If that exceeds the range of `Instant`, it returns the origin, which disables
    /// the shortcut.
    fn end(&self) -> Instant {
        let nanos = ((u128::from(self.tick) + 1) * self.span_nanos).div_ceil(self.buckets.len() as u128);
        let seconds = u64::try_from(nanos / NANOS_PER_SECOND).ok();
        let rest = u64::try_from(nanos % NANOS_PER_SECOND).map_or(Duration::ZERO, Duration::from_nanos);
        seconds
            .and_then(|seconds| self.origin.checked_add(Duration::from_secs(seconds))?.checked_add(rest))
            .unwrap_or(self.origin)
    }

    fn roll(&mut self, tick: u64) {
        if tick == self.tick {
            return;
        }
        let expired = (tick - self.tick).min(self.buckets.len() as u64);
        for _ in 0..expired {
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
