//! The shell around the state machine: the lock, the random numbers and the listener.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::config::{BreakerConfig, InvalidConfig};
use crate::control::{Mode, Override};
use crate::gate::Gate;
use crate::machine::{Machine, Pass, Step, Verdict};
use crate::snapshot::{OverrideSnapshot, Snapshot};
use crate::state::{RejectReason, Rejected, State, Transition, TransitionListener};
use crate::weight::Weight;

/// A circuit breaker: rejects calls to a failing target and admits a few probes to detect its recovery.
///
/// Cloning is cheap, and all clones share one state. Every operation takes at most one lock, does a bounded amount of work
/// and never waits otherwise, so all of them may be called from async code, from `Drop` and from a
/// [`TransitionListener`].
///
/// # Examples
///
/// ```
/// use std::time::Instant;
///
/// use fb_breaker::{Breaker, BreakerConfig, RejectReason, State, Weight};
///
/// let config = BreakerConfig::with(|config| config.consecutive = Some(2));
/// let breaker = Breaker::new(config, Instant::now)?;
///
/// for _ in 0..2 {
///     let permit = breaker.try_acquire(Instant::now())?;
///     permit.failure(Weight::FULL, Instant::now());
/// }
///
/// let rejected = breaker.try_acquire(Instant::now()).unwrap_err();
/// assert_eq!(rejected.reason, RejectReason::Open);
/// assert!(matches!(breaker.state(Instant::now()), State::Open { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
}

struct Shared {
    config: BreakerConfig,
    now: fn() -> Instant,
    gate: Gate,
    /// While the gate is open, the machine lacks the gate's counts. Code that steps the machine, reads a count or changes
    /// the override must use [`Locked`].
    core: Mutex<Core>,
}

/// The lock together with a closed gate: the machine has all counts. Dropping it opens the gate if the state allows.
struct Locked<'a> {
    gate: &'a Gate,
    core: MutexGuard<'a, Core>,
}

struct Core {
    machine: Machine,
    rng: fastrand::Rng,
    /// The jitter of the next opening, drawn in advance so that `peek` predicts the next step exactly.
    jitter: f64,
    listener: Option<TransitionListener>,
    forced: Option<Override>,
}

/// The kind of an admission.
#[derive(Clone, Copy)]
pub(crate) enum Admission {
    Owned,
    Borrowed,
    Bypass,
}

/// The active override, with its remaining time.
type ActiveOverride = Option<(Mode, Option<Duration>)>;

impl Breaker {
    /// Creates a closed breaker.
    ///
    /// All methods take the current time as an argument. `now` is only used for permits that are dropped, and must read the
    /// same clock. Under a runtime with a pausable clock, pass the runtime's clock.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`], naming the first invalid field of `config`.
    pub fn new(config: BreakerConfig, now: fn() -> Instant) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let origin = now();
        let machine = Machine::new(&config, origin);
        let mut rng = fastrand::Rng::new();
        let core = Core { machine, jitter: rng.f64(), rng, listener: None, forced: None };
        let shared = Shared { config, now, gate: Gate::new(origin), core: Mutex::new(core) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes the jitter of this breaker and its clones reproducible.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        {
            let mut core = self.shared.core.lock();
            core.rng = fastrand::Rng::with_seed(seed);
            core.jitter = core.rng.f64();
        }
        self
    }

    /// Sets the transition listener of this breaker and its clones, replacing any previous one.
    #[must_use]
    pub fn with_listener(self, listener: TransitionListener) -> Self {
        self.shared.core.lock().listener = Some(listener);
        self
    }

    /// Removes the transition listener of this breaker and its clones.
    pub(crate) fn remove_listener(&self) {
        self.shared.core.lock().listener = None;
    }

    /// Returns the result that [`try_acquire`](Self::try_acquire) would have, without changing anything.
    ///
    /// # Errors
    ///
    /// As for `try_acquire`.
    pub fn peek(&self, now: Instant) -> Result<(), Rejected> {
        let (mut copy, jitter) = {
            let core = self.shared.core.lock();
            match core.forced(now) {
                Some((Mode::ForcedOpen, remaining)) => return Err(self.forced_open(remaining)),
                Some((Mode::ForcedClosed | Mode::MetricsOnly, _)) => return Ok(()),
                // A closed breaker admits every call, so the common case does not copy the window.
                None if core.machine.is_closed() => return Ok(()),
                None => {}
            }
            (core.machine.clone(), core.jitter)
        };
        copy.step(&self.shared.config, jitter, now).acquire().map(|_| ())
    }

    /// Returns the number of permits that are neither settled nor dropped: all owned permits and all probes.
    ///
    /// A test for leaked permits compares it with zero.
    pub fn outstanding(&self) -> u32 {
        self.shared.lock().machine.outstanding()
    }

    /// Returns the number of verdicts that arrived after the end of their generation and changed nothing.
    pub fn late_verdicts(&self) -> u64 {
        self.shared.core.lock().machine.late_verdicts()
    }

