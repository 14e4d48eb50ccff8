use std::time::{Duration, Instant};

use crate::config::BreakerConfig;
use crate::state::{RejectReason, Rejected, Transition, TransitionReason};
use crate::weight::Weight;

use super::{Closed, FOREVER, HalfOpen, Lease, Machine, Mark, Pass, Phase, Verdict};

/// Beyond this many steps any factor has long reached its maximum, and each takes a healthy window to forget.
const MOST_ESCALATION: u32 = 64;

/// A machine about to take one input.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    machine: &'a mut Machine,
    config: &'a BreakerConfig,
    unit: f64,
    now: Instant,
}

impl<'a> Step<'a> {
    pub(super) fn new(machine: &'a mut Machine, config: &'a BreakerConfig, unit: f64, now: Instant) -> Self {
        Self { machine, config, unit, now }
    }

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
        let refused = match self.acquire() {
            Ok(pass) => return Ok(pass),
            Err(refused) => refused,
        };
        if let Some(left) = self.machine.bypass.and_then(|held| held.left(self.now)) {
            let retry_after = left.min(refused.retry_after);
            return Err(Rejected { retry_after, reason: RejectReason::BypassInFlight });
        }
        self.machine.bypass = Some(Lease::new(self.machine.issued, &self.config.half_open, self.now));
        Ok(self.issue_leased())
    }

    /// Admits whatever the state says; where it would not, the call holds no slot.
    pub(crate) fn acquire_anyway(&mut self) -> Pass {
        self.acquire().unwrap_or_else(|_| self.issue())
    }

    /// Takes a pass that holds no lease out of the count again.
    pub(crate) fn overlook(&mut self, pass: Pass) -> Pass {
        if pass.mark != Mark::Nothing {
            return pass;
        }
        self.machine.outstanding = self.machine.outstanding.saturating_sub(1);
        Pass::unseen(pass.generation, pass.began)
    }

    /// Returns the pass as it stands after the verdict, which is what a late failure has to show.
    pub(crate) fn settle(&mut self, pass: Pass, verdict: Verdict) -> Pass {
        let counted = u32::from(pass.is_counted());
        self.machine.outstanding = self.machine.outstanding.saturating_sub(counted);
        if self.machine.bypass.is_some_and(|held| pass.mark == Mark::Leased(held.id)) {
            self.machine.bypass = None;
        }
        if pass.generation != self.machine.generation {
            self.machine.late_verdicts += u64::from(verdict.is_heard());
            return pass;
        }
        let mut mark = Mark::Nothing;
        let slow = pass.is_slow(verdict, &self.config.slow, self.now);
        match &mut self.machine.phase {
            Phase::Closed(closed) => match verdict {
                Verdict::Success | Verdict::Begun => {
                    mark = Mark::Counted(closed.succeed(slow, self.now));
                    if slow && closed.window.is_slow(self.config) {
                        self.open(TransitionReason::SlowCalls, None);
                    }
                }
                Verdict::Abandoned if slow => {
                    closed.give_up(self.now);
                    if closed.window.is_slow(self.config) {
                        self.open(TransitionReason::SlowCalls, None);
                    }
                }
                Verdict::Failure(weight) => {
                    if let Some(reason) = closed.fail(weight, self.config, self.now) {
                        self.open(reason, weight.hint);
                    }
                }
                Verdict::Neutral | Verdict::Abandoned => {}
            },
            // Only a bypass begins in an open breaker, or a call admitted over its head.
            Phase::Open { .. } => match verdict {
                Verdict::Success | Verdict::Begun => {
                    mark = Mark::Credited;
                    self.enter_by_bypass();
                }
                Verdict::Failure(_) | Verdict::Neutral | Verdict::Abandoned => {}
            },
            Phase::HalfOpen(half_open) => {
                // A bypass holds no slot, and one that was reclaimed was counted then.
                let held = matches!(pass.mark, Mark::Leased(id) if half_open.release(id));
                match verdict {
                    // That it answered at last is no sign of health.
                    Verdict::Success | Verdict::Begun if slow => {}
                    Verdict::Success | Verdict::Begun => {
                        mark = Mark::Credited;
                        if half_open.succeed(&self.config.half_open) {
                            self.close(TransitionReason::ProbesSucceeded);
                        }
                    }
                    Verdict::Failure(weight) => {
                        if half_open.fail(weight, &self.config.half_open) {
                            self.open(TransitionReason::ProbesFailed, weight.hint);
                        }
                    }
                    Verdict::Neutral => {}
                    Verdict::Abandoned => {
                        if half_open.abandon(u32::from(held), &self.config.half_open) {
                            self.open(TransitionReason::ProbesAbandoned, None);
                        }
                    }
                }
            }
        }
        Pass { generation: self.machine.generation, mark, ..pass }
    }

    /// Replaces the success which `pass` was settled with by a failure.
    pub(crate) fn late_failure(&mut self, pass: Pass, weight: Weight) {
        if pass.generation != self.machine.generation {
            self.machine.late_verdicts += 1;
            return;
        }
        match &mut self.machine.phase {
            Phase::Closed(closed) => {
                if let Mark::Counted(tick) = pass.mark {
                    closed.window.take_back(tick, self.now);
                }
                if let Some(reason) = closed.fail(weight, self.config, self.now) {
                    self.open(reason, weight.hint);
                }
            }
            // No success leads to an open breaker.
            Phase::Open { .. } => {}
            Phase::HalfOpen(half_open) => {
                if pass.mark == Mark::Credited {
                    half_open.take_back(weight);
                }
                if half_open.fail(weight, &self.config.half_open) {
                    self.open(TransitionReason::ProbesFailed, weight.hint);
                }
            }
        }
    }

    pub(crate) fn reset(&mut self) {
        self.machine.escalation = 0;
        let closed = Phase::Closed(Closed::new(self.config, self.now));
        if matches!(self.machine.phase, Phase::Closed(_)) {
            self.machine.phase = closed;
            self.machine.generation += 1;
        } else {
            self.enter(closed, TransitionReason::Reset);
        }
    }

    /// Begins again as another machine was: open for this long, or closed.
    pub(crate) fn restore(&mut self, open_for: Option<Duration>, escalation: u32) {
        self.machine.phase = match open_for {
            Some(left) => Phase::Open { until: self.now + left.min(FOREVER) },
            None => Phase::Closed(Closed::new(self.config, self.now)),
        };
        self.machine.generation += 1;
        self.machine.escalation = escalation.min(MOST_ESCALATION);
    }

    /// Frees the slots of probes that were never heard of. Only an admission does: a verdict that comes after
    /// its lease, but before anyone missed the slot, still counts.
    fn reclaim(&mut self) {
        if let Phase::HalfOpen(half_open) = &mut self.machine.phase {
            let expired = half_open.reclaim(self.now);
            if half_open.abandon(expired, &self.config.half_open) {
                self.open(TransitionReason::ProbesAbandoned, None);
            }
        }
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

    fn enter_by_bypass(&mut self) {
        let mut half_open = HalfOpen::default();
        if half_open.succeed(&self.config.half_open) {
            self.close(TransitionReason::BypassSucceeded);
        } else {
            self.enter(Phase::HalfOpen(half_open), TransitionReason::BypassSucceeded);
        }
    }

    fn close(&mut self, reason: TransitionReason) {
        let closed = Closed { recovered: true, ..Closed::new(self.config, self.now) };
        self.enter(Phase::Closed(closed), reason);
    }

    fn open(&mut self, reason: TransitionReason, hint: Option<Duration>) {
        let healthy = match &self.machine.phase {
            Phase::Closed(closed) => closed.healthy_windows(self.config, self.now),
            Phase::Open { .. } | Phase::HalfOpen(_) => 0,
        };
        let open = &self.config.open;
        let step = self.machine.escalation.saturating_sub(healthy);
        // Steps beyond the maximum would lengthen nothing but the time to forget them.
        self.machine.escalation = if open.backoff(step) < open.max { step.saturating_add(1) } else { step };
        let open_for = open.jittered(step, self.unit).max(hint.unwrap_or(Duration::ZERO));
        self.enter(Phase::Open { until: self.now + open_for.min(FOREVER) }, reason);
    }

    fn enter(&mut self, phase: Phase, reason: TransitionReason) {
        let from = self.machine.state(self.now);
        self.machine.phase = phase;
        self.machine.generation += 1;
        let (to, generation) = (self.machine.state(self.now), self.machine.generation);
        self.machine.event = Some(Transition { from, to, reason, generation });
    }
}
