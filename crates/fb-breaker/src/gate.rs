//! What a call that is admitted and succeeds may do without the lock.
//!
//! In a closed breaker without a streak, a success that is not slow does one thing: it is one more call in the newest
//! bucket of the window. And an admission is one more permit outstanding. So while the breaker is like that, the gate
//! is open: one atomic word counts both, beside the machine. Whoever takes the lock to step the machine shuts the gate
//! first and hands what it counted to the machine; whoever gives the lock back opens it again, if the machine is like
//! that still. The machine is then as if every call had gone through the lock, so nobody can tell the difference.
//!
//! ```text
//! bit  63   62 … 40       39 … 20                              19 … 0
//!      open generation    successes the machine does not know  counted permits
//! ```
//!
//! Shut, the word is zero, and only the holder of the lock changes it. Open, it is changed in one piece or not at all,
//! so a change is made in the generation, and on the counts, that it was decided on. No field can run into the next:
//! one that is full, a generation that does not fit and a permit of an earlier generation take the lock.
//!
//! The end of the newest bucket is a word of its own. It changes only while the gate is shut, and within a generation it
//! only grows. A success that saw an old one is before the new one as well, and belongs into the newest bucket, as that
//! of a clock that stepped back. One that saw a new one, with a word from before, does not find that word again: the end
//! is written after the gate was shut and read after the word, so that to have seen the end is to see the gate shut.

use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

const SHUT: u64 = 0;
const OUTSTANDING: u64 = 1;
const SUCCESS: u64 = 1 << 20;
/// Of permits and of successes.
const MOST: u64 = SUCCESS - 1;
const GENERATION: u32 = 40;
const OPEN: u64 = 1 << 23;

pub(crate) struct Gate {
    word: AtomicU64,
    /// Ticks from the beginning.
    ends: AtomicU64,
    beginning: Instant,
}

/// What a gate counted while it was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// All there are.
    pub(crate) outstanding: u32,
    /// Since it was opened, all of them in the newest bucket.
    pub(crate) successes: u32,
}

impl Gate {
    /// A shut gate of a machine made at this moment.
    pub(crate) const fn new(beginning: Instant) -> Self {
        Self { word: AtomicU64::new(SHUT), ends: AtomicU64::new(0), beginning }
    }

    /// The generation of a permit that is not counted, or `None` where that takes the lock.
    #[inline]
    pub(crate) fn look(&self) -> Option<u64> {
        let word = self.word.load(Acquire);
        is_open(word).then(|| (word >> GENERATION) - OPEN)
    }

    /// Counts a permit and returns its generation, or `None` where that takes the lock.
    #[inline]
    pub(crate) fn enter(&self) -> Option<u64> {
        let enter = |word| (is_open(word) && outstanding(word) < MOST).then(|| word + OUTSTANDING);
        self.word.fetch_update(AcqRel, Acquire, enter).ok().map(|word| (word >> GENERATION) - OPEN)
    }

    /// Settles a permit, one that was counted or not, as a success that is not slow. Returns whether it did; if not,
    /// that takes the lock.
    #[inline]
    pub(crate) fn succeed(&self, generation: u64, counted: bool, now: Instant) -> bool {
        // Before the beginning is as good as at it: no bucket ends there.
        let Some(now) = ticks(now.saturating_duration_since(self.beginning)) else { return false };
        let permits = if counted { OUTSTANDING } else { 0 };
        let succeed = |word| {
            let counts = is_of(word, generation) && successes(word) < MOST && now < self.ends.load(Acquire);
            counts.then(|| word + SUCCESS - permits)
        };
        self.word.fetch_update(AcqRel, Acquire, succeed).is_ok()
    }

    /// Settles a counted permit that says nothing. Returns whether it did; if not, that takes the lock.
    #[inline]
    pub(crate) fn leave(&self, generation: u64) -> bool {
        let leave = |word| is_of(word, generation).then(|| word - OUTSTANDING);
        self.word.fetch_update(AcqRel, Acquire, leave).is_ok()
    }

    /// Shuts it, and returns what it counted if it was open. For the holder of the lock.
    pub(crate) fn shut(&self) -> Option<Counted> {
        // Nobody else opens it, so that a gate seen shut is.
        if self.word.load(Relaxed) == SHUT {
            return None;
        }
        let word = self.word.swap(SHUT, AcqRel);
        let narrow = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Some(Counted { outstanding: narrow(outstanding(word)), successes: narrow(successes(word)) })
    }

    /// Opens it, if all this fits, for successes in this generation until this moment. For the holder of the lock,
    /// who has shut it.
    pub(crate) fn open(&self, generation: u64, outstanding: u32, ends: Instant) {
        let outstanding = u64::from(outstanding);
        let Some(ends) = ends.checked_duration_since(self.beginning).and_then(ticks) else { return };
        if generation < OPEN && outstanding <= MOST {
            self.ends.store(ends, Release);
            self.word.store(((OPEN + generation) << GENERATION) + outstanding, Release);
        }
    }
}

/// In the order of time, and quicker made than nanoseconds: seconds above, nanoseconds below.
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
    word != SHUT
}

const fn is_of(word: u64, generation: u64) -> bool {
    word >> GENERATION == OPEN + generation
}

const fn outstanding(word: u64) -> u64 {
    word & MOST
}

const fn successes(word: u64) -> u64 {
    (word / SUCCESS) & MOST
}

#[cfg(test)]
mod tests;
