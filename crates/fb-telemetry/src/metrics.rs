mod families;
mod labels;
mod readings;
mod recent;

use std::{fmt, sync::Arc, time::Duration};

use fb_core::{
    Attempt, AttemptEnd, BreakerState, Event, Level, Next, Observer, Report, RequestError, Skip, TargetId,
    Usage,
};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub use self::readings::{Account, Readings, Records};
use self::{
    families::{Cost, Families, Ratio, dollars},
    labels::{
        AttemptLabels, BreakerLabels, CacheLabels, DefectLabels, DriftLabels, HopLabels, KeyLabels,
        MoveLabels, ProviderBreakerLabels, ProviderTransitionLabels, RefusalLabels, RejectionLabels,
        RequestLabels, RoleLabels, RouteLabels, SkipLabels, TargetLabels, TenantRequestLabels, TokenLabels,
        TransitionLabels,
    },
    recent::Recent,
};
use crate::{
    Alarm, Names, Outcome, TargetRole, fell_back,
    label_values::{StaticLabel, attempt_outcome, cache_result, hop_reason, skip_reason},
    names::{DEFAULT_TENANT, GrowingMap, Label, LabelMap, provider_labels, route_labels},
};

#[cfg(test)]
mod tests;

/// An observer that counts and measures events, for a Prometheus server to scrape.
///
/// Every label value is a configured name, `other`, or a constant of the code, so callers cannot grow the set of series.
/// Routes and targets that are configured at run time are added when [`Event::Reconfigured`] reports them.
/// The first event of a series allocates its memory; later events do not allocate.
///
/// # Examples
///
/// ```
/// use fb_core::{Event, Level, Observer};
/// use fb_telemetry::{Metrics, Names};
///
/// let names = Names { routes: vec!["default".to_owned()], ..Names::default() };
/// let metrics = Metrics::new(&names);
/// metrics.on_event(&Event::Ladder { route: "default", from: Level::Full, to: Level::Reduced });
///
/// let text = metrics.render();
/// assert!(text.contains(r#"fb_ladder_level{route="default"} 1"#));
/// assert!(text.contains(r#"fb_ladder_moves_total{route="default",from="full",to="reduced"} 1"#));
/// ```
pub struct Metrics {
    registry: Registry,
    families: Families,
    routes: GrowingMap<Label, Route>,
    targets: GrowingMap<TargetId, Target>,
    providers: GrowingMap<Label, Provider>,
    tenants: LabelMap<Label, Label>,
}

/// The series of one route that have only the route label.
struct Route {
    label: Label,
    duration: Histogram,
    level: Gauge,
    fallback: Ratio,
    recent: Mutex<Recent>,
}

/// The series of one target that have only the target label, or one more with a fixed set of values.
struct Target {
    label: Label,
    duration: Histogram,
    first_token: Histogram,
    in_flight: Gauge,
    input: Counter,
    output: Counter,
    cost: Cost,
    states: BreakerStates,
}

/// The series of the breaker of one whole provider.
struct Provider {
    label: Label,
    states: BreakerStates,
}

/// The gauges of one breaker: one for each of [`BreakerState::ALL`].
struct BreakerStates([(BreakerState, Gauge); 3]);

impl Metrics {
    /// The content type of [`render`](Self::render).
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Creates metrics with these names as label values.
    ///
    /// Until the first event, breakers are closed and routes are at level `full`.
    pub fn new(names: &Names) -> Self {
        let mut registry = Registry::default();
        let families = Families::register(&mut registry);
        Self {
            routes: names.per_route(|label| Route::new(label, &families)),
            targets: names.per_target(|label| Target::new(label, &families)),
            providers: names.per_provider(|label| Provider::new(label, &families)),
            tenants: names.per_tenant(|label| label),
            registry,
            families,
        }
    }

    /// Renders all series as `OpenMetrics` text. The order of series is not fixed.
    pub fn render(&self) -> String {
        self.render_with(&Readings::default())
    }

