//! Sample events and readings for tests.

use std::time::Duration;

use fb_core::{
    Attempt, AttemptEnd, BreakerState, CacheUse, Event, Failure, FailureKind, Level, Money, Next, Observer,
    Report, RequestError, RequestSummary, ServedBy, Skip, TargetId, Trace, Usage,
};

use crate::{Account, Names, Readings, Records};

pub(crate) fn target(name: &str) -> TargetId {
    format!("{name}/m").parse().unwrap()
}

/// Routes `default` and `cheap`, targets `a/m` and `b/m`, tenant `acme`.
pub(crate) fn names() -> Names {
    Names {
        routes: vec!["default".to_owned(), "cheap".to_owned()],
        targets: vec![target("a"), target("b")],
        tenants: vec!["acme".to_owned()],
    }
}

pub(crate) fn attempt(name: &str, end: AttemptEnd, next: Next) -> Attempt {
    let number = u32::from(!matches!(end, AttemptEnd::Skipped { .. }));
    let (at, took) = (Duration::ZERO, Duration::from_millis(400));
    let mut row = Attempt::new(target(name), number, end);
    row.at = at;
    row.took = took;
    row.next = next;
    row
}

/// A skip, a failure and an answer.
pub(crate) fn rows(names: [&str; 3]) -> [Attempt; 3] {
    let open = AttemptEnd::Skipped { why: Skip::BreakerOpen, reopens: None };
    let detail = "sk-secret rejected \"my prompt\"";
    let code = Some("code-of-provider".to_owned());
    let failure = Failure::new(FailureKind::Overloaded, detail).with_status(529).with_code(code);
    let usage = Some(Usage { input: 14, output: 200, ..Usage::default() });
    let ok = AttemptEnd::Ok { usage, cost: Some(Money::from_nanos(3_100_000)) };
    [
        attempt(names[0], open, Next::Hop),
        attempt(names[1], AttemptEnd::Failed(failure), Next::Hop),
        attempt(names[2], ok, Next::Nothing),
    ]
}

/// Emits the events of one request with these attempts, answered by the last.
pub(crate) fn request(observer: &dyn Observer, route: &str, tenant: Option<&str>, rows: &[Attempt]) {
    let mut before: Option<&Attempt> = None;
    for attempt in rows {
        let left = before.filter(|before| before.next == Next::Hop && before.target != attempt.target);
        if let Some(Attempt { target: from, end: reason, .. }) = left {
            observer.on_event(&Event::Hop { route, tenant, from, to: &attempt.target, reason });
        }
        if attempt.is_call() {
            observer.on_event(&Event::Started { route, target: &attempt.target, number: attempt.number });
        }
        observer.on_event(&Event::Ended { route, attempt });
        before = Some(attempt);
    }
    finished(observer, route, tenant, false, rows);
}

/// Emits the end of such a request.
pub(crate) fn finished(
    observer: &dyn Observer,
    route: &str,
    tenant: Option<&str>,
    coalesced: bool,
    rows: &[Attempt],
) {
    let report = Report::with(|report| {
        report.primary = rows.first().map(|row| row.target.clone());
        report.served_by = rows.last().map(|row| ServedBy::Target(row.target.clone()));
        report.took = Duration::from_millis(900);
        report.cache = Some(CacheUse::Miss);
        report.trace = Trace::new(rows.to_vec());
    });
    let request = &RequestSummary::default();
    observer.on_event(&Event::Finished {
        route,
        tenant,
        request,
        cancelled: rows.last().is_some_and(|row| row.end == AttemptEnd::Cancelled),
        coalesced,
        error: None,
        report: &report,
    });
}

/// Emits at least one event of every kind.
pub(crate) fn everything(observer: &dyn Observer, route: &str, targets: [&str; 3]) {
    request(observer, route, None, &rows(targets));
    let target = target(targets[2]);
    observer.on_event(&Event::FirstToken { route, target: &target, after: Duration::from_millis(90) });
    let (from, to, reason) = (BreakerState::Closed, BreakerState::Open, "failure_rate");
    observer.on_event(&Event::Breaker { target: &target, from, to, reason });
    observer.on_event(&Event::ProviderBreaker {
        provider: target.provider(),
        from,
        to,
        reason: "consecutive_failures",
    });
    observer.on_event(&Event::Ladder { route, from: Level::Full, to: Level::Minimal });
    observer.on_event(&Event::Resumed { route, from: &target, by: None });
    let error = RequestError::new(401, "invalid_api_key");
    observer.on_event(&Event::Rejected { listener: "gateway", error });
}

/// The attempts of a request that skips one target over its tenant's limit, repairs the answer of a second one with one of its keys, and
/// cancels a third one that lost a race.
pub(crate) fn poor(targets: [&str; 3]) -> [Attempt; 4] {
    let [refused, repaired, raced] = targets;
    let unpaid = AttemptEnd::Skipped {
        why: Skip::Budget { limit: "usd_per_day", money: true, of_key: false },
        reopens: None,
    };
    let defect = Failure::new(FailureKind::Quality, "schema: \"my prompt\"").with_gate("schema");
    let ok = AttemptEnd::Ok { usage: None, cost: None };
    [
        attempt(refused, unpaid, Next::Hop),
        attempt(repaired, AttemptEnd::Failed(defect), Next::Repair),
        attempt(raced, AttemptEnd::Cancelled, Next::Nothing),
        {
            let mut row = attempt(repaired, ok, Next::Nothing);
            row.key = Some("KEY_A".into());
            row
        },
    ]
}

/// Readings of every kind.
pub(crate) fn readings() -> Readings {
    let [cost, day, month, reserved] = [3_100_000, 4_000_000, 5_250_000_000, 7].map(Money::from_nanos);
    let acme = Account { tokens: 214, cost, day, month, reserved, day_limit: Some(20.0), month_limit: None };
    let default = Account { month_limit: Some(0.1), ..Account::default() };
    Readings {
        tenants: vec![("acme".to_owned(), acme), ("default".to_owned(), default)],
        ledger_failing: Some(true),
        quality: vec![(target("a"), 0.875), (target("b"), 1.0)],
        records: Some(Records { written: 41, lost: 1 }),
    }
}
