use std::{fmt, time::Instant};

use fb_core::{Event, Observer};
use parking_lot::Mutex;
use tracing::warn;

use crate::{
    Drift, DriftConfig, Drifted, InvalidConfig, Names, fell_back,
    names::{DEFAULT_TENANT, Label, LabelMap},
};

#[cfg(test)]
mod tests;

/// An alarm with its route and tenant. Both names are configured ones or `other`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alarm<'a> {
    /// The route.
    pub route: &'a str,
    /// The tenant; `default` for requests without one.
    pub tenant: &'a str,
    /// The rise of the share of fallbacks.
    pub drifted: Drifted,
}

/// An observer that raises an alarm when the share of fallbacks of a route and tenant rises.
///
/// An alarm is a `tracing` warning and a call of the given function. Routes and tenants that are not configured are
/// watched together as `other`, which bounds the memory: at most 256 bytes per pair, plus its names.
pub struct DriftWatch {
    pairs: LabelMap<Label, LabelMap<Label, Pair>>,
    now: fn() -> Instant,
    on_alarm: Box<dyn Fn(&Alarm<'_>) + Send + Sync>,
}

#[derive(Debug)]
struct Pair {
    route: Label,
    tenant: Label,
    drift: Mutex<Drift>,
}

impl DriftWatch {
    /// Watches every pair of a route and a tenant.
    ///
    /// `on_alarm` runs on the task of the request that crossed the threshold, without a lock, so it must be quick.
    ///
    /// # Errors
    /// Names the first setting that is out of its range.
    pub fn new(
        names: &Names,
        config: DriftConfig,
        now: fn() -> Instant,
        on_alarm: impl Fn(&Alarm<'_>) + Send + Sync + 'static,
    ) -> Result<Self, InvalidConfig> {
        let drift = Drift::new(config)?;
        let pairs = names.per_route(|route| {
            names.per_tenant(|tenant| Pair { route: route.clone(), tenant, drift: Mutex::new(drift.clone()) })
        });
        Ok(Self { pairs, now, on_alarm: Box::new(on_alarm) })
    }
}

impl Observer for DriftWatch {
    fn on_event(&self, event: &Event<'_>) {
        let Event::Finished { route, tenant, report, .. } = *event else { return };
        let Some(yes) = fell_back(report) else { return };
        let pair = self.pairs.get(route).get(tenant.unwrap_or(DEFAULT_TENANT));
        let Some(drifted) = pair.drift.lock().observe(yes, (self.now)()) else { return };
        let (route, tenant) = (&*pair.route, &*pair.tenant);
        let Drifted { baseline, rate, requests, .. } = drifted;
        warn!(route, tenant, baseline, rate, requests, "the share of fallbacks has risen");
        (self.on_alarm)(&Alarm { route, tenant, drifted });
    }
}

impl fmt::Debug for DriftWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriftWatch").finish_non_exhaustive()
    }
}
