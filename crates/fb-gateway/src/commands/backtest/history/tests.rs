use std::time::SystemTime;

use fb::{Report, RequestSummary};
use fb_telemetry::record::RecordedFailure;

use super::*;

fn call(target: &str, at_ms: u64, took_ms: u64, end: CallEnd, kind: Option<FailureKind>) -> RecordedCall {
    let failure = kind.map(|kind| RecordedFailure::from_failure(&fb::Failure::new(kind, "")));
    let target = target.parse().unwrap();
    RecordedCall { target, number: 1, at_ms, took_ms, first_ms: None, end, failure, usage: None }
}

/// Builds entries with these calls, one per second.
fn entries(attempts: Vec<Vec<RecordedCall>>) -> Vec<RecordEntry> {
    let report = Report::default();
    let entry = |(second, attempts): (u64, Vec<RecordedCall>)| {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let mut value = RecordEntry::new(
            "default",
            None,
            &RequestSummary::default(),
            RecordedOutcome::Failed,
            false,
            &report,
            now,
        );
        value.attempts = attempts;
        value
    };
    (0..).zip(attempts).map(entry).collect()
}

fn history(attempts: Vec<Vec<RecordedCall>>) -> History {
    History::new(&entries(attempts), Duration::from_secs(1))
}

/// Checks the response to a call that was not recorded.
#[track_caller]
fn check(history: &History, target: &str, now: u64, took: u64, fails: Option<FailureKind>) {
    let response = history.response(&target.parse().unwrap(), 99, Duration::from_millis(now));
    let failed = match &response.end {
        ResponseEnd::Fail(failure) => Some(failure.kind()),
        _ => None,
    };
    assert_eq!((response.took, failed), (Duration::from_millis(took), fails), "{target} at {now}");
}

#[test]
fn unrecorded_call_gets_the_response_nearest_in_time() {
    let error = Some(FailureKind::ServerError);
    let history = history(vec![
        vec![call("a/m", 0, 10, CallEnd::Ok, None)],
        vec![call("a/m", 0, 20, CallEnd::Failed, error)],
        vec![call("a/m", 0, 30, CallEnd::Ok, None), call("b/m", 0, 40, CallEnd::Failed, error)],
    ]);
    for (now, took, fails) in [
        (0, 10, None),
        (499, 10, None),
        (500, 10, None),
        (501, 20, error),
        (1_400, 20, error),
        (1_501, 30, None),
        (1_000_000, 30, None),
    ] {
        check(&history, "a/m", now, took, fails);
    }
    assert_eq!(history.assumptions(), BTreeMap::new());
    check(&history, "b/other", 0, 40, error);
    check(&history, "c/m", 0, 1_000, None);
    let assumed = [("b/other", Assumption::LikeProvider), ("c/m", Assumption::Success)];
    assert_eq!(
        history.assumptions(),
        assumed.map(|(target, assumption)| (target.parse().unwrap(), assumption)).into()
    );
    assert_eq!(history.calls(99), 9);
}

#[test]
fn missing_answer_gets_the_median_output() {
    let answer = |output| {
        let usage = Some(Tokens { input: 1, output });
        let mut value = call("a/m", 0, 10, CallEnd::Ok, None);
        value.usage = usage;
        value
    };
    let mut entries = entries(vec![vec![answer(300)], vec![], vec![answer(100)], vec![answer(200)], vec![]]);
    for entry in &mut entries {
        entry.input_tokens = 7;
        entry.outcome = if entry.attempts.is_empty() { RecordedOutcome::Failed } else { RecordedOutcome::Ok };
    }
    entries[4].outcome = RecordedOutcome::Ok;
    let recorded = |output| Some(Tokens { input: 1, output });
    let estimate = Some(Tokens { input: 7, output: 200 });
    assert_eq!(
        usages(&entries),
        [recorded(300), estimate, recorded(100), recorded(200), None],
        "an answer without tokens has none"
    );
    assert_eq!(usages(&entries[4..]), [None]);
}

#[test]
fn failure_caused_by_the_request_is_not_transferred() {
    let long = Some(FailureKind::ContextLength);
    let history = history(vec![
        vec![call("a/m", 0, 10, CallEnd::Failed, long)],
        vec![call("a/m", 0, 20, CallEnd::Blocked, None)],
        vec![call("a/m", 0, 30, CallEnd::Cancelled, None)],
        vec![call("a/m", 0, 40, CallEnd::Ok, None)],
    ]);
    check(&history, "a/m", 0, 40, None);
    let a = "a/m".parse().unwrap();
    let response = |request| history.response(&a, request, Duration::ZERO);
    assert!(
        matches!(response(0).end, ResponseEnd::Fail(failure) if failure.kind() == FailureKind::ContextLength)
    );
    assert_eq!(
        response(1),
        ScriptedResponse { first: None, took: Duration::from_millis(20), end: ResponseEnd::Block(None) }
    );
    let answer = |took| ScriptedResponse {
        first: None,
        took: Duration::from_millis(took),
        end: ResponseEnd::Answer(None),
    };
    assert_eq!(response(2), answer(40), "like another call, and later than it was cut short");
    assert_eq!(response(0), answer(40), "the second call does not repeat the first");
}

#[test]
fn call_that_was_cut_short_ends_later() {
    let stream = |took_ms, first_ms, end| {
        let mut value = call("a/m", 0, took_ms, end, None);
        value.first_ms = first_ms;
        value
    };
    let history = history(vec![
        vec![stream(900, None, CallEnd::Cancelled)],
        vec![stream(900, Some(90), CallEnd::Cancelled)],
        vec![stream(20, None, CallEnd::Cancelled)],
        vec![stream(40, Some(30), CallEnd::Ok)],
    ]);
    for (request, first, took) in [(0, 901, 901), (1, 90, 901), (2, 30, 40)] {
        let response = history.response(&"a/m".parse().unwrap(), request, Duration::ZERO);
        let [first, took] = [first, took].map(Duration::from_millis);
        assert_eq!(
            response,
            ScriptedResponse { first: Some(first), took, end: ResponseEnd::Answer(None) },
            "{request}"
        );
    }
}

#[test]
fn call_that_timed_out_without_output_hangs() {
    let late = |phase| Some(FailureKind::Timeout(phase));
    let mut cut = call("a/m", 0, 50, CallEnd::Failed, late(Phase::Total));
    cut.first_ms = Some(10);
    let history = history(vec![
        vec![call("a/m", 0, 30, CallEnd::Failed, late(Phase::Total))],
        vec![call("a/m", 0, 40, CallEnd::Failed, late(Phase::Connect))],
        vec![cut],
    ]);
    let response = |request| history.response(&"a/m".parse().unwrap(), request, Duration::ZERO);
    assert_eq!(response(0), ScriptedResponse { first: None, took: Duration::ZERO, end: ResponseEnd::Hang });
    let kind = |response: &ScriptedResponse| match &response.end {
        ResponseEnd::Fail(failure) => Some(failure.kind()),
        _ => None,
    };
    assert_eq!(kind(&response(1)), late(Phase::Connect));
    let cut = response(2);
    assert_eq!((cut.first, cut.took), (Some(Duration::from_millis(10)), Duration::from_millis(50)));
    assert_eq!(kind(&cut), late(Phase::Total));
}
