//! The shell around the machine: one lock, the random numbers, and who is told.

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
use crate::permit::Permit;
use crate::snapshot::{Forced, Snapshot};
use crate::state::{Listener, RejectReason, Rejected, State, Transition};
use crate::weight::Weight;

/// Stops calls to a target that fails, and lets a few through to see whether it is back.
///
/// A clone is the same breaker. Every operation takes at most one lock, does a bounded amount of work and waits for
/// nothing else, so all of it may be used from async code, from `Drop` and from a [`Listener`].
#[derive(Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
}

struct Shared {
    config: BreakerConfig,
    now: fn() -> Instant,
    gate: Gate,
    /// While the gate is open, the machine lacks what the gate counted. What steps the machine, asks it for a count or
    /// changes what is forced takes [`Locked`] instead.
    core: Mutex<Core>,
}

/// The lock and a shut gate: the machine has counted everything. The gate opens when it is dropped, if it may.
struct Locked<'a> {
    gate: &'a Gate,
    core: MutexGuard<'a, Core>,
}

struct Core {
    machine: Machine,
    rng: fastrand::Rng,
    /// The jitter of the next opening. Drawn ahead so that `peek` sees the same as what follows it.
    unit: f64,
    listener: Option<Listener>,
    forced: Option<Override>,
}

/// For whom a permit is.
#[derive(Clone, Copy)]
enum Entry {
    Owned,
    Borrowed,
    Bypass,
}

/// What an operator makes a breaker do, and for how long.
type Forcing = Option<(Mode, Option<Duration>)>;

impl Breaker {
    /// Makes a closed breaker.
    ///
    /// All methods take the time as an argument; `now` is only for permits that are dropped, and has to read
    /// the same clock. Under a runtime whose clock can be paused that is the runtime's, not the system's.
    ///
    /// # Errors
    ///
    /// Names the first field of `config` with which no breaker could work.
    pub fn new(config: BreakerConfig, now: fn() -> Instant) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let beginning = now();
        let machine = Machine::new(&config, beginning);
        let mut rng = fastrand::Rng::new();
        let core = Core { machine, unit: rng.f64(), rng, listener: None, forced: None };
        let shared = Shared { config, now, gate: Gate::new(beginning), core: Mutex::new(core) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes the jitter of this breaker and its clones repeatable.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        {
            let mut core = self.shared.core.lock();
            core.rng = fastrand::Rng::with_seed(seed);
            core.unit = core.rng.f64();
        }
        self
    }

    /// Sets who hears of the transitions of this breaker and its clones, in place of the one before.
    #[must_use]
    pub fn with_listener(self, listener: Listener) -> Self {
        self.shared.core.lock().listener = Some(listener);
        self
    }

    /// Asks to make a call. The first after the open time makes the breaker half-open and is its first probe.
    ///
    /// # Errors
    ///
    /// While the breaker is open, or half-open with all its probes in flight.
    #[inline]
    pub fn try_acquire(&self, now: Instant) -> Result<Permit, Rejected> {
        self.admit(now, Entry::Owned).map(|pass| Permit::new(self.clone(), pass))
    }

    /// As [`try_acquire`](Self::try_acquire), for a call that does not outlive the breaker: the permit borrows it, which
    /// spares counting one more owner. Unless it is a probe it is not among those [`outstanding`](Self::outstanding).
    ///
    /// # Errors
    ///
    /// As `try_acquire`.
    #[inline]
    pub fn try_enter(&self, now: Instant) -> Result<Permit<&Self>, Rejected> {
        // Not by `admit`: what it returns would be copied into the permit, which costs a third of the call.
        match self.shared.gate.look() {
            Some(generation) => Ok(Permit::new(self, Pass::unseen(generation, now))),
            None => match self.admit_locked(now, Entry::Borrowed) {
                Ok(pass) => Ok(Permit::new(self, pass)),
                Err(rejected) => Err(rejected),
            },
        }
    }

    /// Asks to make a call even though the breaker is open or full of probes: the last resort of a caller
    /// with nowhere else to go. Where [`try_acquire`](Self::try_acquire) would admit, this is the same.
    ///
    /// Its success counts like a probe's: it makes an open breaker half-open before its time, with one
    /// success to its credit. Its failure counts like a probe's in a half-open breaker, and changes nothing
    /// in an open one: callers with nowhere to go are no reason to stay open longer.
    ///
    /// # Errors
    ///
    /// While another bypass is in flight and its lease, that of a probe, has not run out.
    pub fn try_bypass(&self, now: Instant) -> Result<Permit, Rejected> {
        self.admit(now, Entry::Bypass).map(|pass| Permit::new(self.clone(), pass))
    }

