use std::time::Duration;

use fb_core::{Attempt, BlockCategory, CacheUse, Failure, FailureKind, Skip};

use super::*;
use crate::fell_back;

const SECOND: Duration = Duration::from_secs(1);

fn ok() -> AttemptEnd {
    AttemptEnd::Ok { usage: None, cost: None }
}

fn failed() -> AttemptEnd {
    AttemptEnd::Failed(Failure::new(FailureKind::ServerError, ""))
}

fn blocked() -> AttemptEnd {
    AttemptEnd::Blocked { category: BlockCategory::Output, usage: None }
}

fn skipped(why: Skip) -> AttemptEnd {
    AttemptEnd::Skipped { why, reopens: None }
}

fn inadmissible() -> AttemptEnd {
    skipped(Skip::Inadmissible(fb_core::Refusal::new("tools", "unknown")))
}

/// Checks the outcome of a request with these attempts, and its fallback verdict. `by` is a target, `cache`, or empty.
#[track_caller]
fn check(by: &str, rows: Vec<(&str, AttemptEnd, Next)>, expected: (Outcome, Option<bool>)) {
    let attempt = |(target, end, next): (&str, AttemptEnd, Next)| {
        let mut row = Attempt::new(format!("{target}/m").parse().unwrap(), 1, end);
        row.took = SECOND;
        row.next = next;
        row
    };
    let report = Report::with(|report| {
        report.served_by = match by {
            "" => None,
            "cache" => Some(ServedBy::Cache),
            name => Some(ServedBy::Target(format!("{name}/m").parse().unwrap())),
        };
        report.took = SECOND;
        report.cache = (by == "cache").then_some(CacheUse::Miss);
        report.trace = Trace::new(rows.into_iter().map(attempt).collect());
    });
    assert_eq!((Outcome::from_report(&report), fell_back(&report)), expected);
}

#[test]
fn answered_requests_are_classified() {
    use Next::{Hop, Nothing, RetryIn};
    check("a", vec![("a", ok(), Nothing)], (Outcome::Answered, Some(false)));
    let retried = vec![("a", failed(), RetryIn(SECOND)), ("a", ok(), Nothing)];
    check("a", retried, (Outcome::Answered, Some(false)));
    let hopped = vec![("a", failed(), Hop), ("b", ok(), Nothing)];
    check("b", hopped, (Outcome::Answered, Some(true)));
    let skipped_over = vec![("a", skipped(Skip::BreakerOpen), Hop), ("b", ok(), Nothing)];
    check("b", skipped_over, (Outcome::Answered, Some(true)));
    let cannot = vec![("a", inadmissible(), Hop), ("b", ok(), Nothing)];
    check("b", cannot, (Outcome::Answered, Some(false)));
    let raced = vec![("a", AttemptEnd::Cancelled, Nothing), ("b", ok(), Nothing)];
    check("b", raced, (Outcome::Answered, Some(false)));
    check("cache", vec![], (Outcome::Answered, None));
    check("cache", vec![("a", failed(), Nothing)], (Outcome::Answered, Some(true)));
}

#[test]
fn unanswered_requests_are_classified() {
    use Next::{Hop, Nothing, RetryIn, Surface, WaitFor};
    check("a", vec![("a", blocked(), Surface)], (Outcome::Blocked, Some(false)));
    let raced = vec![("b", AttemptEnd::Cancelled, Nothing), ("a", blocked(), Surface)];
    check("a", raced, (Outcome::Blocked, Some(false)));
    check("", vec![("a", failed(), Surface)], (Outcome::Surfaced, None));
    let all = vec![("a", failed(), Hop), ("b", failed(), Nothing)];
    check("", all, (Outcome::Exhausted, Some(true)));
    check("", vec![("a", inadmissible(), Nothing)], (Outcome::Exhausted, Some(true)));
    let waited = vec![("a", skipped(Skip::Cooling), WaitFor(SECOND)), ("a", failed(), Nothing)];
    check("", waited, (Outcome::Exhausted, Some(true)));
    check("", vec![], (Outcome::Exhausted, None));
    let unpaid = || skipped(Skip::Budget { limit: "usd_per_day", money: true, of_key: false });
    let refused = vec![("a", inadmissible(), Hop), ("b", unpaid(), Nothing)];
    check("", refused, (Outcome::OverBudget, None));
    check("", vec![("a", unpaid(), Hop), ("b", failed(), Nothing)], (Outcome::Exhausted, Some(true)));
    check("b", vec![("a", unpaid(), Hop), ("b", ok(), Nothing)], (Outcome::Answered, Some(false)));
    check("a", vec![("a", failed(), Surface)], (Outcome::Interrupted, Some(false)));
    check("", vec![("a", AttemptEnd::Cancelled, Nothing)], (Outcome::Cancelled, None));
    check("a", vec![("a", AttemptEnd::Cancelled, Nothing)], (Outcome::Cancelled, None));
    check("", vec![("a", failed(), RetryIn(SECOND))], (Outcome::Cancelled, None));
    let waited = vec![("a", skipped(Skip::Cooling), WaitFor(SECOND)), ("b", failed(), Nothing)];
    check("", waited, (Outcome::Cancelled, None));
}
