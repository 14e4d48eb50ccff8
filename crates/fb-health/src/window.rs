//! Exact counts of the calls in a sliding window.

use std::time::{Duration, Instant};

/// Calls expire in steps of a twelfth of the window.
const BUCKETS: usize = 12;

/// The number of calls, and of failed ones among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
}

/// A ring of buckets. A bucket is cleared when it is reused, so recording costs the same after any gap.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    began: Instant,
    bucket: Duration,
    newest: u64,
    /// The tick in which each bucket was last used, and its counts.
    ring: [(u64, Counts); BUCKETS],
}

impl Window {
    pub(crate) fn new(span: Duration, now: Instant) -> Self {
        let bucket = (span / u32::try_from(BUCKETS).unwrap_or(1)).max(Duration::from_nanos(1));
        Self { began: now, bucket, newest: 0, ring: [(0, Counts::default()); BUCKETS] }
    }

    pub(crate) fn record(&mut self, failed: bool, now: Instant) {
        let tick = self.tick(now);
        self.newest = tick;
        let (used, counts) = &mut self.ring[slot(tick)];
        if *used != tick {
            (*used, *counts) = (tick, Counts::default());
        }
        counts.calls += 1;
        counts.failed += u64::from(failed);
    }

    pub(crate) fn clear(&mut self, now: Instant) {
        let tick = self.tick(now);
        self.newest = tick;
        self.ring = [(tick, Counts::default()); BUCKETS];
    }

    pub(crate) fn counts(&self, now: Instant) -> Counts {
        let tick = self.tick(now);
        let kept = self.ring.iter().filter(|(used, _)| tick - used < BUCKETS as u64);
        kept.fold(Counts::default(), |sum, (_, one)| Counts {
            calls: sum.calls + one.calls,
            failed: sum.failed + one.failed,
        })
    }

    /// Returns the tick of `now`. After a backward step of the clock, this is the newest tick.
    fn tick(&self, now: Instant) -> u64 {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let since = nanos(now.saturating_duration_since(self.began));
        // 64 bits are centuries, and their division takes a fraction of the time.
        (since / nanos(self.bucket).max(1)).max(self.newest)
    }
}

fn slot(tick: u64) -> usize {
    usize::try_from(tick % BUCKETS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
