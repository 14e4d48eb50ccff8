//! Admission, and the guards of admitted calls.

use std::borrow::Borrow;
use std::thread;
use std::time::{Duration, Instant};

use crate::breaker::{Admission, Breaker};
use crate::machine::{Pass, Verdict};
use crate::state::Rejected;
use crate::weight::Weight;

/// The guard of an admitted call; settle it with the outcome.
///
/// A permit counts in the generation in which it was issued: a verdict after a transition is counted as late and changes
/// nothing. A permit that is dropped unsettled, as by a cancelled call, frees its slot without a verdict; one that is
/// dropped by a panic counts as [`Weight::FULL`].
///
/// A permit from [`Breaker::try_acquire`] owns its breaker and may be moved anywhere; one from
/// [`Breaker::try_acquire_borrowed`] is a `Permit<&Breaker>`.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use fb_breaker::{Breaker, BreakerConfig, Weight};
///
/// fn fetch() -> Result<u32, std::io::Error> {
///     Ok(7)
/// }
///
/// let breaker = Breaker::new(BreakerConfig::default(), Instant::now)?;
/// let permit = breaker.try_acquire(Instant::now())?;
/// match fetch() {
///     Ok(_) => permit.success(Instant::now()),
///     Err(_) => permit.failure(Weight::FULL, Instant::now()),
/// }
/// assert_eq!(breaker.outstanding(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped gives no verdict"]
pub struct Permit<B: Borrow<Breaker> = Breaker> {
    breaker: B,
    pass: Pass,
    settled: bool,
}

/// The guard of a call that was settled as a success before its end, such as a stream after its first output.
///
/// It holds no slot. The success counts at once, except that only the end of the call ends a streak of failures:
/// [`success`](Self::success), or a drop. [`failure`](Self::failure) revokes the success.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use fb_breaker::{Breaker, BreakerConfig, Weight};
///
/// let breaker = Breaker::new(BreakerConfig::default(), Instant::now)?;
/// let permit = breaker.try_acquire(Instant::now())?;
/// // The first output of the stream arrives …
/// let stream = permit.provisional(Instant::now());
/// assert_eq!(breaker.consecutive_failures(), 0);
/// // … and the connection breaks before its end.
/// stream.failure(Weight::FULL, Instant::now());
/// assert_eq!(breaker.consecutive_failures(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProvisionalPermit {
    breaker: Breaker,
    pass: Pass,
    settled: bool,
}

impl Breaker {
    /// Admits or rejects a call. The first call after the open time makes the breaker half-open and is its first probe.
    ///
    /// # Errors
    ///
    /// [`Rejected`] while the breaker is open, while it is half-open with all its probes in flight, and while it is forced
    /// open.
    #[inline]
    pub fn try_acquire(&self, now: Instant) -> Result<Permit, Rejected> {
        self.admit(now, Admission::Owned).map(|pass| Permit::new(self.clone(), pass))
    }

    /// Admits or rejects a call that does not outlive the breaker.
    ///
    /// The permit borrows the breaker, which saves a reference count. Except for probes, it is not included in
    /// [`outstanding`](Self::outstanding).
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn try_acquire_borrowed(&self, now: Instant) -> Result<Permit<&Self>, Rejected> {
        // `admit` returns a pass that would have to be copied into the permit, which costs a third of the whole call.
        match self.admit_uncounted() {
            Some(generation) => Ok(Permit::new(self, Pass::uncounted(generation, now))),
            None => match self.admit_locked(now, Admission::Borrowed) {
                Ok(pass) => Ok(Permit::new(self, pass)),
                Err(rejected) => Err(rejected),
            },
        }
    }

    /// Admits a call even though the breaker is open or has no probe left: the last resort of a caller without another
    /// target. Where [`try_acquire`](Self::try_acquire) would admit the call, this is the same.
    ///
    /// The success of a bypass counts like that of a probe: it makes an open breaker half-open before its time, with one
    /// successful probe. Its failure counts like that of a probe in a half-open breaker and changes nothing in an open
    /// one, so that bypasses do not prolong the open time.
    ///
    /// # Errors
    ///
    /// [`Rejected`] while another bypass is in flight and its lease, [`HalfOpenConfig::lease`](crate::HalfOpenConfig),
    /// has not expired, and while the breaker is forced open.
    pub fn try_bypass(&self, now: Instant) -> Result<Permit, Rejected> {
        self.admit(now, Admission::Bypass).map(|pass| Permit::new(self.clone(), pass))
    }
}

impl<B: Borrow<Breaker>> Permit<B> {
    fn new(breaker: B, pass: Pass) -> Self {
        Self { breaker, pass, settled: false }
    }

    /// States the time that the call may take. Limits for slow calls that are [not set](crate::SlowConfig) rise to it.
    pub fn allowing(mut self, time: Duration) -> Self {
        self.pass = self.pass.allowing(time);
        self
    }

    /// Settles the call as a success.
    #[inline]
    pub fn success(mut self, now: Instant) {
        self.settled = true;
        self.breaker.borrow().record_success(&self.pass, now);
    }

    /// Settles the call as a failure.
    pub fn failure(mut self, weight: Weight, now: Instant) {
        self.settle(Verdict::Failure(weight), now);
    }

    /// Settles the call without a verdict: its outcome is no evidence about the target, as with an invalid request.
    ///
    /// Unlike a dropped permit, it does not count as an abandoned probe.
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
    /// Settles the call as a success so far and frees its slot. The returned guard can report a later failure.
    pub fn provisional(mut self, now: Instant) -> ProvisionalPermit {
        self.settled = true;
        let pass = self.breaker.settle_provisional(self.pass, now);
        ProvisionalPermit { breaker: self.breaker.clone(), pass, settled: false }
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

impl ProvisionalPermit {
    /// Confirms the success at the end of the call, which ends a streak of failures.
    pub fn success(mut self, now: Instant) {
        self.settled = true;
        self.breaker.confirm(self.pass, now);
    }

    /// Replaces the provisional success by a failure.
    ///
    /// The call is still counted once, now as this failure, and a success counted as a probe is revoked. The failure counts
    /// in the generation that followed the success: it can open a breaker that the success has just closed, and changes
    /// nothing in later generations.
    pub fn failure(mut self, weight: Weight, now: Instant) {
        self.settled = true;
        self.breaker.late_failure(self.pass, weight, now);
    }

    #[cfg(feature = "tower")]
    pub(crate) fn now(&self) -> Instant {
        self.breaker.now()
    }
}

impl Drop for ProvisionalPermit {
    fn drop(&mut self) {
        if !self.settled {
            self.breaker.confirm(self.pass, self.breaker.now());
        }
    }
}
