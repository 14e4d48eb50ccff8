mod families;
mod labels;
mod readings;
mod recent;

use std::{fmt, time::Duration};

use fb_core::{
    Attempt, AttemptEnd, Circuit, Event, Level, Money, Next, Observer, Report, Skip, TargetId, Usage,
};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub use self::readings::{Account, Readings, Records};
use self::{
    families::{Cost, Families, Ratio},
    labels::{
        AttemptLabels, BreakerLabels, CacheLabels, DefectLabels, DriftLabels, HopLabels, MoveLabels,
        RefusalLabels, RequestLabels, RouteLabels, SkipLabels, TargetLabels, TenantRequestLabels,
        TokenLabels, TransitionLabels,
    },
    recent::Recent,
};
use crate::{
    Alarm, Names, Outcome, fell_back,
    names::{Closed, DEFAULT_TENANT, Label},
    words::{Word, cache_word, end_word, skip_word},
};

#[cfg(test)]
mod tests;

/// Counts and measures what it hears, for a Prometheus server to fetch.
///
/// Every label value is a configured name, `other`, or a word of this workspace's code, so no caller can make the set
/// of series grow. A series takes memory from its first event on; after that an event allocates nothing.
pub struct Metrics {
    registry: Registry,
    families: Families,
    routes: Closed<Label, Route>,
    targets: Closed<TargetId, Target>,
    tenants: Closed<Label, Label>,
}

/// The series of one route that have no other label.
struct Route {
    label: Label,
    duration: Histogram,
    level: Gauge,
    fallback: Ratio,
    recent: Mutex<Recent>,
}

/// The series of one target that have no other label, or one of few values.
struct Target {
    label: Label,
    duration: Histogram,
    first_token: Histogram,
    in_flight: Gauge,
    input: Counter,
    output: Counter,
    cost: Cost,
    /// One for each of [`Circuit::ALL`].
    states: [(Circuit, Gauge); 3],
}

impl Metrics {
    /// The content type of [`render`](Self::render).
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Metrics with these names as labels.
    ///
    /// Breakers count as closed and routes as at level `full` until an event says otherwise.
    pub fn new(names: &Names) -> Self {
        let mut registry = Registry::default();
        let families = Families::register(&mut registry);
        Self {
            routes: names.per_route(|label| Route::new(label, &families)),
            targets: names.per_target(|label| Target::new(label, &families)),
            tenants: names.per_tenant(|label| label),
            registry,
            families,
        }
    }

    /// What was counted, as `OpenMetrics` text, which Prometheus reads; the order of series is not fixed.
    pub fn render(&self) -> String {
        self.render_with(&Readings::default())
    }

