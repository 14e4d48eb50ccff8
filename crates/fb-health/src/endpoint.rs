//! What is believed of an endpoint's answers, and when it is asked again.

use std::time::{Duration, Instant};

use crate::config::ProbeConfig;

/// What one question to an endpoint found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// It answered well.
    Passed,
    /// It did not; with the reason, for display.
    Failed(String),
    /// It has no such question, or its answer says nothing.
    Unknown,
}

/// What is believed of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Too little was heard to say: usable, but those known to be well come first.
    #[default]
    Unknown,
    /// It answers.
    Healthy,
    /// It does not.
    Unhealthy,
}

/// One endpoint: `rise` good answers in a row make it healthy, `fall` bad ones unhealthy; one that says nothing changes
/// nothing.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    condition: Condition,
    /// Answers in a row of the kind that is not its condition.
    good: u32,
    bad: u32,
    last: Option<(Instant, Check)>,
    due: Instant,
}

impl Endpoint {
    /// Not asked before a random moment of the first interval, so that many processes do not ask at once.
    pub(crate) fn new(config: &ProbeConfig, now: Instant, unit: f64) -> Self {
        let due = now + config.interval.mul_f64(unit);
        Self { condition: Condition::Unknown, good: 0, bad: 0, last: None, due }
    }

    pub(crate) const fn condition(&self) -> Condition {
        self.condition
    }

    pub(crate) const fn last(&self) -> Option<&(Instant, Check)> {
        self.last.as_ref()
    }

    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Takes in an answer.
    pub(crate) fn record(&mut self, config: &ProbeConfig, check: Check, now: Instant, unit: f64) {
        match check {
            Check::Passed => (self.good, self.bad) = (self.good.saturating_add(1), 0),
            Check::Failed(_) => (self.good, self.bad) = (0, self.bad.saturating_add(1)),
            Check::Unknown => {}
        }
        if self.good >= config.rise {
            self.condition = Condition::Healthy;
        } else if self.bad >= config.fall {
            self.condition = Condition::Unhealthy;
        }
        self.last = Some((now, check));
        self.put_off(config, now, unit);
    }

    /// A call to it went well at that time: as good as an answer then.
    pub(crate) fn served(&mut self, config: &ProbeConfig, when: Instant, unit: f64) {
        (self.good, self.bad) = (config.rise, 0);
        self.condition = Condition::Healthy;
        self.put_off(config, when, unit);
    }

    fn put_off(&mut self, config: &ProbeConfig, now: Instant, unit: f64) {
        self.due = now + self.interval(config).mul_f64(1.0 + config.jitter * (2.0 * unit - 1.0));
    }

    /// Time to the next question, before jitter. An endpoint that has just failed is asked sooner too.
    pub(crate) fn interval(&self, config: &ProbeConfig) -> Duration {
        let well = self.condition != Condition::Unhealthy && self.bad == 0;
        if well { config.interval } else { config.unhealthy_interval }
    }
}

#[cfg(test)]
mod tests;