    /// Renders all series, followed by the given readings.
    pub fn render_with(&self, readings: &Readings) -> String {
        let mut text = String::new();
        let written = text::encode_registry(&mut text, &self.registry)
            .and_then(|()| text::encode(&mut text, &readings.registry()));
        // Writing to a string does not fail.
        debug_assert!(written.is_ok());
        text
    }

    /// Counts an alarm of a [`DriftWatch`](crate::DriftWatch).
    pub fn count_alarm(&self, alarm: &Alarm<'_>) {
        let route = self.routes.get(alarm.route).label.clone();
        let tenant = self.tenants.get(alarm.tenant).clone();
        self.families.drift_alarms.get_or_create(&DriftLabels { route, tenant }).inc();
    }

    fn ended(&self, route: &str, attempt: &Attempt) {
        let route = self.routes.get(route).label.clone();
        let target = self.targets.get(&attempt.target);
        let label = target.label.clone();
        if let AttemptEnd::Skipped { why, .. } = &attempt.end {
            let labels = SkipLabels { route, target: label, reason: skip_reason(why) };
            self.families.skips.get_or_create(&labels).inc();
            return;
        }
        if let AttemptEnd::Failed(failure) = &attempt.end
            && let Some(gate) = failure.gate()
        {
            let labels = DefectLabels { route: route.clone(), target: label.clone(), gate };
            self.families.gate_defects.get_or_create(&labels).inc();
        }
        let outcome = attempt_outcome(&attempt.end);
        if let Some(key) = &attempt.key {
            let labels = KeyLabels { target: label.clone(), key: Arc::clone(key), outcome };
            self.families.keys.get_or_create(&labels).inc();
        }
        let labels = AttemptLabels { route, target: label, outcome };
        self.families.attempts.get_or_create(&labels).inc();
        target.in_flight.dec();
        target.record_call(&attempt.end, attempt.took);
    }

    fn finished(&self, name: &str, tenant: Option<&str>, cancelled: bool, coalesced: bool, report: &Report) {
        let route = self.routes.get(name);
        let tenant = self.tenant(tenant);
        let outcome = Outcome::from_report(report);
        self.families
            .tenant_requests
            .get_or_create(&TenantRequestLabels { tenant: tenant.clone(), outcome: outcome.name() })
            .inc();
        let cache = report.cache.as_ref().map(cache_result);
        self.families
            .requests
            .get_or_create(&RequestLabels {
                route: route.label.clone(),
                outcome: outcome.name(),
                level: report.level.name(),
                cache: cache.unwrap_or("none"),
            })
            .inc();
        if let Some(result) = cache {
            let labels = CacheLabels { route: route.label.clone(), result };
            self.families.cache_results.get_or_create(&labels).inc();
        }
        if outcome != Outcome::Cancelled {
            route.duration.observe(report.took.as_secs_f64());
        }
        // The calls of a coalesced request were counted with the request that made them.
        if !coalesced {
            self.successes(&route.label, report);
            self.repairs(&route.label, report);
            self.refusals(tenant, report);
        }
        if let Some(primary) = report.primary.as_ref().filter(|_| !cancelled) {
            let target = self.targets.get(primary).label.clone();
            let role = TargetRole::of_answer(report).map_or("none", TargetRole::name);
            let labels = RoleLabels { route: route.label.clone(), target, role };
            self.families.primary_requests.get_or_create(&labels).inc();
        }
        if let Some(yes) = fell_back(report) {
            route.fallback.set(route.recent.lock().add(yes));
        }
    }

    fn tenant(&self, name: Option<&str>) -> &Label {
        self.tenants.get(name.unwrap_or(DEFAULT_TENANT))
    }

    fn hop(&self, route: &str, tenant: Option<&str>, [from, to]: [&TargetId; 2], reason: &AttemptEnd) {
        let labels = HopLabels {
            route: self.routes.get(route).label.clone(),
            tenant: self.tenant(tenant).clone(),
            from: self.targets.get(from).label.clone(),
            to: self.targets.get(to).label.clone(),
            reason: hop_reason(reason),
        };
        self.families.hops.get_or_create(&labels).inc();
    }

