//! Guards: what an admitted call holds until the breaker has heard how it ended.

use std::borrow::Borrow;
use std::thread;
use std::time::Instant;

use crate::breaker::Breaker;
use crate::machine::{Pass, Verdict};
use crate::weight::Weight;

/// Leave to make one call, and the duty to say how it ended.
///
/// A permit counts in the generation it was issued in: whatever it says after a transition is counted as
/// late and changes nothing. Dropped without a verdict, as a cancelled call does, it says nothing and
/// gives its slot back; dropped by a panic it says [`Weight::FULL`].
///
/// One from [`Breaker::try_acquire`] owns its breaker and may go anywhere; one from [`Breaker::try_enter`] is a
/// `Permit<&Breaker>`.
#[derive(Debug)]
#[must_use = "a permit that is dropped gives no verdict"]
pub struct Permit<B: Borrow<Breaker> = Breaker> {
    breaker: B,
    pass: Pass,
    settled: bool,
}

/// What is left of a call that was settled as a success before its end: a late failure can still be told.
///
/// It holds no slot, and dropping it says nothing.
#[derive(Debug)]
pub struct Tail {
    breaker: Breaker,
    pass: Pass,
}

impl<B: Borrow<Breaker>> Permit<B> {
    pub(crate) fn new(breaker: B, pass: Pass) -> Self {
        Self { breaker, pass, settled: false }
    }

    /// The call succeeded.
    #[inline]
    pub fn success(mut self, now: Instant) {
        self.settled = true;
        self.breaker.borrow().succeed(&self.pass, now);
    }

    /// The call failed.
    pub fn failure(mut self, weight: Weight, now: Instant) {
        self.settle(Verdict::Failure(weight), now);
    }

    /// The call ended in a way that says nothing of the target: by the caller's own mistake, for example.
    ///
    /// Unlike a dropped permit, this does not count as an abandoned probe.
    pub fn neutral(mut self, now: Instant) {
        self.settle(Verdict::Neutral, now);
    }

    #[cold]
    fn abandon(&mut self) {
        let verdict = if thread::panicking() { Verdict::Failure(Weight::FULL) } else { Verdict::Abandoned };
        let now = self.breaker.borrow().now();
        self.settle(verdict, now);
    }

    fn settle(&mut self, verdict: Verdict, now: Instant) {
        self.settled = true;
        self.breaker.borrow().settle(&self.pass, verdict, now);
    }
}

impl Permit {
    /// The call is a success so far, and goes on. Settles success, gives the slot back, and leaves a way to
    /// tell a late failure.
    pub fn provisional(mut self, now: Instant) -> Tail {
        self.settled = true;
        let pass = self.breaker.begin(self.pass, now);
        Tail { breaker: self.breaker.clone(), pass }
    }

    #[cfg(feature = "tower")]
    pub(crate) fn now(&self) -> Instant {
        self.breaker.now()
    }
}

impl<B: Borrow<Breaker>> Drop for Permit<B> {
    fn drop(&mut self) {
        if !self.settled {
            self.abandon();
        }
    }
}

impl Tail {
    /// The call failed after all.
    ///
    /// This replaces its success: the call is still counted once, now and as this failure, and where the
    /// success was a probe's it is taken back. It counts in the generation which that success led to, so it
    /// can open a breaker that the success has just closed, and changes nothing after that generation.
    pub fn failure(self, weight: Weight, now: Instant) {
        self.breaker.late_failure(self.pass, weight, now);
    }

    #[cfg(feature = "tower")]
    pub(crate) fn now(&self) -> Instant {
        self.breaker.now()
    }
}
