//! The lock-free fast path for admissions and successes.
//!
//! In a closed breaker without a streak, a success that is not slow has one effect: it adds one call to the newest bucket
//! of the window. An admission adds one outstanding permit. While the breaker is in that state the gate is open, and one
//! atomic word next to the machine counts both. A thread that takes the lock to step the machine first closes the gate and
//! adds its counts to the machine; before it releases the lock it opens the gate again if the machine is still in that
//! state. The machine is then in the same state as if every call had taken the lock.
//!
//! ```text
//! bit  63   62 … 40       39 … 20                               19 … 0
//!      open generation    successes not yet in the machine      counted permits
//! ```
//!
//! The word of a closed gate is zero, and only the lock holder changes it. The word of an open gate is changed as a whole
//! by compare-and-swap, so every change applies to the generation and the counts that it was based on. No field can
//! overflow into the next: a full field, a generation that does not fit and a permit of an earlier generation take the
//! lock.
//!
//! The end of the newest bucket is a second word. It changes only while the gate is closed, and within a generation it only
//! increases. A success that reads an outdated end is also before the current one and belongs to the newest bucket, as
//! with a clock that stepped back. A success that reads a newer end together with an outdated first word fails its
//! compare-and-swap: the end is written after the gate was closed and read after the first word, so a thread that sees the
//! new end also sees the closed gate.

use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

const CLOSED: u64 = 0;
const OUTSTANDING: u64 = 1;
const SUCCESS: u64 = 1 << 20;
/// Maximum number of permits and of successes.
const MAX_COUNT: u64 = SUCCESS - 1;
const GENERATION: u32 = 40;
const OPEN: u64 = 1 << 23;

pub(crate) struct Gate {
    word: AtomicU64,
    /// The end of the newest bucket, in ticks since `origin`.
    ends: AtomicU64,
    origin: Instant,
}

/// The counts of an open gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// All outstanding permits.
    pub(crate) outstanding: u32,
    /// Successes since the gate was opened, all of them in the newest bucket.
    pub(crate) successes: u32,
}

impl Gate {
    /// Creates a closed gate.
    pub(crate) const fn new(origin: Instant) -> Self {
        Self { word: AtomicU64::new(CLOSED), ends: AtomicU64::new(0), origin }
    }

    /// Returns the generation for a permit that is not counted, or `None` if the call has to take the lock.
    #[inline]
    pub(crate) fn generation(&self) -> Option<u64> {
        let word = self.word.load(Acquire);
        is_open(word).then(|| (word >> GENERATION) - OPEN)
    }

    /// Counts a permit and returns its generation, or `None` if the call has to take the lock.
    #[inline]
    pub(crate) fn admit(&self) -> Option<u64> {
        let admit = |word| (is_open(word) && outstanding(word) < MAX_COUNT).then(|| word + OUTSTANDING);
        self.word.fetch_update(AcqRel, Acquire, admit).ok().map(|word| (word >> GENERATION) - OPEN)
    }

    /// Settles a counted or uncounted permit as a success that is not slow. Returns `false` if the call has to take the
    /// lock.
    #[inline]
    pub(crate) fn record_success(&self, generation: u64, counted: bool, now: Instant) -> bool {
        // A time before the origin can be treated as the origin: no bucket ends there.
        let Some(now) = ticks(now.saturating_duration_since(self.origin)) else { return false };
        let permits = if counted { OUTSTANDING } else { 0 };
        let record = |word| {
            let counts =
                is_open_in(word, generation) && successes(word) < MAX_COUNT && now < self.ends.load(Acquire);
            counts.then(|| word + SUCCESS - permits)
        };
        self.word.fetch_update(AcqRel, Acquire, record).is_ok()
    }

    /// Settles a counted permit without a verdict. Returns `false` if the call has to take the lock.
    #[inline]
    pub(crate) fn release(&self, generation: u64) -> bool {
        let release = |word| is_open_in(word, generation).then(|| word - OUTSTANDING);
        self.word.fetch_update(AcqRel, Acquire, release).is_ok()
    }

    /// Closes the gate and returns its counts if it was open. The caller must hold the lock.
    pub(crate) fn close(&self) -> Option<Counted> {
        // Only the lock holder opens the gate, so a closed gate stays closed here.
        if self.word.load(Relaxed) == CLOSED {
            return None;
        }
        let word = self.word.swap(CLOSED, AcqRel);
        let narrow = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Some(Counted { outstanding: narrow(outstanding(word)), successes: narrow(successes(word)) })
    }

    /// Opens the gate for successes of this generation before `ends`, if the values fit. The caller must hold the lock and
    /// have closed the gate.
    pub(crate) fn open(&self, generation: u64, outstanding: u32, ends: Instant) {
        let outstanding = u64::from(outstanding);
        let Some(ends) = ends.checked_duration_since(self.origin).and_then(ticks) else { return };
        if generation < OPEN && outstanding <= MAX_COUNT {
            self.ends.store(ends, Release);
            self.word.store(((OPEN + generation) << GENERATION) + outstanding, Release);
        }
    }
}

/// Encodes a duration in order of time: seconds in the high bits, nanoseconds in the low ones. This is faster than
/// converting to nanoseconds.
#[inline]
const fn ticks(time: Duration) -> Option<u64> {
    const NANOS: u32 = 30;
    let seconds = time.as_secs();
    if seconds >> (u64::BITS - NANOS) == 0 {
        Some((seconds << NANOS) | time.subsec_nanos() as u64)
    } else {
        None
    }
}

const fn is_open(word: u64) -> bool {
    word != CLOSED
}

const fn is_open_in(word: u64, generation: u64) -> bool {
    word >> GENERATION == OPEN + generation
}

const fn outstanding(word: u64) -> u64 {
    word & MAX_COUNT
}

const fn successes(word: u64) -> u64 {
    (word / SUCCESS) & MAX_COUNT
}

#[cfg(test)]
mod tests;
