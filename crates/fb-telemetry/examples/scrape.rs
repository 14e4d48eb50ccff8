//! Prints the result of a scrape after two requests, one of which fell back.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::time::Duration;

use fb_core::{
    Attempt, AttemptEnd, Event, Failure, FailureKind, Money, Next, Observer, Report, RequestSummary,
    ServedBy, TargetId, Trace, Usage,
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
    let mut left: Option<&Attempt> = None;
    for attempt in &rows {
        if let Some(Attempt { target: from, end: reason, .. }) = left {
            observer.on_event(&Event::Hop { route: ROUTE, tenant: None, from, to: &attempt.target, reason });
        }
        left = Some(attempt);
        observer.on_event(&Event::Started { route: ROUTE, target: &attempt.target, number: attempt.number });
        observer.on_event(&Event::Ended { route: ROUTE, attempt });
    }
    let report = Report::with(|report| {
        report.primary = rows.first().map(|row| row.target.clone());
        report.served_by = rows.last().map(|row| ServedBy::Target(row.target.clone()));
        report.took = rows.iter().map(|row| row.took).sum();
        report.trace = Trace::new(rows);
    });
    observer.on_event(&Event::Finished {
        route: ROUTE,
        tenant: None,
        request: &RequestSummary::default(),
        cancelled: false,
        coalesced: false,
        error: None,
        report: &report,
    });
}

fn call(target: &TargetId, end: AttemptEnd, next: Next) -> Attempt {
    let (at, took) = (Duration::ZERO, Duration::from_millis(800));
    let mut row = Attempt::new(target.clone(), 1, end);
    row.at = at;
    row.took = took;
    row.next = next;
    row
}

fn answered() -> AttemptEnd {
    let usage = Some(Usage { input: 14, output: 200, ..Usage::default() });
    AttemptEnd::Ok { usage, cost: Some(Money::from_nanos(3_100_000)) }
}