    /// Counts a stream that broke, and that another target resumed or did not.
    fn resumed(&self, route: &str, from: &TargetId, resumed: bool) {
        let labels = AttemptLabels {
            route: self.routes.get(route).label.clone(),
            target: self.targets.get(from).label.clone(),
            outcome: if resumed { "resumed" } else { "failed" },
        };
        self.families.resumed_streams.get_or_create(&labels).inc();
    }

    /// Counts the calls with a usable answer by the role of their target.
    fn successes(&self, route: &Label, report: &Report) {
        for row in report.trace.rows() {
            if let AttemptEnd::Ok { .. } = row.end {
                let labels = RoleLabels {
                    route: route.clone(),
                    target: self.targets.get(&row.target).label.clone(),
                    role: TargetRole::of(&row.target, report).name(),
                };
                self.families.attempt_successes.get_or_create(&labels).inc();
            }
        }
    }

    /// Counts repair calls by their outcome.
    fn repairs(&self, route: &Label, report: &Report) {
        let rows = report.trace.rows();
        for (at, rejected) in rows.iter().enumerate().filter(|(_, row)| row.next == Next::Repair) {
            // In a race, attempts at other targets may lie between the two.
            let following = rows[at + 1..].iter().find(|row| row.target == rejected.target);
            let Some(repair) = following.filter(|row| row.is_call()) else { continue };
            let labels = AttemptLabels {
                route: route.clone(),
                target: self.targets.get(&rejected.target).label.clone(),
                outcome: attempt_outcome(&repair.end),
            };
            self.families.repairs.get_or_create(&labels).inc();
        }
    }

    /// Counts the calls that a tenant limit refused.
    fn refusals(&self, tenant: &Label, report: &Report) {
        for row in report.trace.rows() {
            if let AttemptEnd::Skipped { why: Skip::Budget { limit, .. }, .. } = row.end {
                let labels = RefusalLabels { tenant: tenant.clone(), limit };
                self.families.tenant_refused.get_or_create(&labels).inc();
            }
        }
    }

    fn breaker(&self, target: &TargetId, from: BreakerState, to: BreakerState, reason: StaticLabel) {
        let target = self.targets.get(target);
        let labels =
            TransitionLabels { target: target.label.clone(), from: from.name(), to: to.name(), reason };
        self.families.breaker_transitions.get_or_create(&labels).inc();
        target.states.set(to);
    }

    fn provider_breaker(&self, provider: &str, from: BreakerState, to: BreakerState, reason: StaticLabel) {
        let provider = self.providers.get(provider);
        let (label, from, state) = (provider.label.clone(), from.name(), to.name());
        let labels = ProviderTransitionLabels { provider: label, from, to: state, reason };
        self.families.provider_breaker_transitions.get_or_create(&labels).inc();
        provider.states.set(to);
    }

    fn ladder(&self, route: &str, from: Level, to: Level) {
        let route = self.routes.get(route);
        let labels = MoveLabels { route: route.label.clone(), from: from.name(), to: to.name() };
        self.families.ladder_moves.get_or_create(&labels).inc();
        route.level.set(to as i64);
    }
}

