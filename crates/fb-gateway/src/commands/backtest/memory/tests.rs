use std::time::SystemTime;

use fb::{Level, Report, RequestSummary, Trace};

use super::*;
use fb_telemetry::record::{RecordedFailure, RecordedOutcome};

fn called(target: &str, at_ms: u64, took_ms: u64, end: CallEnd, kind: Option<FailureKind>) -> RecordedCall {
    let failure = kind.map(|kind| RecordedFailure::from_failure(&fb::Failure::new(kind, "")));
    let target = target.parse().unwrap();
    RecordedCall { target, number: 1, at_ms, took_ms, first_ms: None, end, failure, usage: None }
}

/// Requests, each a second after the one before, with these calls.
fn entries(attempts: Vec<Vec<RecordedCall>>) -> Vec<RecordEntry> {
    let report = Report {
        id: fb::RequestId::default(),
        served_by: None,
        level: Level::Full,
        took: Duration::ZERO,
        cache: None,
        degraded: None,
        trace: Trace::default(),
    };
    let entry = |(second, attempts): (u64, Vec<RecordedCall>)| {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        RecordEntry {
            attempts,
            ..RecordEntry::new(
                "default",
                None,
                &RequestSummary::default(),
                RecordedOutcome::Failed,
                false,
                &report,
                now,
            )
        }
    };
    (0..).zip(attempts).map(entry).collect()
}

fn memory(attempts: Vec<Vec<RecordedCall>>) -> Memory {
    Memory::new(&entries(attempts), Duration::from_secs(1))
}

/// What a call that was not recorded comes to, for a request that made none.
#[track_caller]
fn check(memory: &Memory, target: &str, now: u64, took: u64, fails: Option<FailureKind>) {
    let act = memory.decide(&target.parse().unwrap(), 99, Duration::from_millis(now));
    let failed = match &act.end {
        End::Fail(failure) => Some(failure.kind()),
        _ => None,
    };
    assert_eq!((act.took, failed), (Duration::from_millis(took), fails), "{target} at {now}");
}

#[test]
fn a_call_that_was_not_made_is_like_the_nearest_in_time() {
    let error = Some(FailureKind::ServerError);
    let memory = memory(vec![
        vec![called("a/m", 0, 10, CallEnd::Ok, None)],
        vec![called("a/m", 0, 20, CallEnd::Failed, error)],
        vec![called("a/m", 0, 30, CallEnd::Ok, None), called("b/m", 0, 40, CallEnd::Failed, error)],
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
        check(&memory, "a/m", now, took, fails);
    }
    assert_eq!(memory.assumed(), BTreeMap::new());
    check(&memory, "b/other", 0, 40, error);
    check(&memory, "c/m", 0, 1_000, None);
    let assumed = [("b/other", Assumed::Provider), ("c/m", Assumed::Nobody)];
    assert_eq!(memory.assumed(), assumed.map(|(target, like)| (target.parse().unwrap(), like)).into());
    assert_eq!(memory.calls(99), 9);
}

#[test]
fn an_answer_in_place_of_none_is_of_the_usual_length() {
    let answer = |output| {
        let usage = Some(Tokens { input: 1, output });
        RecordedCall { usage, ..called("a/m", 0, 10, CallEnd::Ok, None) }
    };
    let mut entries = entries(vec![vec![answer(300)], vec![], vec![answer(100)], vec![answer(200)], vec![]]);
    for entry in &mut entries {
        entry.input_tokens = 7;
        entry.outcome = if entry.attempts.is_empty() { RecordedOutcome::Failed } else { RecordedOutcome::Ok };
    }
    entries[4].outcome = RecordedOutcome::Ok;
    let own = |output| Some(Tokens { input: 1, output });
    let guess = Some(Tokens { input: 7, output: 200 });
    assert_eq!(
        usages(&entries),
        [own(300), guess, own(100), own(200), None],
        "an answer without tokens has none"
    );
    assert_eq!(usages(&entries[4..]), [None]);
}

#[test]
fn what_was_the_request_s_own_fault_befalls_no_other() {
    let long = Some(FailureKind::ContextLength);
    let memory = memory(vec![
        vec![called("a/m", 0, 10, CallEnd::Failed, long)],
        vec![called("a/m", 0, 20, CallEnd::Blocked, None)],
        vec![called("a/m", 0, 30, CallEnd::Cancelled, None)],
        vec![called("a/m", 0, 40, CallEnd::Ok, None)],
    ]);
    check(&memory, "a/m", 0, 40, None);
    let a = "a/m".parse().unwrap();
    let act = |request| memory.decide(&a, request, Duration::ZERO);
    assert!(matches!(act(0).end, End::Fail(failure) if failure.kind() == FailureKind::ContextLength));
    assert_eq!(act(1), Act { first: None, took: Duration::from_millis(20), end: End::Block(None) });
    let answer = |took| Act { first: None, took: Duration::from_millis(took), end: End::Answer(None) };
    assert_eq!(act(2), answer(40), "as another, and later than it was cut short");
    assert_eq!(act(0), answer(40), "a second call is not the first again");
}

#[test]
fn a_call_that_was_cut_short_ends_later_than_that() {
    let stream = |took_ms, first_ms, end| RecordedCall { first_ms, ..called("a/m", 0, took_ms, end, None) };
    let memory = memory(vec![
        vec![stream(900, None, CallEnd::Cancelled)],
        vec![stream(900, Some(90), CallEnd::Cancelled)],
        vec![stream(20, None, CallEnd::Cancelled)],
        vec![stream(40, Some(30), CallEnd::Ok)],
    ]);
    for (request, first, took) in [(0, 901, 901), (1, 90, 901), (2, 30, 40)] {
        let act = memory.decide(&"a/m".parse().unwrap(), request, Duration::ZERO);
        let [first, took] = [first, took].map(Duration::from_millis);
        assert_eq!(act, Act { first: Some(first), took, end: End::Answer(None) }, "{request}");
    }
}

#[test]
fn who_was_not_waited_for_any_longer_says_nothing_at_all() {
    let late = |phase| Some(FailureKind::Timeout(phase));
    let mut cut = called("a/m", 0, 50, CallEnd::Failed, late(Phase::Total));
    cut.first_ms = Some(10);
    let memory = memory(vec![
        vec![called("a/m", 0, 30, CallEnd::Failed, late(Phase::Total))],
        vec![called("a/m", 0, 40, CallEnd::Failed, late(Phase::Connect))],
        vec![cut],
    ]);
    let act = |request| memory.decide(&"a/m".parse().unwrap(), request, Duration::ZERO);
    assert_eq!(act(0), Act { first: None, took: Duration::ZERO, end: End::Silent });
    let kind = |act: &Act| match &act.end {
        End::Fail(failure) => Some(failure.kind()),
        _ => None,
    };
    assert_eq!(kind(&act(1)), late(Phase::Connect));
    let cut = act(2);
    assert_eq!((cut.first, cut.took), (Some(Duration::from_millis(10)), Duration::from_millis(50)));
    assert_eq!(kind(&cut), late(Phase::Total));
}