    /// What [`try_acquire`](Self::try_acquire) would answer, without taking or changing anything.
    ///
    /// # Errors
    ///
    /// As `try_acquire`.
    pub fn peek(&self, now: Instant) -> Result<(), Rejected> {
        let (mut copy, unit) = {
            let core = self.shared.core.lock();
            match core.forced(now) {
                Some((Mode::ForcedOpen, left)) => return Err(self.forced_open(left)),
                Some((Mode::ForcedClosed | Mode::MetricsOnly, _)) => return Ok(()),
                // A closed breaker admits everybody; the common case need not copy the window.
                None if core.machine.is_closed() => return Ok(()),
                None => {}
            }
            (core.machine.clone(), core.unit)
        };
        copy.step(&self.shared.config, unit, now).acquire().map(|_| ())
    }

    /// Permits that are neither settled nor dropped: all that own the breaker, and all probes. What a test for leaks
    /// holds against zero.
    pub fn outstanding(&self) -> u32 {
        self.shared.lock().machine.outstanding()
    }

    /// Verdicts that came after the generation they belonged to, and so changed nothing.
    pub fn late_verdicts(&self) -> u64 {
        self.shared.core.lock().machine.late_verdicts()
    }

    /// What the breaker is doing. A pure read: an open time that has run out stays an open breaker until a
    /// call comes.
    pub fn state(&self, now: Instant) -> State {
        self.shared.core.lock().machine.state(now)
    }

    /// The share of its usual traffic that the target should get, 0 to 1: less than all while it is just back, nothing
    /// while it is open or probed. The breaker admits whatever is asked; whoever has another target to send the rest to
    /// goes by this.
    pub fn share(&self, now: Instant) -> f64 {
        self.shared.core.lock().machine.share(&self.shared.config, now)
    }

    /// Failures in a row since it closed; 0 while it is not closed.
    pub fn consecutive_failures(&self) -> u32 {
        self.shared.core.lock().machine.streak()
    }

