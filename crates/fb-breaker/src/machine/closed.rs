use std::time::Instant;

use crate::config::{BreakerConfig, RampConfig};
use crate::state::TransitionReason;
use crate::weight::Weight;
use crate::window::Window;

/// The counts of a closed breaker.
///
/// Every closing creates a new value, so that no count from before the outage remains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Closed {
    pub(super) since: Instant,
    pub(super) streak: u32,
    pub(super) window: Window,
    /// `true` if the breaker was open before.
    pub(super) recovered: bool,
}

impl Closed {
    pub(super) fn new(config: &BreakerConfig, now: Instant) -> Self {
        Self { since: now, streak: 0, window: Window::new(&config.window, now), recovered: false }
    }

    /// Records a success and returns its bucket in the window. A provisional success does not end a streak: its call may
    /// still fail.
    pub(super) fn record_success(&mut self, provisional: bool, slow: bool, now: Instant) -> u64 {
        if !provisional {
            self.streak = 0;
        }
        self.window.record(0, slow, now)
    }

    /// Records a slow call without a verdict. It does not end a streak.
    pub(super) fn record_slow(&mut self, now: Instant) {
        self.window.record(0, true, now);
    }

    /// Records a failure and returns the reason if the breaker has to open.
    ///
    /// Only a failure opens the breaker for its failure rate: a success that completes the minimum number of calls does
    /// not.
    pub(super) fn record_failure(
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

    /// Returns the share of the traffic that a recovered target should get.
    pub(super) fn share(&self, ramp: &RampConfig, now: Instant) -> f64 {
        let closed_for = now.saturating_duration_since(self.since);
        if !self.recovered || closed_for >= ramp.span {
            return 1.0;
        }
        closed_for.div_duration_f64(ramp.span).max(ramp.from)
    }

    /// Returns the number of whole windows spent closed, with or without calls.
    pub(super) fn healthy_windows(&self, config: &BreakerConfig, now: Instant) -> u32 {
        let closed_for = now.saturating_duration_since(self.since).as_nanos();
        u32::try_from(closed_for / config.window.span.as_nanos()).unwrap_or(u32::MAX)
    }
}
