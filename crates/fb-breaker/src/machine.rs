//! The breaker without its lock: values in, values out.
//!
//! Every input is a method of [`Step`], a pure function of the machine, the configuration, one random number
//! and the time. What each does in each state is this table. A test walks every cell and writes it.
//! "Own" is a call of the present generation, "earlier" one of a generation before. In the table two failures
//! in a row or 60 % of two calls open, two failed probes open again and three good ones close; failures in
//! the window are in hundredths, and `·` changes nothing but the number of permits outstanding.
//!
#![doc = include_str!("machine/table.md")]

use std::time::{Duration, Instant};

use crate::config::{BreakerConfig, SlowConfig};
use crate::gate::Counted;
use crate::state::{State, Transition};
use crate::weight::Weight;

use self::closed::Closed;
use self::half_open::{HalfOpen, Lease};

pub(crate) use self::step::Step;

mod closed;
mod half_open;
mod step;

/// A century: what is added to the present stays within it, so no sum overflows.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Machine {
    phase: Phase,
    /// Grows with every transition and reset. A verdict counts only in the one its call began in.
    generation: u64,
    /// How many times the open time has grown.
    escalation: u32,
    /// Held apart from the phase: there is one at a time, however often the phase changes meanwhile.
    bypass: Option<Lease>,
    outstanding: u32,
    late_verdicts: u64,
    /// Leases, each of which has a number.
    issued: u64,
    event: Option<Transition>,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Closed(Closed),
    Open { until: Instant },
    HalfOpen(HalfOpen),
}

/// What an admitted call shows again when it settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    generation: u64,
    began: Instant,
    mark: Mark,
}

/// What the machine has of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Nothing that it has to find again.
    Nothing,
    /// As nothing, and not even the permit is counted.
    Unseen,
    /// This lease, in the slot of a probe or that of the one bypass.
    Leased(u64),
    /// Its success, in this bucket of the window. It may still fail late.
    Counted(u64),
    /// Its success as a probe, which may still fail late as well.
    Credited,
}

/// How an admitted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    /// It is one so far: its first output is there.
    Begun,
    Failure(Weight),
    /// It says nothing of the target.
    Neutral,
    /// Nobody waited for the end.
    Abandoned,
}

impl Pass {
    /// One that holds no lease.
    #[inline]
    pub(crate) const fn new(generation: u64, began: Instant) -> Self {
        Self { generation, began, mark: Mark::Nothing }
    }

    /// One that holds no lease and is not among those outstanding.
    #[inline]
    pub(crate) const fn unseen(generation: u64, began: Instant) -> Self {
        Self { generation, began, mark: Mark::Unseen }
    }

    #[inline]
    pub(crate) const fn is_counted(&self) -> bool {
        !matches!(self.mark, Mark::Unseen)
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    #[inline]
    pub(crate) fn is_slow(&self, verdict: Verdict, config: &SlowConfig, now: Instant) -> bool {
        let limit = match verdict {
            Verdict::Begun => config.first,
            Verdict::Success | Verdict::Abandoned => config.total,
            Verdict::Failure(_) | Verdict::Neutral => return false,
        };
        // To add is quicker than to subtract. A limit beyond all time is no limit.
        self.began.checked_add(limit).is_some_and(|slow| slow <= now)
    }
}

impl Verdict {
    fn is_heard(self) -> bool {
        matches!(self, Self::Success | Self::Begun | Self::Failure(_))
    }
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
            issued: 0,
            event: None,
        }
    }

    /// `unit`, 0 to 1, is the jitter of an opening that may come of it.
    pub(crate) fn step<'a>(&'a mut self, config: &'a BreakerConfig, unit: f64, now: Instant) -> Step<'a> {
        Step::new(self, config, unit, now)
    }

    pub(crate) fn state(&self, now: Instant) -> State {
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

    /// Until when a success that is not slow changes nothing but the number of calls in the newest bucket; `None` if it
    /// may change more.
    pub(crate) fn only_counts_until(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Closed(closed) if closed.streak == 0 => closed.window.ends(),
            Phase::Closed(_) | Phase::Open { .. } | Phase::HalfOpen(_) => None,
        }
    }

    /// Takes over what was counted while successes only count.
    pub(crate) fn take_over(&mut self, counted: Counted) {
        self.outstanding = counted.outstanding;
        if let Phase::Closed(closed) = &mut self.phase {
            closed.window.add_successes(counted.successes);
        }
    }

    pub(crate) fn outstanding(&self) -> u32 {
        self.outstanding
    }

    pub(crate) fn share(&self, config: &BreakerConfig, now: Instant) -> f64 {
        match &self.phase {
            Phase::Closed(closed) => closed.share(&config.ramp, now),
            Phase::Open { .. } | Phase::HalfOpen(_) => 0.0,
        }
    }

    pub(crate) const fn streak(&self) -> u32 {
        match &self.phase {
            Phase::Closed(closed) => closed.streak,
            Phase::Open { .. } | Phase::HalfOpen(_) => 0,
        }
    }

    pub(crate) const fn escalation(&self) -> u32 {
        self.escalation
    }

    pub(crate) fn late_verdicts(&self) -> u64 {
        self.late_verdicts
    }

    /// Calls in the window, and failures in hundredths, if it is closed.
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

    /// The transition of the last step, if it made one. No step makes two.
    pub(crate) fn take_event(&mut self) -> Option<Transition> {
        self.event.take()
    }
}

#[cfg(test)]
mod tests;
