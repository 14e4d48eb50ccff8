//! Passive health of one target, from the calls made to it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::{Decay, HealthConfig, RampConfig},
    latency::{PeakEwma, Recent},
    outlier,
    status::Latency,
    window::{Counts, Window},
};

/// The origin of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// No connection was established. If all targets fail like this, the local network is the likely cause.
    Local,
    /// The target failed.
    Remote,
}

/// The passive health of one target.
#[derive(Clone, Debug)]
pub(crate) struct PassiveHealth {
    window: Window,
    /// Seconds to the first output.
    pub(crate) first_output: PeakEwma,
    /// Seconds per token.
    pub(crate) seconds_per_token: PeakEwma,
    pub(crate) recent: Recent,
    /// Rises by one with each error and falls with each success.
    pub(crate) errors: u32,
    pub(crate) consecutive_failures: u32,
    /// The time and the failure origin of the last call; an origin of `None` is a success.
    pub(crate) last_call: Option<(Instant, Option<Origin>)>,
    pub(crate) last_error: Option<(Instant, Arc<str>)>,
    ejection: Option<Ejection>,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    until: Instant,
    /// The number of consecutive ejections.
    nth: u32,
    /// The start of the ramp; later than `until` if the target failed during it.
    ramp_start: Instant,
}

impl PassiveHealth {
    pub(crate) fn new(config: &HealthConfig, now: Instant) -> Self {
        Self {
            window: Window::new(config.window, now),
            first_output: PeakEwma::default(),
            seconds_per_token: PeakEwma::default(),
            recent: Recent::default(),
            errors: 0,
            consecutive_failures: 0,
            last_call: None,
            last_error: None,
            ejection: None,
        }
    }

    /// Changes the length of the window, which begins anew.
    pub(crate) fn resize_window(&mut self, span: Duration, now: Instant) {
        self.window = Window::new(span, now);
    }

    /// Records the first output of a call that has not ended.
    pub(crate) fn record_first_output(&mut self, first: Duration, now: Instant) {
        self.first_output.record(first.as_secs_f64(), now);
        self.recent.record(first, now);
        self.last_call = Some((now, None));
    }

    /// Records the end of a successful call.
    pub(crate) fn record_success(&mut self, decay: Decay, now: Instant) {
        self.window.record(false, now);
        self.errors = match decay {
            Decay::One => self.errors.saturating_sub(1),
            Decay::All => 0,
        };
        self.consecutive_failures = 0;
        self.last_call = Some((now, None));
    }

    /// Returns the latency of the latest calls to their first output.
    pub(crate) fn latency(&mut self, now: Instant) -> Option<Latency> {
        let (calls, mean, [p50, p95, max]) = self.recent.summary([0.5, 0.95, 1.0], now)?;
        let peak = Duration::try_from_secs_f64(self.first_output.value(now)?).unwrap_or(max);
        Some(Latency { calls, mean, p50, p95, max, peak })
    }

    pub(crate) fn record_failure(
        &mut self,
        origin: Origin,
        reason: Arc<str>,
        now: Instant,
        ramp: &RampConfig,
    ) {
        self.window.record(true, now);
        self.errors = self.errors.saturating_add(1);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.last_call = Some((now, Some(origin)));
        self.last_error = Some((now, reason));
        if let Some(ejection) = &mut self.ejection
            && now > ejection.until
            && now.saturating_duration_since(ejection.ramp_start) < ramp.span
        {
            ejection.ramp_start = now;
        }
    }

    /// Ends an ejection, its ramp and all counts of failures.
    pub(crate) fn reset(&mut self, now: Instant) {
        (self.errors, self.consecutive_failures, self.ejection) = (0, 0, None);
        self.window.clear(now);
    }

    pub(crate) fn counts(&self, now: Instant) -> Counts {
        self.window.counts(now)
    }

    /// Ejects the target for longer with each consecutive ejection. Each `base` of time since the end of the last
    /// ejection reduces the number of consecutive ejections by one.
    pub(crate) fn eject(&mut self, config: &HealthConfig, now: Instant, random: f64) {
        let nth = self.ejection.map_or(0, |last| {
            let since = now.saturating_duration_since(last.until).as_nanos();
            let steps = since.checked_div(config.outlier.base.as_nanos()).unwrap_or(0);
            last.nth.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX))
        });
        let nth = nth.saturating_add(1);
        self.eject_for(outlier::ejection_time(&config.outlier, nth, random), nth, now);
    }

    /// Ejects the target for a fixed time, replacing any earlier ejection.
    pub(crate) fn eject_for(&mut self, time: Duration, nth: u32, now: Instant) {
        if let Some(until) = now.checked_add(time) {
            self.ejection = Some(Ejection { until, nth, ramp_start: until });
            // The calls that led to the ejection must not count again when the target returns.
            self.window.clear(now);
        }
    }

    /// Returns whether the target was ever ejected since its last reset.
    pub(crate) const fn has_ejection(&self) -> bool {
        self.ejection.is_some()
    }

    /// Returns the remaining time of an ejection.
    pub(crate) fn ejected_for(&self, now: Instant) -> Option<Duration> {
        let until = self.ejection?.until;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Returns the share of its usual traffic that the target receives when it is not ejected, up to 1.
    pub(crate) fn share(&self, ramp: &RampConfig, now: Instant) -> f64 {
        let Some(ejection) = self.ejection else { return 1.0 };
        let since = now.saturating_duration_since(ejection.ramp_start);
        if since >= ramp.span { 1.0 } else { (since.as_secs_f64() / ramp.span.as_secs_f64()).max(ramp.from) }
    }
}

#[cfg(test)]
mod tests;
