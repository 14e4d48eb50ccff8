//! Events of known series must not allocate.

#![expect(clippy::unwrap_used, reason = "the names are fixed")]

use std::time::{Duration, Instant};

use allocation_counter::measure;
use fb_core::{
    Attempt, AttemptEnd, BreakerState, Event, Failure, FailureKind, Level, Next, Observer, Report,
    RequestSummary, ServedBy, Skip, TargetId, Trace,
};
use fb_telemetry::{DriftConfig, DriftWatch, Metrics, Names, TracingEvents};

fn target(name: &str) -> TargetId {
    name.parse().unwrap()
}

/// Emits one event of each kind, for a request with a skip, a refusal, a repair, a failover and an answer.
fn emit(observer: &dyn Observer, route: &str, tenant: &str, report: &Report) {
    let target = &report.trace.rows()[0].target;
    observer.on_event(&Event::Started { route, target, number: 1 });
    observer.on_event(&Event::FirstToken { route, target, after: Duration::from_millis(90) });
    for attempt in report.trace.rows() {
        observer.on_event(&Event::Ended { route, attempt });
        let (tenant, reason) = (Some(tenant), &attempt.end);
        observer.on_event(&Event::Hop { route, tenant, from: &attempt.target, to: target, reason });
    }
    observer.on_event(&Event::Breaker {
        target,
        from: BreakerState::Closed,
        to: BreakerState::Open,
        reason: "failure_rate",
    });
    observer.on_event(&Event::Ladder { route, from: Level::Full, to: Level::Minimal });
    observer.on_event(&Event::Finished {
        route,
        tenant: Some(tenant),
        request: &RequestSummary::default(),
        cancelled: false,
        coalesced: false,
        error: None,
        report,
    });
}

fn report() -> Report {
    let row = |name: &str, end, next| {
        let (at, took) = (Duration::ZERO, Duration::from_millis(400));
        let mut row = Attempt::new(target(name), 1, end);
        row.at = at;
        row.took = took;
        row.next = next;
        row
    };
    let skipped = AttemptEnd::Skipped { why: Skip::BreakerOpen, reopens: None };
    let unpaid = AttemptEnd::Skipped {
        why: Skip::Budget { limit: "usd_per_day", money: true, of_key: false },
        reopens: None,
    };
    let bad = AttemptEnd::Failed(Failure::new(FailureKind::Quality, "").with_gate("schema"));
    let failed = AttemptEnd::Failed(Failure::new(FailureKind::Overloaded, ""));
    let ok = AttemptEnd::Ok { usage: None, cost: None };
    Report::with(|report| {
        report.primary = Some(target("a/m"));
        report.served_by = Some(ServedBy::Target(target("c/m")));
        report.took = Duration::from_millis(900);
        report.trace = Trace::new(vec![
            row("a/m", skipped, Next::Hop),
            row("a/m", unpaid, Next::Hop),
            row("b/m", bad, Next::Repair),
            row("b/m", failed, Next::Hop),
            row("c/m", ok, Next::Nothing),
        ]);
    })
}

#[test]
fn event_of_a_known_series_does_not_allocate() {
    let names = Names {
        routes: vec!["default".to_owned()],
        targets: ["a/m", "b/m"].map(target).into(),
        tenants: vec!["acme".to_owned()],
    };
    let metrics = Metrics::new(&names);
    #[expect(clippy::disallowed_methods, reason = "the clock of the embedding program")]
    let now: fn() -> Instant = Instant::now;
    let watch = DriftWatch::new(&names, DriftConfig::default(), now, |_| {}).unwrap();
    let report = report();
    for observer in [&metrics as &dyn Observer, &watch, &TracingEvents] {
        for (route, tenant) in [("default", "acme"), ("unknown", "unknown")] {
            emit(observer, route, tenant, &report);
        }
        let counted = measure(|| {
            for _ in 0..1_000 {
                emit(observer, "default", "acme", &report);
                emit(observer, "unknown", "unknown", &report);
            }
        });
        assert_eq!(counted.count_total, 0, "{counted:?}");
    }
}
