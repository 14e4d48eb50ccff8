//! What the calls made anyway say of one target.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::{HealthConfig, RampConfig},
    latency::{PeakEwma, Recent},
    outlier,
    status::Latency,
    window::{Counts, Window},
};

/// Where a failure came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This side: no connection came about. When all targets fail like this, it is this machine's network.
    Local,
    /// The target.
    Remote,
}

/// One target.
#[derive(Clone, Debug)]
pub(crate) struct Passive {
    window: Window,
    /// Seconds to the first output.
    pub(crate) first: PeakEwma,
    /// Seconds for each token.
    pub(crate) pace: PeakEwma,
    pub(crate) recent: Recent,
    /// One more with each error, one less with each success.
    pub(crate) errors: u32,
    pub(crate) consecutive_failures: u32,
    /// How and when the last call ended; `None` is success.
    pub(crate) last_call: Option<(Instant, Option<Origin>)>,
    pub(crate) last_error: Option<(Instant, Arc<str>)>,
    left_out: Option<LeftOut>,
}

#[derive(Clone, Copy, Debug)]
struct LeftOut {
    until: Instant,
    /// Which in a row.
    nth: u32,
    /// When its traffic begins to return; later than `until` if it failed meanwhile.
    returns: Instant,
}

impl Passive {
    pub(crate) fn new(config: &HealthConfig, now: Instant) -> Self {
        Self {
            window: Window::new(config.window, now),
            first: PeakEwma::default(),
            pace: PeakEwma::default(),
            recent: Recent::default(),
            errors: 0,
            consecutive_failures: 0,
            last_call: None,
            last_error: None,
            left_out: None,
        }
    }

    pub(crate) fn success(&mut self, first: Duration, now: Instant) {
        self.window.record(false, now);
        self.first.record(first.as_secs_f64(), now);
        self.recent.record(first, now);
        self.errors = self.errors.saturating_sub(1);
        self.consecutive_failures = 0;
        self.last_call = Some((now, None));
    }

    /// How long the latest calls took to their first output.
    pub(crate) fn latency(&self, now: Instant) -> Option<Latency> {
        let (calls, mean, [p50, p95, max]) = self.recent.summary([0.5, 0.95, 1.0], now)?;
        let peak = Duration::try_from_secs_f64(self.first.value()?).unwrap_or(max);
        Some(Latency { calls, mean, p50, p95, max, peak })
    }

    pub(crate) fn failure(&mut self, origin: Origin, why: Arc<str>, now: Instant, ramp: &RampConfig) {
        self.window.record(true, now);
        self.errors = self.errors.saturating_add(1);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.last_call = Some((now, Some(origin)));
        self.last_error = Some((now, why));
        if let Some(left_out) = &mut self.left_out
            && now > left_out.until
            && now.saturating_duration_since(left_out.returns) < ramp.span
        {
            left_out.returns = now;
        }
    }

    pub(crate) fn counts(&self, now: Instant) -> Counts {
        self.window.counts(now)
    }

    /// Leaves the target out for longer each time in a row; a `base` of time spent well takes one of the row away.
    pub(crate) fn eject(&mut self, config: &HealthConfig, now: Instant, unit: f64) {
        let nth = self.left_out.map_or(0, |before| {
            let well = now.saturating_duration_since(before.until).as_nanos();
            let steps = well.checked_div(config.outlier.base.as_nanos()).unwrap_or(0);
            before.nth.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX))
        });
        let nth = nth.saturating_add(1);
        self.leave_out(outlier::ejected_for(&config.outlier, nth, unit), nth, now);
    }

    /// Leaves the target out for so long, whatever was before.
    pub(crate) fn leave_out(&mut self, time: Duration, nth: u32, now: Instant) {
        if let Some(until) = now.checked_add(time) {
            self.left_out = Some(LeftOut { until, nth, returns: until });
            self.errors = 0;
            // What it was left out for must not be held against it when it is back.
            self.window.clear(now);
        }
    }

    /// How long it is still left out.
    pub(crate) fn left_out(&self, now: Instant) -> Option<Duration> {
        let until = self.left_out?.until;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Its share of the usual traffic when it is not left out, up to 1.
    pub(crate) fn share(&self, ramp: &RampConfig, now: Instant) -> f64 {
        let Some(left_out) = self.left_out else { return 1.0 };
        let since = now.saturating_duration_since(left_out.returns);
        if since >= ramp.span { 1.0 } else { (since.as_secs_f64() / ramp.span.as_secs_f64()).max(ramp.from) }
    }
}

#[cfg(test)]
mod tests;
