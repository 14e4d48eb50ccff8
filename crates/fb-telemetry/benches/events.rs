//! Measures the cost of the observers for one request with one call.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use fb_core::{
    Attempt, AttemptEnd, Event, Money, Observer, Report, RequestSummary, ServedBy, TargetId, Trace, Usage,
};
use fb_telemetry::{DriftConfig, DriftWatch, Metrics, Names, TracingEvents};

fn emit(observer: &dyn Observer, report: &Report) {
    let route = "default";
    for attempt in report.trace.rows() {
        observer.on_event(&Event::Started { route, target: &attempt.target, number: 1 });
        observer.on_event(&Event::Ended { route, attempt });
    }
    observer.on_event(&Event::Finished {
        route,
        tenant: Some("tenant7"),
        request: &RequestSummary::default(),
        cancelled: false,
        coalesced: false,
        error: None,
        report,
    });
}

fn events(criterion: &mut Criterion) {
    let targets: Vec<TargetId> =
        (0..20).filter_map(|n| format!("provider{n}/model-{n}").parse().ok()).collect();
    let answers = targets[7].clone();
    let tenants = (0..100).map(|n| format!("tenant{n}")).collect();
    let names = Names { routes: vec!["default".to_owned(), "cheap".to_owned()], targets, tenants };
    let usage = Some(Usage { input: 14, output: 200, ..Usage::default() });
    let mut row =
        Attempt::new(answers.clone(), 1, AttemptEnd::Ok { usage, cost: Some(Money::from_nanos(3_100_000)) });
    row.took = Duration::from_millis(800);
    let report = Report::with(|report| {
        report.primary = Some(answers.clone());
        report.served_by = Some(ServedBy::Target(answers));
        report.took = Duration::from_millis(800);
        report.trace = Trace::new(vec![row]);
    });

    let metrics = Metrics::new(&names);
    #[expect(clippy::disallowed_methods, reason = "the clock of the embedding program")]
    let now: fn() -> Instant = Instant::now;
    let mut group = criterion.benchmark_group("one request");
    group.bench_function("metrics", |bencher| bencher.iter(|| emit(&metrics, black_box(&report))));
    if let Ok(watch) = DriftWatch::new(&names, DriftConfig::default(), now, |_| {}) {
        group.bench_function("drift", |bencher| bencher.iter(|| emit(&watch, black_box(&report))));
    }
    group.bench_function("tracing, without a subscriber", |bencher| {
        bencher.iter(|| emit(&TracingEvents, black_box(&report)));
    });
    group.finish();
    criterion.bench_function("render, 20 targets", |bencher| bencher.iter(|| metrics.render()));
}

criterion_group!(benches, events);
criterion_main!(benches);