impl Observer for Metrics {
    fn on_event(&self, event: &Event<'_>) {
        match *event {
            Event::Started { target, .. } => {
                self.targets.get(target).in_flight.inc();
            }
            Event::FirstToken { target, after, .. } => {
                self.targets.get(target).first_token.observe(after.as_secs_f64());
            }
            Event::Ended { route, attempt } => self.ended(route, attempt),
            Event::Hop { route, tenant, from, to, reason } => self.hop(route, tenant, [from, to], reason),
            Event::Resumed { route, from, by } => self.resumed(route, from, by.is_some()),
            Event::Rejected { listener, error: RequestError { code, .. } } => {
                self.families.rejected.get_or_create(&RejectionLabels { listener, code }).inc();
            }
            Event::Finished { route, tenant, cancelled, coalesced, report, .. } => {
                self.finished(route, tenant, cancelled, coalesced, report);
            }
            Event::Breaker { target, from, to, reason } => self.breaker(target, from, to, reason),
            Event::ProviderBreaker { provider, from, to, reason } => {
                self.provider_breaker(provider.as_str(), from, to, reason);
            }
            Event::Ladder { route, from, to } => self.ladder(route, from, to),
            Event::Reconfigured { routes, targets } => {
                self.routes.extend(route_labels(routes, targets), |label| Route::new(label, &self.families));
                self.targets.for_each(|id, target| target.states.set_listed(targets.contains(id)));
                let has_target = |name: &str| targets.iter().any(|target| target.provider().as_str() == name);
                self.providers.for_each(|name, provider| provider.states.set_listed(has_target(name)));
                self.providers.extend(provider_labels(targets), |label| Provider::new(label, &self.families));
                let targets = targets.iter().map(|id| (id.clone(), id.to_string().into()));
                self.targets.extend(targets, |label| Target::new(label, &self.families));
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Route {
    fn new(label: Label, families: &Families) -> Self {
        let labels = RouteLabels { route: label.clone() };
        Self {
            label,
            duration: families.request_duration.get_or_create_owned(&labels),
            level: families.ladder_level.get_or_create_owned(&labels),
            fallback: families.fallback_ratio.get_or_create_owned(&labels),
            recent: Mutex::default(),
        }
    }
}

impl Provider {
    fn new(label: Label, families: &Families) -> Self {
        let state = |state: BreakerState| {
            let labels = ProviderBreakerLabels { provider: label.clone(), state: state.name() };
            (state, families.provider_breaker_state.get_or_create_owned(&labels))
        };
        Self { states: BreakerStates::closed(state), label }
    }
}

impl BreakerStates {
    fn closed(gauge: impl FnMut(BreakerState) -> (BreakerState, Gauge)) -> Self {
        let states = Self(BreakerState::ALL.map(gauge));
        states.set(BreakerState::Closed);
        states
    }

    fn set(&self, state: BreakerState) {
        for (circuit, gauge) in &self.0 {
            gauge.set(i64::from(*circuit == state));
        }
    }

    /// Leaves a breaker that was removed in no state. One that is listed again begins closed.
    fn set_listed(&self, is_listed: bool) {
        let is_removed = self.0.iter().all(|(_, gauge)| gauge.get() == 0);
        match (is_listed, is_removed) {
            (false, _) => self.0.iter().for_each(|(_, gauge)| {
                gauge.set(0);
            }),
            (true, true) => self.set(BreakerState::Closed),
            (true, false) => {}
        }
    }
}

impl Target {
    fn new(label: Label, families: &Families) -> Self {
        let labels = TargetLabels { target: label.clone() };
        let tokens = |direction| {
            families.tokens.get_or_create_owned(&TokenLabels { target: label.clone(), direction })
        };
        let state = |circuit: BreakerState| {
            let labels = BreakerLabels { target: label.clone(), state: circuit.name() };
            (circuit, families.breaker_state.get_or_create_owned(&labels))
        };
        Self {
            duration: families.attempt_duration.get_or_create_owned(&labels),
            first_token: families.first_token.get_or_create_owned(&labels),
            in_flight: families.in_flight.get_or_create_owned(&labels),
            input: tokens("input"),
            output: tokens("output"),
            cost: families.cost.get_or_create_owned(&labels),
            states: BreakerStates::closed(state),
            label,
        }
    }

    /// Records the duration, tokens and cost of a call. The duration of a cancelled call is not representative, so it is
    /// left out.
    fn record_call(&self, end: &AttemptEnd, took: Duration) {
        let usage = match end {
            AttemptEnd::Running | AttemptEnd::Cancelled | AttemptEnd::Skipped { .. } => return,
            AttemptEnd::Failed(_) => None,
            AttemptEnd::Blocked { usage, .. } => *usage,
            AttemptEnd::Ok { usage, cost } => {
                if let Some(cost) = cost {
                    self.cost.inc_by(dollars(*cost));
                }
                *usage
            }
        };
        self.duration.observe(took.as_secs_f64());
        if let Some(Usage { input, output, .. }) = usage {
            self.input.inc_by(input);
            self.output.inc_by(output);
        }
    }
}