    /// The same, and what was read for it.
    pub fn render_with(&self, readings: &Readings) -> String {
        let mut text = String::new();
        let written = text::encode_registry(&mut text, &self.registry)
            .and_then(|()| text::encode(&mut text, &readings.registry()));
        // Printing into a string does not fail.
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
            let labels = SkipLabels { route, target: label, reason: skip_word(why) };
            self.families.skips.get_or_create(&labels).inc();
            return;
        }
        if let AttemptEnd::Failed(failure) = &attempt.end
            && let Some(gate) = failure.gate()
        {
            let labels = DefectLabels { route: route.clone(), target: label.clone(), gate };
            self.families.gate_defects.get_or_create(&labels).inc();
        }
        let labels = AttemptLabels { route, target: label, outcome: end_word(&attempt.end) };
        self.families.attempts.get_or_create(&labels).inc();
        target.in_flight.dec();
        target.spent(&attempt.end, attempt.took);
    }

    fn finished(&self, name: &str, tenant: Option<&str>, shared: bool, report: &Report) {
        let route = self.routes.get(name);
        let tenant = self.tenants.get(tenant.unwrap_or(DEFAULT_TENANT));
        let outcome = Outcome::of(report);
        self.families
            .tenant_requests
            .get_or_create(&TenantRequestLabels { tenant: tenant.clone(), outcome: outcome.name() })
            .inc();
        let cache = report.cache.as_ref().map(cache_word);
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
        // Shared calls are counted with the request that made them.
        if !shared {
            self.hops(&route.label, report);
            self.repairs(&route.label, report);
            self.refusals(tenant, report);
        }
        if let Some(yes) = fell_back(report) {
            route.fallback.set(route.recent.lock().add(yes));
        }
    }

    /// Counts the moves from a target that failed to the one that was called next.
    fn hops(&self, route: &Label, report: &Report) {
        let called = || report.trace.rows().iter().filter(|row| row.is_call());
        for (from, to) in called().zip(called().skip(1)) {
            if from.next != Next::Hop || from.target == to.target {
                continue;
            }
            let labels = HopLabels {
                route: route.clone(),
                from: self.targets.get(&from.target).label.clone(),
                to: self.targets.get(&to.target).label.clone(),
                reason: end_word(&from.end),
            };
            self.families.hops.get_or_create(&labels).inc();
        }
    }

    /// Counts the calls that repaired an answer, by how they ended.
    fn repairs(&self, route: &Label, report: &Report) {
        let rows = report.trace.rows();
        for (at, bad) in rows.iter().enumerate().filter(|(_, row)| row.next == Next::Repair) {
            // Rows of other targets stand in between where targets race.
            let then = rows[at + 1..].iter().find(|row| row.target == bad.target);
            let Some(repair) = then.filter(|row| row.is_call()) else { continue };
            let labels = AttemptLabels {
                route: route.clone(),
                target: self.targets.get(&bad.target).label.clone(),
                outcome: end_word(&repair.end),
            };
            self.families.repairs.get_or_create(&labels).inc();
        }
    }

    /// Counts the calls that were not paid for.
    fn refusals(&self, tenant: &Label, report: &Report) {
        for row in report.trace.rows() {
            if let AttemptEnd::Skipped { why: Skip::Budget { limit, .. }, .. } = row.end {
                let labels = RefusalLabels { tenant: tenant.clone(), limit };
                self.families.tenant_refused.get_or_create(&labels).inc();
            }
        }
    }

    fn breaker(&self, target: &TargetId, from: Circuit, to: Circuit, reason: Word) {
        let target = self.targets.get(target);
        let labels =
            TransitionLabels { target: target.label.clone(), from: from.name(), to: to.name(), reason };
        self.families.breaker_transitions.get_or_create(&labels).inc();
        target.is_now(to);
    }

    fn ladder(&self, route: &str, from: Level, to: Level) {
        let route = self.routes.get(route);
        let labels = MoveLabels { route: route.label.clone(), from: from.name(), to: to.name() };
        self.families.ladder_moves.get_or_create(&labels).inc();
        route.level.set(to as i64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to nine million dollars")]
fn dollars(money: Money) -> f64 {
    money.nanos() as f64 / 1e9
}

impl Observer for Metrics {
    fn on(&self, event: &Event<'_>) {
        match *event {
            Event::Started { target, .. } => {
                self.targets.get(target).in_flight.inc();
            }
            Event::FirstToken { target, after, .. } => {
                self.targets.get(target).first_token.observe(after.as_secs_f64());
            }
            Event::Ended { route, attempt } => self.ended(route, attempt),
            Event::Finished { route, tenant, shared, report, .. } => {
                self.finished(route, tenant, shared, report);
            }
            Event::Breaker { target, from, to, reason } => self.breaker(target, from, to, reason),
            Event::Ladder { route, from, to } => self.ladder(route, from, to),
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

impl Target {
    fn new(label: Label, families: &Families) -> Self {
        let labels = TargetLabels { target: label.clone() };
        let tokens = |direction| {
            families.tokens.get_or_create_owned(&TokenLabels { target: label.clone(), direction })
        };
        let state = |circuit: Circuit| {
            let labels = BreakerLabels { target: label.clone(), state: circuit.name() };
            (circuit, families.breaker_state.get_or_create_owned(&labels))
        };
        let target = Self {
            duration: families.attempt_duration.get_or_create_owned(&labels),
            first_token: families.first_token.get_or_create_owned(&labels),
            in_flight: families.in_flight.get_or_create_owned(&labels),
            input: tokens("input"),
            output: tokens("output"),
            cost: families.cost.get_or_create_owned(&labels),
            states: Circuit::ALL.map(state),
            label,
        };
        target.is_now(Circuit::Closed);
        target
    }

    fn is_now(&self, state: Circuit) {
        for (circuit, gauge) in &self.states {
            gauge.set(i64::from(*circuit == state));
        }
    }

    /// Notes what a call took of time, tokens and money; the time of one that was given up says nothing.
    fn spent(&self, end: &AttemptEnd, took: Duration) {
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
