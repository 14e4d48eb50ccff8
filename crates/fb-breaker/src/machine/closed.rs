use std::time::Instant;

use crate::config::{BreakerConfig, RampConfig};
use crate::state::TransitionReason;
use crate::weight::Weight;
use crate::window::Window;

/// What a closed breaker counts. Made anew at every closing, so nothing from before the outage counts again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Closed {
    pub(super) since: Instant,
    pub(super) streak: u32,
    pub(super) window: Window,
    /// Whether an outage came before.
    pub(super) recovered: bool,
}

impl Closed {
    pub(super) fn new(config: &BreakerConfig, now: Instant) -> Self {
        Self { since: now, streak: 0, window: Window::new(&config.window, now), recovered: false }
    }

    /// Returns where the window keeps it.
    pub(super) fn succeed(&mut self, slow: bool, now: Instant) -> u64 {
        self.streak = 0;
        self.window.record(0, slow, now)
    }

    /// A call that gave no verdict but was slow. Its streak goes on.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.window.record(0, true, now);
    }

    /// The share of the traffic that a target just back should get.
    pub(super) fn share(&self, ramp: &RampConfig, now: Instant) -> f64 {
        let closed_for = now.saturating_duration_since(self.since);
        if !self.recovered || closed_for >= ramp.span {
            return 1.0;
        }
        closed_for.div_duration_f64(ramp.span).max(ramp.from)
    }

    /// Returns why the breaker has to open, if it has to. For its failures only a failure opens it: a success that
    /// brings the window to its least number of calls is no moment to give up on a target.
    pub(super) fn fail(
        &mut self,
        weight: Weight,
        config: &BreakerConfig,
        now: Instant,
    ) -> Option<TransitionReason> {
        self.window.record(weight.window, false, now);
        self.streak = self.streak.saturating_add(u32::from(weight.streak));
        if config.consecutive.is_some_and(|limit| self.streak >= limit) {
            Some(TransitionReason::ConsecutiveFailures)
        } else if self.window.is_failing(config) {
            Some(TransitionReason::FailureRate)
        } else {
            None
        }
    }

    /// How many whole windows were spent closed, with or without calls.
    pub(super) fn healthy_windows(&self, config: &BreakerConfig, now: Instant) -> u32 {
        let closed_for = now.saturating_duration_since(self.since).as_nanos();
        u32::try_from(closed_for / config.window.span.as_nanos()).unwrap_or(u32::MAX)
    }
}
