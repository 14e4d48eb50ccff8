use std::time::{Duration, Instant};

use crate::{config::SlowConfig, weight::Weight};

/// The record of an admitted call, handed back to the machine when the call settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(super) generation: u64,
    pub(super) started: Instant,
    /// The time that the call may take; zero if its caller did not state it.
    pub(super) allowed: Duration,
    pub(super) mark: Mark,
}

/// The machine's record of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing beyond the outstanding permit.
    Outstanding,
    /// Nothing, not even an outstanding permit.
    Uncounted,
    /// A lease on a probe slot or on the bypass slot.
    Leased(u64),
    /// A success counted in this bucket of the window. A late failure revokes it.
    WindowSuccess(u64),
    /// A success counted as a probe. A late failure revokes it.
    ProbeSuccess,
}

/// The outcome of an admitted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    /// A success so far: the first output has arrived.
    Provisional,
    Failure(Weight),
    /// The outcome is no evidence about the target.
    Neutral,
    /// The permit was dropped before the call ended.
    Abandoned,
}

impl Pass {
    /// Creates a pass without a lease.
    #[inline]
    pub(crate) const fn new(generation: u64, started: Instant) -> Self {
        Self { generation, started, allowed: Duration::ZERO, mark: Mark::Outstanding }
    }

    /// Creates a pass without a lease that is not counted as outstanding.
    #[inline]
    pub(crate) const fn uncounted(generation: u64, started: Instant) -> Self {
        Self { generation, started, allowed: Duration::ZERO, mark: Mark::Uncounted }
    }

    /// Returns the pass of a call that may take this long.
    pub(crate) const fn allowing(self, allowed: Duration) -> Self {
        Self { allowed, ..self }
    }

    #[inline]
    pub(crate) const fn is_counted(&self) -> bool {
        !matches!(self.mark, Mark::Uncounted)
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    #[inline]
    pub(crate) fn is_slow(&self, verdict: Verdict, config: &SlowConfig, now: Instant) -> bool {
        let limit = match verdict {
            Verdict::Provisional => config.first_limit(self.allowed),
            Verdict::Success | Verdict::Abandoned => config.total_limit(self.allowed),
            Verdict::Failure(_) | Verdict::Neutral => return false,
        };
        // An addition is faster than a subtraction. A limit that overflows is no limit.
        self.started.checked_add(limit).is_some_and(|slow| slow <= now)
    }
}

impl Verdict {
    /// Returns `true` if the outcome is evidence about the target.
    pub(super) const fn is_evidence(self) -> bool {
        matches!(self, Self::Success | Self::Provisional | Self::Failure(_))
    }
}
