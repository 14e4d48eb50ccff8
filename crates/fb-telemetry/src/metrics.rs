mod families;
mod labels;
mod recent;

use std::{fmt, time::Duration};

use fb_core::{Attempt, AttemptEnd, Circuit, Event, Level, Next, Observer, Report, TargetId, Usage};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use self::{
    families::{Cost, Families, Ratio},
    labels::{
        AttemptLabels, BreakerLabels, CacheLabels, DriftLabels, HopLabels, MoveLabels, RequestLabels,
        RouteLabels, SkipLabels, TargetLabels, TokenLabels, TransitionLabels,
    },
    recent::Recent,
};
use crate::{
    Alarm, Names, Outcome, fell_back,
    names::{Closed, Label},
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

    /// Everything as `OpenMetrics` text, which Prometheus reads; the order of series is not fixed.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let written = text::encode(&mut text, &self.registry);
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
        let labels = AttemptLabels { route, target: label, outcome: end_word(&attempt.end) };
        self.families.attempts.get_or_create(&labels).inc();
        target.in_flight.dec();
        target.spent(&attempt.end, attempt.took);
    }

    fn finished(&self, name: &str, shared: bool, report: &Report) {
        let route = self.routes.get(name);
        let outcome = Outcome::of(report);
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
            Event::Finished { route, shared, report, .. } => self.finished(route, shared, report),
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
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "exact up to nine million dollars a call"
                    )]
                    self.cost.inc_by(cost.nanos() as f64 / 1e9);
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
