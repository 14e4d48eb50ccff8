//! The condition of an endpoint by its probes, and the time of the next probe.

use std::time::{Duration, Instant};

use crate::config::{ProbeConfig, ProbeKind};

/// The result of one health check of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The endpoint answered.
    Passed,
    /// The endpoint did not answer; with the reason, for display.
    Failed(String),
    /// The endpoint cannot be checked, or its answer is inconclusive.
    Unknown,
}

/// The condition of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Too few results: usable, but ranked after endpoints known to be healthy.
    #[default]
    Unknown,
    /// The endpoint answers.
    Healthy,
    /// The endpoint does not answer. Unless it is checked again, this lasts for three intervals.
    Unhealthy,
}

/// The number of intervals without a check after which an endpoint is not considered unhealthy any more.
const UNCHECKED_INTERVALS: u32 = 3;
/// A limit that keeps sums of times from overflowing.
const MAX_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One endpoint. `rise` consecutive passed checks make it healthy, `fall` failed ones unhealthy; inconclusive checks
/// change nothing.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    condition: Condition,
    /// Consecutive passed checks.
    passed: u32,
    /// Consecutive failed checks.
    failed: u32,
    last: Option<(Instant, Check)>,
    /// The start of the latest check.
    begun: Option<Instant>,
    due: Instant,
    /// The time from which the last check is no sign of the condition any more.
    outdated: Instant,
}

impl Endpoint {
    /// Creates an endpoint. Its first check is due at a random moment of the first interval, so that many processes do
    /// not probe at once.
    pub(crate) fn new(config: &ProbeConfig, now: Instant, random: f64) -> Self {
        let due = now + config.interval.mul_f64(random);
        Self {
            condition: Condition::Unknown,
            passed: 0,
            failed: 0,
            last: None,
            begun: None,
            due,
            outdated: now,
        }
    }

    /// Returns the condition. An unhealthy endpoint that is not checked any more is unknown after a while, so that calls are
    /// made to it again.
    pub(crate) fn condition(&self, now: Instant) -> Condition {
        if self.condition == Condition::Unhealthy && self.outdated <= now {
            return Condition::Unknown;
        }
        self.condition
    }

    /// Returns whether the last condition was unhealthy, however long ago.
    pub(crate) const fn is_unhealthy(&self) -> bool {
        matches!(self.condition, Condition::Unhealthy)
    }

    /// Returns the time until an unhealthy endpoint may be another: at its next check, or when its last one is outdated.
    pub(crate) fn unhealthy_for(&self, now: Instant) -> Duration {
        let next = if self.due > now { self.due.min(self.outdated) } else { self.outdated };
        next.saturating_duration_since(now)
    }

    pub(crate) const fn last(&self) -> Option<&(Instant, Check)> {
        self.last.as_ref()
    }

    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Begins a check.
    ///
    /// # Errors
    /// Returns the time of the next permitted check, if checks are billed and the interval since the latest one is not
    /// over.
    pub(crate) fn begin(&mut self, config: &ProbeConfig, now: Instant) -> Result<(), Instant> {
        let next = self.begun.map(|begun| begun + config.interval);
        if let Some(next) = next.filter(|next| config.kind == ProbeKind::Completion && now < *next) {
            return Err(next);
        }
        self.begun = Some(now);
        Ok(())
    }

    /// Applies the result of a check.
    pub(crate) fn record(&mut self, config: &ProbeConfig, check: Check, now: Instant, random: f64) {
        match check {
            Check::Passed => (self.passed, self.failed) = (self.passed.saturating_add(1), 0),
            Check::Failed(_) => (self.passed, self.failed) = (0, self.failed.saturating_add(1)),
            Check::Unknown => {}
        }
        if self.passed >= config.rise {
            self.condition = Condition::Healthy;
        } else if self.failed >= config.fall {
            self.condition = Condition::Unhealthy;
        }
        if check != Check::Unknown {
            self.outdated = now + config.interval.saturating_mul(UNCHECKED_INTERVALS).min(MAX_AGE);
        }
        self.last = Some((now, check));
        self.schedule(config, now, random);
    }

    /// Applies a successful call at `when`, which proves as much as passed checks at that time.
    pub(crate) fn record_served_call(&mut self, config: &ProbeConfig, when: Instant, random: f64) {
        (self.passed, self.failed) = (config.rise, 0);
        self.condition = Condition::Healthy;
        self.schedule(config, when, random);
    }

    /// Returns to the condition before the first check, which is due at once.
    pub(crate) fn reset(&mut self, now: Instant) {
        (self.condition, self.passed, self.failed) = (Condition::Unknown, 0, 0);
        (self.due, self.outdated) = (now, now);
    }

    /// Brings the next check forward if it is due later than the interval of new settings allows.
    pub(crate) fn expedite(&mut self, config: &ProbeConfig, now: Instant) {
        self.due = self.due.min(now + self.interval(config));
    }

    fn schedule(&mut self, config: &ProbeConfig, now: Instant, random: f64) {
        // The jitter of billed checks only prolongs the interval.
        let jitter = match config.kind {
            ProbeKind::Free => 2.0 * random - 1.0,
            ProbeKind::Completion => random,
        };
        self.due = now + self.interval(config).mul_f64(1.0 + config.jitter * jitter);
    }

    /// Returns the time to the next check, before jitter. The shorter interval also applies after a single failed
    /// check, and never to billed checks.
    pub(crate) fn interval(&self, config: &ProbeConfig) -> Duration {
        let is_well = self.condition != Condition::Unhealthy && self.failed == 0;
        if is_well || config.kind == ProbeKind::Completion {
            config.interval
        } else {
            config.unhealthy_interval
        }
    }
}

#[cfg(test)]
mod tests;
