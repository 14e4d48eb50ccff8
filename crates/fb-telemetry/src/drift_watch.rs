use std::{fmt, time::Instant};

use fb_core::{Event, Observer};
use parking_lot::Mutex;
use tracing::warn;

use crate::{
    Drift, DriftConfig, Drifted, InvalidConfig, Names, fell_back,
    names::{DEFAULT_TENANT, GrowingMap, Label, LabelMap, route_labels},
};

#[cfg(test)]
mod tests;

/// An alarm with its route and tenant. Both names are configured ones or `other`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
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
    pairs: GrowingMap<Label, LabelMap<Label, Pair>>,
    names: Names,
    /// The state of a pair without requests.
    drift: Drift,
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
        let pairs = names.per_route(|route| pairs(names, &route, &drift));
        Ok(Self { pairs, names: names.clone(), drift, now, on_alarm: Box::new(on_alarm) })
    }
}

/// Returns the pairs of a route with every tenant.
fn pairs(names: &Names, route: &Label, drift: &Drift) -> LabelMap<Label, Pair> {
    names.per_tenant(|tenant| Pair { route: route.clone(), tenant, drift: Mutex::new(drift.clone()) })
}

impl Observer for DriftWatch {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::Reconfigured { routes, targets } = *event {
            let make = |route| pairs(&self.names, &route, &self.drift);
            self.pairs.extend(route_labels(routes, targets), make);
        }
        let Event::Finished { route, tenant, report, .. } = *event else { return };
        let Some(yes) = fell_back(report) else { return };
        let pairs = self.pairs.get(route);
        let pair = pairs.get(tenant.unwrap_or(DEFAULT_TENANT));
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
