use std::time::Instant;

use crate::config::BreakerConfig;
use crate::gate::Counted;
use crate::state::{State, Transition};

use super::{closed::Closed, half_open::HalfOpen, lease::Lease};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Machine {
    pub(super) phase: Phase,
    /// Increases with every transition and reset. A verdict counts only in the generation in which its call started.
    pub(super) generation: u64,
    /// The number of times that the open time has grown.
    pub(super) escalation: u32,
    /// Kept outside the phase, because there is one bypass at a time across phases.
    pub(super) bypass: Option<Lease>,
    pub(super) outstanding: u32,
    pub(super) late_verdicts: u64,
    /// Consecutive failures until the breaker opened, and failed probes since; 0 for a closed breaker, which counts in its
    /// phase.
    pub(super) failures: u32,
    /// The time of the last failure since the breaker was last reset or restored.
    pub(super) last_failure: Option<Instant>,
    /// The number of leases issued, used as their ids.
    pub(super) issued: u64,
    pub(super) event: Option<Transition>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    Closed(Closed),
    Open { until: Instant },
    HalfOpen(HalfOpen),
}

impl Machine {
    pub(crate) fn new(config: &BreakerConfig, now: Instant) -> Self {
        Self {
            phase: Phase::Closed(Closed::new(config, now)),
            generation: 0,
            escalation: 0,
            bypass: None,
            outstanding: 0,
            late_verdicts: 0,
            failures: 0,
            last_failure: None,
            issued: 0,
            event: None,
        }
    }

    /// Returns the state of the breaker: half-open as soon as its open time is over.
    pub(crate) fn state(&self, now: Instant) -> State {
        match self.phase {
            Phase::Open { until } if until <= now => State::HalfOpen,
            _ => self.phase_state(now),
        }
    }

    /// Returns the state that the last transition led to.
    pub(super) fn phase_state(&self, now: Instant) -> State {
        match self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open { until } => State::Open { reopens_in: until.saturating_duration_since(now) },
            Phase::HalfOpen(_) => State::HalfOpen,
        }
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed(_))
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the time until which a success that is not slow only adds one call to the newest bucket; `None` if it may
    /// have other effects.
    pub(crate) fn only_counts_until(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Closed(closed) if closed.streak == 0 => closed.window.ends(),
            Phase::Closed(_) | Phase::Open { .. } | Phase::HalfOpen(_) => None,
        }
    }

    /// Adds the counts of the gate.
    pub(crate) fn add_counted(&mut self, counted: Counted) {
        self.outstanding = counted.outstanding;
        if let Phase::Closed(closed) = &mut self.phase {
            closed.window.add_successes(counted.successes);
        }
    }

    pub(crate) const fn outstanding(&self) -> u32 {
        self.outstanding
    }

    pub(crate) fn share(&self, config: &BreakerConfig, now: Instant) -> f64 {
        match &self.phase {
            Phase::Closed(closed) => closed.share(&config.ramp, now),
            Phase::Open { .. } | Phase::HalfOpen(_) => 0.0,
        }
    }

    /// Returns the consecutive failures up to now, or until the breaker opened and since.
    pub(crate) const fn failures(&self) -> u32 {
        match &self.phase {
            Phase::Closed(closed) => closed.streak,
            Phase::Open { .. } | Phase::HalfOpen(_) => self.failures,
        }
    }

    pub(crate) const fn last_failure(&self) -> Option<Instant> {
        self.last_failure
    }

    pub(crate) const fn escalation(&self) -> u32 {
        self.escalation
    }

    pub(crate) const fn late_verdicts(&self) -> u64 {
        self.late_verdicts
    }

    /// Returns the calls in the window and the failures in hundredths, if the breaker is closed.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> Option<(u64, u64)> {
        match &self.phase {
            Phase::Closed(closed) => Some(closed.window.counts()),
            Phase::Open { .. } | Phase::HalfOpen(_) => None,
        }
    }

    pub(crate) const fn has_event(&self) -> bool {
        self.event.is_some()
    }

    /// Returns the transition of the last step, if there was one. No step makes two.
    pub(crate) fn take_event(&mut self) -> Option<Transition> {
        self.event.take()
    }
}
