use std::time::{Duration, Instant};

use crate::config::BreakerConfig;
use crate::snapshot::Snapshot;
use crate::state::{RejectReason, Rejected, Transition, TransitionReason};
use crate::weight::Weight;

use super::{
    closed::Closed,
    half_open::HalfOpen,
    lease::{FOREVER, Lease},
    pass::{Mark, Pass, Verdict},
    state::{Machine, Phase},
};

/// Upper limit of the escalation. Any factor has reached the maximum open time by then, and every further step would take
/// another healthy window to forget.
const MAX_ESCALATION: u32 = 64;

/// A machine about to process one input.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    machine: &'a mut Machine,
    config: &'a BreakerConfig,
    jitter: f64,
    now: Instant,
}

impl Machine {
    /// Prepares one input. `jitter`, 0 to 1, applies if the input opens the breaker.
    pub(crate) fn step<'a>(&'a mut self, config: &'a BreakerConfig, jitter: f64, now: Instant) -> Step<'a> {
        Step { machine: self, config, jitter, now }
    }
}

impl Step<'_> {
    pub(crate) fn acquire(&mut self) -> Result<Pass, Rejected> {
        self.reclaim();
        if let Phase::Open { until } = self.machine.phase {
            let retry_after = until.saturating_duration_since(self.now);
            if !retry_after.is_zero() {
                return Err(Rejected { retry_after, reason: RejectReason::Open });
            }
            self.enter(Phase::HalfOpen(HalfOpen::default()), TransitionReason::OpenElapsed);
        }
        let id = self.machine.issued;
        let Phase::HalfOpen(half_open) = &mut self.machine.phase else { return Ok(self.issue()) };
        half_open.admit(id, &self.config.half_open, self.now)?;
        Ok(self.issue_leased())
    }

    pub(crate) fn bypass(&mut self) -> Result<Pass, Rejected> {
        let rejected = match self.acquire() {
            Ok(pass) => return Ok(pass),
            Err(rejected) => rejected,
        };
        if let Some(remaining) = self.machine.bypass.and_then(|lease| lease.remaining(self.now)) {
            let retry_after = remaining.min(rejected.retry_after);
            return Err(Rejected { retry_after, reason: RejectReason::BypassInFlight });
        }
        self.machine.bypass = Some(Lease::new(self.machine.issued, &self.config.half_open, self.now));
        Ok(self.issue_leased())
    }

    /// Admits a call in any state; where the state would reject it, the call holds no slot.
    pub(crate) fn acquire_forced(&mut self) -> Pass {
        self.acquire().unwrap_or_else(|_| self.issue())
    }

    /// Removes a pass without a lease from the outstanding permits.
    pub(crate) fn uncount(&mut self, pass: Pass) -> Pass {
        if pass.mark != Mark::Outstanding {
            return pass;
        }
        self.machine.outstanding = self.machine.outstanding.saturating_sub(1);
        Pass::uncounted(pass.generation, pass.started)
    }

    /// Settles a call and returns its updated pass, as required by [`confirm`](Self::confirm) and
    /// [`late_failure`](Self::late_failure).
    pub(crate) fn settle(&mut self, pass: Pass, verdict: Verdict) -> Pass {
        let counted = u32::from(pass.is_counted());
        self.machine.outstanding = self.machine.outstanding.saturating_sub(counted);
        if self.machine.bypass.is_some_and(|lease| pass.mark == Mark::Leased(lease.id)) {
            self.machine.bypass = None;
        }
        if pass.generation != self.machine.generation {
            self.machine.late_verdicts += u64::from(verdict.is_evidence());
            return pass;
        }
        if let Verdict::Failure(weight) = verdict {
            self.note_failure(weight);
        }
        let mut mark = Mark::Outstanding;
        let slow = pass.is_slow(verdict, &self.config.slow, self.now);
        let provisional = verdict == Verdict::Provisional;
        match &mut self.machine.phase {
            Phase::Closed(closed) => match verdict {
                Verdict::Success | Verdict::Provisional => {
                    mark = Mark::WindowSuccess(closed.record_success(provisional, slow, self.now));
                    if slow && closed.window.is_slow(self.config) {
                        self.open(TransitionReason::SlowCalls, None);
                    }
                }
                Verdict::Abandoned if slow => {
                    closed.record_slow(self.now);
                    if closed.window.is_slow(self.config) {
                        self.open(TransitionReason::SlowCalls, None);
                    }
                }
                Verdict::Failure(weight) => {
                    if let Some(reason) = closed.record_failure(weight, self.config, self.now) {
                        self.open(reason, weight.retry_after);
                    }
                }
                Verdict::Neutral | Verdict::Abandoned => {}
            },
            // A call of this generation in an open breaker is a bypass or was admitted by an override.
            Phase::Open { .. } => match verdict {
                Verdict::Success | Verdict::Provisional => {
                    mark = Mark::ProbeSuccess;
                    self.count_bypass_success(provisional);
                }
                Verdict::Failure(_) | Verdict::Neutral | Verdict::Abandoned => {}
            },
            Phase::HalfOpen(half_open) => {
                // A bypass has no slot, and a reclaimed slot was counted as abandoned when it was reclaimed.
                let had_slot = matches!(pass.mark, Mark::Leased(id) if half_open.release(id));
                match verdict {
                    // A slow answer is no sign of health.
                    Verdict::Success | Verdict::Provisional if slow => {
                        if half_open.record_slow(&self.config.half_open) {
                            self.open(TransitionReason::SlowCalls, None);
                        }
                    }
                    Verdict::Success | Verdict::Provisional => {
                        mark = Mark::ProbeSuccess;
                        if half_open.record_success(provisional, &self.config.half_open) {
                            let confirmed = half_open.confirmed;
                            self.close(TransitionReason::ProbesSucceeded, confirmed);
                        }
                    }
                    Verdict::Failure(weight) => {
                        if half_open.record_failure(weight, &self.config.half_open) {
                            self.open(TransitionReason::ProbesFailed, weight.retry_after);
                        }
                    }
                    Verdict::Neutral => {}
                    Verdict::Abandoned => {
                        if half_open.record_abandoned(u32::from(had_slot), &self.config.half_open) {
                            self.open(TransitionReason::ProbesAbandoned, None);
                        }
                    }
                }
            }
        }
        Pass { generation: self.machine.generation, mark, ..pass }
    }

    /// Records the end of a call that was settled provisionally: its success ends a streak.
    pub(crate) fn confirm(&mut self, pass: Pass) {
        if pass.generation != self.machine.generation {
            return;
        }
        match &mut self.machine.phase {
            Phase::Closed(closed) => closed.streak = 0,
            Phase::Open { .. } => {}
            Phase::HalfOpen(half_open) => half_open.confirmed |= pass.mark == Mark::ProbeSuccess,
        }
    }

    /// Replaces the success that `pass` was settled with by a failure.
    pub(crate) fn late_failure(&mut self, pass: Pass, weight: Weight) {
        if pass.generation != self.machine.generation {
            self.machine.late_verdicts += 1;
            return;
        }
        self.note_failure(weight);
        match &mut self.machine.phase {
            Phase::Closed(closed) => {
                if let Mark::WindowSuccess(tick) = pass.mark {
                    closed.window.revoke_success(tick, self.now);
                }
                if let Some(reason) = closed.record_failure(weight, self.config, self.now) {
                    self.open(reason, weight.retry_after);
                }
            }
            // No success leads to an open breaker.
            Phase::Open { .. } => {}
            Phase::HalfOpen(half_open) => {
                if pass.mark == Mark::ProbeSuccess {
                    half_open.revoke_success(weight);
                }
                if half_open.record_failure(weight, &self.config.half_open) {
                    self.open(TransitionReason::ProbesFailed, weight.retry_after);
                }
            }
        }
    }

    pub(crate) fn reset(&mut self) {
        self.machine.escalation = 0;
        self.machine.failures = 0;
        self.machine.last_failure = None;
        let closed = Phase::Closed(Closed::new(self.config, self.now));
        if matches!(self.machine.phase, Phase::Closed(_)) {
            self.machine.phase = closed;
            self.machine.generation += 1;
        } else {
            self.enter(closed, TransitionReason::Reset);
        }
    }

    /// Restores the state of another machine: open for the given time, or closed.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) {
        self.machine.phase = match snapshot.open_for {
            Some(remaining) => Phase::Open { until: self.now + remaining.min(FOREVER) },
            None => Phase::Closed(Closed::new(self.config, self.now)),
        };
        self.machine.generation += 1;
        self.machine.escalation = snapshot.escalation.min(MAX_ESCALATION);
        self.machine.failures = snapshot.failures;
        self.machine.last_failure = snapshot.last_failure.and_then(|ago| self.now.checked_sub(ago));
    }

    /// Frees the slots of probes with an expired lease.
    ///
    /// Only an admission does this: a verdict that arrives after its lease has expired still counts if no other call
    /// needed the slot meanwhile.
    fn reclaim(&mut self) {
        if let Phase::HalfOpen(half_open) = &mut self.machine.phase {
            let expired = half_open.reclaim(self.now);
            if half_open.record_abandoned(expired, &self.config.half_open) {
                self.open(TransitionReason::ProbesAbandoned, None);
            }
        }
    }

    /// Keeps the time of a failure, and counts it if the breaker is not closed.
    fn note_failure(&mut self, weight: Weight) {
        if weight.window > 0 || weight.streak || weight.probe {
            self.machine.last_failure = Some(self.now);
        }
        self.machine.failures = match self.machine.phase {
            Phase::Closed(_) => 0,
            Phase::Open { .. } | Phase::HalfOpen(_) => {
                self.machine.failures.saturating_add(u32::from(weight.probe))
            }
        };
    }

    fn issue(&mut self) -> Pass {
        self.machine.outstanding = self.machine.outstanding.saturating_add(1);
        Pass::new(self.machine.generation, self.now)
    }

    fn issue_leased(&mut self) -> Pass {
        let mark = Mark::Leased(self.machine.issued);
        self.machine.issued += 1;
        Pass { mark, ..self.issue() }
    }

    /// Counts the success of a bypass as the first good probe of a half-open breaker.
    fn count_bypass_success(&mut self, provisional: bool) {
        let mut half_open = HalfOpen::default();
        if half_open.record_success(provisional, &self.config.half_open) {
            self.close(TransitionReason::BypassSucceeded, half_open.confirmed);
        } else {
            self.enter(Phase::HalfOpen(half_open), TransitionReason::BypassSucceeded);
        }
    }

    /// Closes the breaker. Until a successful call has ended, the failures from before the recovery still count as
    /// consecutive: if that call fails after all, the breaker reopens at once.
    fn close(&mut self, reason: TransitionReason, confirmed: bool) {
        let streak = if confirmed { 0 } else { self.machine.failures };
        let closed = Closed { recovered: true, streak, ..Closed::new(self.config, self.now) };
        self.enter(Phase::Closed(closed), reason);
    }

    fn open(&mut self, reason: TransitionReason, retry_after: Option<Duration>) {
        let healthy = match &self.machine.phase {
            Phase::Closed(closed) => {
                self.machine.failures = closed.streak;
                closed.healthy_windows(self.config, self.now)
            }
            Phase::Open { .. } | Phase::HalfOpen(_) => 0,
        };
        let open = &self.config.open;
        let step = self.machine.escalation.saturating_sub(healthy);
        // Escalating beyond the maximum would not lengthen the open time, only the time to forget it.
        self.machine.escalation =
            if open.backoff(step) < open.longest() { step.saturating_add(1) } else { step };
        let open_for = open.jittered(step, self.jitter).max(retry_after.unwrap_or(Duration::ZERO));
        self.enter(Phase::Open { until: self.now + open_for.min(FOREVER) }, reason);
    }

    fn enter(&mut self, phase: Phase, reason: TransitionReason) {
        let from = self.machine.phase_state(self.now);
        self.machine.phase = phase;
        self.machine.generation += 1;
        let (to, generation) = (self.machine.phase_state(self.now), self.machine.generation);
        self.machine.event = Some(Transition { from, to, reason, generation });
    }
}