    /// Whether its own state, whatever an operator decided, is to admit everybody.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.core.lock().machine.is_closed()
    }

    /// Whether nothing would be lost with it: closed, no permit out, nothing forced and no opening remembered.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let core = self.shared.lock();
        core.machine.is_closed()
            && core.machine.outstanding() == 0
            && core.forced(now).is_none()
            && core.machine.escalation() == 0
    }

    /// Whether the other is a clone of this one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Closes the breaker and forgets all it counted. Calls in flight keep their permits, and what they say
    /// is late. Resetting a closed breaker forgets too, but is no transition and is not told to the listener.
    pub fn reset(&self, now: Instant) {
        self.step(now, |mut step, _| step.reset());
    }

    /// Decides over the breaker's head, in place of what was decided before. Its own state goes on beside it.
    pub fn force(&self, decision: Override) {
        self.shared.lock().forced = Some(decision);
    }

    /// Gives the breaker its own way again.
    pub fn lift(&self) {
        self.shared.lock().forced = None;
    }

    /// What an operator decided, while it lasts.
    pub fn forced(&self, now: Instant) -> Option<Override> {
        let core = self.shared.core.lock();
        core.forced.clone().filter(|decision| decision.lasts(now))
    }

    /// What is worth keeping over a restart.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let core = self.shared.core.lock();
        let open_for = match core.machine.state(now) {
            State::Closed => None,
            State::Open { reopens_in } => Some(reopens_in),
            State::HalfOpen => Some(Duration::ZERO),
        };
        let forced = core.forced.as_ref().filter(|decision| decision.lasts(now)).map(|decision| Forced {
            mode: decision.mode,
            reason: decision.reason.to_string(),
            left: decision.left(now),
        });
        Snapshot { open_for, escalation: core.machine.escalation(), forced }
    }

    /// Takes over what another breaker was. Calls in flight keep their permits, and what they say is late. The
    /// listener is not told: it is no transition of this breaker.
    pub fn restore(&self, snapshot: &Snapshot, now: Instant) {
        self.step(now, |mut step, _| step.restore(snapshot.open_for, snapshot.escalation));
        self.shared.lock().forced = snapshot.forced.as_ref().map(|forced| Override {
            mode: forced.mode,
            reason: forced.reason.as_str().into(),
            until: forced.left.and_then(|left| now.checked_add(left)),
        });
    }

    #[inline]
    fn admit(&self, now: Instant, entry: Entry) -> Result<Pass, Rejected> {
        match self.shared.gate.enter() {
            Some(generation) => Ok(Pass::new(generation, now)),
            None => self.admit_locked(now, entry),
        }
    }

    #[cold]
    fn admit_locked(&self, now: Instant, entry: Entry) -> Result<Pass, Rejected> {
        self.step(now, |mut step, forced| {
            let pass = match (forced, entry) {
                (Some((Mode::ForcedOpen, left)), _) => Err(self.forced_open(left)),
                (Some((Mode::ForcedClosed | Mode::MetricsOnly, _)), _) => Ok(step.acquire_anyway()),
                (None, Entry::Bypass) => step.bypass(),
                (None, Entry::Owned | Entry::Borrowed) => step.acquire(),
            };
            match entry {
                Entry::Borrowed => pass.map(|pass| step.overlook(pass)),
                Entry::Owned | Entry::Bypass => pass,
            }
        })
    }

    /// Nobody knows when an operator comes back: then ask as often as an open breaker would let at most.
    fn forced_open(&self, left: Option<Duration>) -> Rejected {
        let retry_after = left.unwrap_or(self.shared.config.open.max);
        Rejected { retry_after, reason: RejectReason::Forced }
    }

    #[inline]
    pub(crate) fn succeed(&self, pass: &Pass, now: Instant) {
        let Shared { config, gate, .. } = &*self.shared;
        let slow = pass.is_slow(Verdict::Success, &config.slow, now);
        if slow || !gate.succeed(pass.generation(), pass.is_counted(), now) {
            self.settle_locked(pass, Verdict::Success, now);
        }
    }

    pub(crate) fn settle(&self, pass: &Pass, verdict: Verdict, now: Instant) {
        let Shared { config, gate, .. } = &*self.shared;
        let says_nothing = matches!(verdict, Verdict::Neutral | Verdict::Abandoned)
            && !pass.is_slow(verdict, &config.slow, now);
        if !says_nothing || (pass.is_counted() && !gate.leave(pass.generation())) {
            self.settle_locked(pass, verdict, now);
        }
    }

    #[cold]
    fn settle_locked(&self, pass: &Pass, verdict: Verdict, now: Instant) {
        self.step(now, |mut step, _| {
            step.settle(*pass, verdict);
        });
    }

    /// Settles a success so far, and returns what a late failure has to show.
    pub(crate) fn begin(&self, pass: Pass, now: Instant) -> Pass {
        self.step(now, |mut step, _| step.settle(pass, Verdict::Begun))
    }

    pub(crate) fn late_failure(&self, pass: Pass, weight: Weight, now: Instant) {
        self.step(now, |mut step, _| step.late_failure(pass, weight));
    }

    pub(crate) fn now(&self) -> Instant {
        (self.shared.now)()
    }

    fn step<T>(&self, now: Instant, act: impl FnOnce(Step<'_>, Forcing) -> T) -> T {
        let mut guard = self.shared.lock();
        let core = &mut *guard;
        let forced = core.forced(now);
        let answer = act(core.machine.step(&self.shared.config, core.unit, now), forced);
        if core.machine.has_event() {
            Self::tell(guard, forced);
        }
        answer
    }

    #[cold]
    fn tell(mut core: Locked<'_>, forced: Forcing) {
        let told = core.transition(forced);
        drop(core);
        if let Some((event, listener)) = told {
            // Whoever watches must not harm the call, least of all in `Drop`. The panic hook has reported it.
            drop(catch_unwind(AssertUnwindSafe(|| listener(&event))));
        }
    }
}

impl Shared {
    fn lock(&self) -> Locked<'_> {
        let mut core = self.core.lock();
        if let Some(counted) = self.gate.shut() {
            core.machine.take_over(counted);
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
    /// Takes the transition of the last step, and who is to hear of it.
    fn transition(&mut self, forced: Forcing) -> Option<(Transition, Listener)> {
        let event = self.machine.take_event()?;
        self.unit = self.rng.f64();
        let listener = self.listener.clone()?;
        (!matches!(forced, Some((Mode::ForcedClosed, _)))).then_some((event, listener))
    }

    /// What an operator makes the breaker do now, and for how long.
    fn forced(&self, now: Instant) -> Forcing {
        let decision = self.forced.as_ref().filter(|decision| decision.lasts(now))?;
        Some((decision.mode, decision.left(now)))
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