    /// Returns the state, ignoring any override.
    ///
    /// A pure read: a breaker is half-open once its open time has elapsed, although the listener is called with the
    /// transition only at the next call.
    pub fn state(&self, now: Instant) -> State {
        self.shared.core.lock().machine.state(now)
    }

    /// Returns the share of its usual traffic that the target should get, 0 to 1.
    ///
    /// The share is 0 while the breaker is not closed and grows to 1 after a recovery, as set by
    /// [`RampConfig`](crate::RampConfig). It is advice for callers with another target: the breaker itself admits every
    /// call while it is closed.
    pub fn share(&self, now: Instant) -> f64 {
        self.shared.core.lock().machine.share(&self.shared.config, now)
    }

    /// Returns the number of consecutive failures. While the breaker is not closed, those that preceded its opening and the
    /// failed probes since.
    pub fn consecutive_failures(&self) -> u32 {
        self.shared.core.lock().machine.failures()
    }

    /// Returns `true` if the breaker is closed, ignoring any override.
    #[cfg(test)]
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.core.lock().machine.is_closed()
    }

    /// Returns `true` if the breaker can be discarded without losing state: closed, without outstanding permits, override
    /// or escalation.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let core = self.shared.lock();
        core.machine.is_closed()
            && core.machine.outstanding() == 0
            && core.forced(now).is_none()
            && core.machine.escalation() == 0
    }

    /// Closes the breaker and clears its counts.
    ///
    /// Calls in flight keep their permits; their verdicts are late. Resetting a closed breaker clears its counts without a
    /// transition and without calling the listener.
    pub fn reset(&self, now: Instant) {
        self.step(now, |mut step, _| step.reset());
    }

    /// Sets an override, replacing any previous one.
    ///
    /// The breaker keeps counting and changing its own state while the override is active.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use fb_breaker::{Breaker, BreakerConfig, Mode, Override, RejectReason};
    ///
    /// let breaker = Breaker::new(BreakerConfig::default(), Instant::now)?;
    /// let now = Instant::now();
    /// breaker.force(Override::new(Mode::ForcedOpen, "maintenance").until(now + Duration::from_secs(600)));
    /// assert_eq!(breaker.peek(now).unwrap_err().reason, RejectReason::Forced);
    /// breaker.lift();
    /// assert_eq!(breaker.peek(now), Ok(()));
    /// # Ok::<(), fb_breaker::InvalidConfig>(())
    /// ```
    pub fn force(&self, decision: Override) {
        self.shared.lock().forced = Some(decision);
    }

    /// Removes the override.
    pub fn lift(&self) {
        self.shared.lock().forced = None;
    }

    /// Returns the active override.
    pub fn forced(&self, now: Instant) -> Option<Override> {
        let core = self.shared.core.lock();
        core.forced.clone().filter(|decision| decision.is_active(now))
    }

    /// Returns the state to be kept across a restart.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let core = self.shared.core.lock();
        let open_for = match core.machine.state(now) {
            State::Closed => None,
            State::Open { reopens_in } => Some(reopens_in),
            State::HalfOpen => Some(Duration::ZERO),
        };
        let active = core.forced.as_ref().filter(|decision| decision.is_active(now));
        let forced = active.map(|decision| OverrideSnapshot {
            mode: decision.mode,
            reason: decision.reason.to_string(),
            left: decision.remaining(now),
        });
        let machine = &core.machine;
        let (failures, last_failure) = match open_for {
            Some(_) => (machine.failures(), machine.last_failure()),
            None => (0, None),
        };
        let last_failure = last_failure.map(|when| now.saturating_duration_since(when));
        Snapshot { open_for, escalation: machine.escalation(), failures, last_failure, forced }
    }

    /// Restores the state of another breaker.
    ///
    /// Calls in flight keep their permits; their verdicts are late. The listener is not called, because restoring is not a
    /// transition of this breaker.
    pub fn restore(&self, snapshot: &Snapshot, now: Instant) {
        self.step(now, |mut step, _| step.restore(snapshot));
        self.shared.lock().forced = snapshot.forced.as_ref().map(|forced| Override {
            mode: forced.mode,
            reason: forced.reason.as_str().into(),
            until: forced.left.and_then(|remaining| now.checked_add(remaining)),
        });
    }

    /// Returns the current generation if a call may be admitted without the lock and without being counted.
    #[inline]
    pub(crate) fn admit_uncounted(&self) -> Option<u64> {
        self.shared.gate.generation()
    }

    #[inline]
    pub(crate) fn admit(&self, now: Instant, admission: Admission) -> Result<Pass, Rejected> {
        match self.shared.gate.admit() {
            Some(generation) => Ok(Pass::new(generation, now)),
            None => self.admit_locked(now, admission),
        }
    }

    #[cold]
    pub(crate) fn admit_locked(&self, now: Instant, admission: Admission) -> Result<Pass, Rejected> {
        self.step(now, |mut step, forced| {
            let pass = match (forced, admission) {
                (Some((Mode::ForcedOpen, remaining)), _) => Err(self.forced_open(remaining)),
                (Some((Mode::ForcedClosed | Mode::MetricsOnly, _)), _) => Ok(step.acquire_forced()),
                (None, Admission::Bypass) => step.bypass(),
                (None, Admission::Owned | Admission::Borrowed) => step.acquire(),
            };
            match admission {
                Admission::Borrowed => pass.map(|pass| step.uncount(pass)),
                Admission::Owned | Admission::Bypass => pass,
            }
        })
    }

    /// Rejects a call while the breaker is forced open. Without an end of the override, callers should retry as rarely as
    /// with the longest open time.
    fn forced_open(&self, remaining: Option<Duration>) -> Rejected {
        let retry_after = remaining.unwrap_or_else(|| self.shared.config.open.longest());
        Rejected { retry_after, reason: RejectReason::Forced }
    }

    #[inline]
    pub(crate) fn record_success(&self, pass: &Pass, now: Instant) {
        let Shared { config, gate, .. } = &*self.shared;
        let slow = pass.is_slow(Verdict::Success, &config.slow, now);
        if slow || !gate.record_success(pass.generation(), pass.is_counted(), now) {
            self.settle_locked(pass, Verdict::Success, now);
        }
    }

    pub(crate) fn settle(&self, pass: &Pass, verdict: Verdict, now: Instant) {
        let Shared { config, gate, .. } = &*self.shared;
        let no_effect = matches!(verdict, Verdict::Neutral | Verdict::Abandoned)
            && !pass.is_slow(verdict, &config.slow, now);
        if !no_effect || (pass.is_counted() && !gate.release(pass.generation())) {
            self.settle_locked(pass, verdict, now);
        }
    }

    #[cold]
    fn settle_locked(&self, pass: &Pass, verdict: Verdict, now: Instant) {
        self.step(now, |mut step, _| {
            step.settle(*pass, verdict);
        });
    }

    /// Settles a provisional success and returns the pass required by [`confirm`](Self::confirm) and
    /// [`late_failure`](Self::late_failure).
    pub(crate) fn settle_provisional(&self, pass: Pass, now: Instant) -> Pass {
        self.step(now, |mut step, _| step.settle(pass, Verdict::Provisional))
    }

    pub(crate) fn confirm(&self, pass: Pass, now: Instant) {
        // An open gate implies a closed breaker without a streak: there is nothing to end.
        if self.shared.gate.generation() != Some(pass.generation()) {
            self.step(now, |mut step, _| step.confirm(pass));
        }
    }

    pub(crate) fn late_failure(&self, pass: Pass, weight: Weight, now: Instant) {
        self.step(now, |mut step, _| step.late_failure(pass, weight));
    }

    pub(crate) fn now(&self) -> Instant {
        (self.shared.now)()
    }

    fn step<T>(&self, now: Instant, act: impl FnOnce(Step<'_>, ActiveOverride) -> T) -> T {
        let mut guard = self.shared.lock();
        let core = &mut *guard;
        let forced = core.forced(now);
        let result = act(core.machine.step(&self.shared.config, core.jitter, now), forced);
        if core.machine.has_event() {
            Self::notify(guard, forced);
        }
        result
    }

    #[cold]
    fn notify(mut core: Locked<'_>, forced: ActiveOverride) {
        let notification = core.take_notification(forced);
        drop(core);
        if let Some((transition, listener)) = notification {
            // A panic in the listener must not affect the call, least of all in `Drop`. The panic hook has reported it.
            drop(catch_unwind(AssertUnwindSafe(|| listener(&transition))));
        }
    }
}

impl Shared {
    fn lock(&self) -> Locked<'_> {
        let mut core = self.core.lock();
        if let Some(counted) = self.gate.close() {
            core.machine.add_counted(counted);
        }
        Locked { gate: &self.gate, core }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let machine = &self.core.machine;
        if self.core.forced.is_none()
            && let Some(ends) = machine.only_counts_until()
        {
            self.gate.open(machine.generation(), machine.outstanding(), ends);
        }
    }
}

impl Deref for Locked<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl Core {
    /// Takes the transition of the last step and the listener to call with it.
    fn take_notification(&mut self, forced: ActiveOverride) -> Option<(Transition, TransitionListener)> {
        let transition = self.machine.take_event()?;
        self.jitter = self.rng.f64();
        let listener = self.listener.clone()?;
        (!matches!(forced, Some((Mode::ForcedClosed, _)))).then_some((transition, listener))
    }

    fn forced(&self, now: Instant) -> ActiveOverride {
        let decision = self.forced.as_ref().filter(|decision| decision.is_active(now))?;
        Some((decision.mode, decision.remaining(now)))
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.shared.lock().machine.clone();
        f.debug_struct("Breaker").field("machine", &machine).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
