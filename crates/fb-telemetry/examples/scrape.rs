//! Prints the result of a scrape after two requests, one of which fell back.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::time::Duration;

use fb_core::{
    Attempt, AttemptEnd, Event, Failure, FailureKind, Level, Money, Next, Observer, Report, RequestId,
    RequestSummary, ServedBy, TargetId, Trace, Usage,
};
use fb_telemetry::{Metrics, Names};

const ROUTE: &str = "default";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second): (TargetId, TargetId) =
        ("openai/gpt-6.1-sol".parse()?, "anthropic/claude-sonnet-4-6".parse()?);
    let names = Names {
        routes: vec![ROUTE.to_owned()],
        targets: vec![first.clone(), second.clone()],
        tenants: Vec::new(),
    };
    let metrics = Metrics::new(&names);

    request(&metrics, vec![call(&first, answered(), Next::Nothing)]);
    let overloaded = AttemptEnd::Failed(Failure::new(FailureKind::Overloaded, "").with_status(529));
    request(&metrics, vec![call(&first, overloaded, Next::Hop), call(&second, answered(), Next::Nothing)]);

    print!("{}", metrics.render());
    Ok(())
}

/// Emits the events that the engine of fb would emit.
fn request(observer: &dyn Observer, rows: Vec<Attempt>) {
    for attempt in &rows {
        observer.on_event(&Event::Started { route: ROUTE, target: &attempt.target, number: attempt.number });
        observer.on_event(&Event::Ended { route: ROUTE, attempt });
    }
    let report = Report {
        id: RequestId::default(),
        served_by: rows.last().map(|row| ServedBy::Target(row.target.clone())),
        level: Level::Full,
        took: rows.iter().map(|row| row.took).sum(),
        cache: None,
        degraded: None,
        trace: Trace::new(rows),
    };
    observer.on_event(&Event::Finished {
        route: ROUTE,
        tenant: None,
        request: &RequestSummary::default(),
        cancelled: false,
        coalesced: false,
        report: &report,
    });
}

fn call(target: &TargetId, end: AttemptEnd, next: Next) -> Attempt {
    let (at, took) = (Duration::ZERO, Duration::from_millis(800));
    Attempt { target: target.clone(), number: 1, at, took, first: None, end, next }
}

fn answered() -> AttemptEnd {
    let usage = Some(Usage { input: 14, output: 200, ..Usage::default() });
    AttemptEnd::Ok { usage, cost: Some(Money::from_nanos(3_100_000)) }
}
