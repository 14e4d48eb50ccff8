//! Admission and thresholds of a half-open breaker.
//!
//! Behaviours 1, 3, 12, 22, 50 and 55: a probe without a verdict frees its slot; 2: no more than the permits; 17: late
//! verdicts; 23 and 48: stragglers and expired leases; 10, 31 and 51: thresholds; 43: throttled probes.

use super::*;

#[test]
fn throttled_probe_reopens() {
    check(
        &default(),
        "fail*5 @5s throttled",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s throttled: half-open -> open for 10s (probes failed)
        "#]],
    );
}

#[test]
fn half_open_rejection_reports_the_first_lease_to_expire() {
    check(
        &default(),
        "fail*5 @5s +a @6s +b @7s +c a:neutral +d +e",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +a: admitted
                5s +a: open, next call probes -> half-open (open time elapsed)
                6s +b: admitted
                7s +c: breaker is half-open and full, retry after 58s
                7s +d: admitted
                7s +e: breaker is half-open and full, retry after 59s
        "#]],
    );
}

#[test]
fn probe_without_a_verdict_frees_its_slot() {
    check(
        &default(),
        "fail*5 @5s +a +b a:neutral +c +d b:drop +e +f c:harmless +g +h",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +a: admitted
                5s +a: open, next call probes -> half-open (open time elapsed)
                5s +b: admitted
                5s +c: admitted
                5s +d: breaker is half-open and full, retry after 60s
                5s +e: admitted
                5s +f: breaker is half-open and full, retry after 60s
                5s +g: admitted
                5s +h: breaker is half-open and full, retry after 60s
        "#]],
    );
}

#[test]
fn neutral_probes_decide_nothing() {
    check(
        &default(),
        "fail*5 @5s neutral*100 ok ok",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s neutral: open, next call probes -> half-open (open time elapsed)
                5s ok: half-open -> closed (probes succeeded)
        "#]],
    );
}

#[test]
fn expired_lease_frees_the_slot_and_its_verdict_still_counts() {
    check(
        &default(),
        "fail*5 @5s +a +b @65s +c +d +e a:ok b:ok c:ok d:fail",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s +a: admitted
            5s +a: open, next call probes -> half-open (open time elapsed)
            5s +b: admitted
            65s +c: admitted
            65s +d: admitted
            65s +e: breaker is half-open and full, retry after 60s
            65s b:ok: half-open -> closed (probes succeeded)
            65s c:ok: late
            65s d:fail: late
        "#]],
    );
}

#[test]
fn abandoned_probes_reopen_at_three_times_the_permits() {
    check(
        &default(),
        "fail*5 @5s drop*6 @15s drop*5 ok drop*5 ok",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s drop: open, next call probes -> half-open (open time elapsed)
            5s drop: half-open -> open for 10s (probes abandoned)
            15s drop: open, next call probes -> half-open (open time elapsed)
            15s ok: half-open -> closed (probes succeeded)
        "#]],
    );
    check(
        &default(),
        "fail*5 @5s +a +b @65s +a +b @125s +a +b @185s +a +b",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s +a: admitted
            5s +a: open, next call probes -> half-open (open time elapsed)
            5s +b: admitted
            65s +a: admitted
            65s +b: admitted
            125s +a: admitted
            125s +b: admitted
            185s +a: breaker is open, retry after 10s
            185s +a: half-open -> open for 10s (probes abandoned)
            185s +b: breaker is open, retry after 10s
        "#]],
    );
}

#[test]
fn expired_probe_is_not_abandoned_twice() {
    check(
        &default(),
        "fail*5 @5s drop*4 +a @65s +b a:drop b:ok ok",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s drop: open, next call probes -> half-open (open time elapsed)
            5s +a: admitted
            65s +b: admitted
            65s ok: half-open -> closed (probes succeeded)
        "#]],
    );
}

#[test]
fn verdict_of_an_earlier_generation_changes_nothing() {
    check(
        &default(),
        "+a +b +c +d fail*5 a:ok b:fail @5s +p +q +r c:drop +s d:ok p:ok q:ok",
        expect![[r#"
                0s +a: admitted
                0s +b: admitted
                0s +c: admitted
                0s +d: admitted
                0s fail: closed -> open for 5s (consecutive failures)
                0s a:ok: late
                0s b:fail: late
                5s +p: admitted
                5s +p: open, next call probes -> half-open (open time elapsed)
                5s +q: admitted
                5s +r: breaker is half-open and full, retry after 60s
                5s +s: breaker is half-open and full, retry after 60s
                5s d:ok: late
                5s q:ok: half-open -> closed (probes succeeded)
        "#]],
    );
}

#[test]
fn straggling_probe_cannot_reopen() {
    check(
        &half_open(|h| h.permits = 3),
        "fail*5 @5s +a +b +c a:ok b:ok c:fail",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +a: admitted
                5s +a: open, next call probes -> half-open (open time elapsed)
                5s +b: admitted
                5s +c: admitted
                5s b:ok: half-open -> closed (probes succeeded)
                5s c:fail: late
        "#]],
    );
}

#[test]
fn probe_thresholds_decide_exactly() {
    for permits in 1..4 {
        for successes in 1..4 {
            for failures in 1..4 {
                let config = half_open(|h| *h = HalfOpenConfig { permits, successes, failures, ..h.clone() });
                let decided = |words: String| {
                    let mut run = Run::new(&config);
                    let script = format!("fail*5 @5s neutral {words}");
                    run.script(&script);
                    run.machine.state(at(5_000))
                };
                let (fewer, enough) = (successes - 1, successes);
                assert_eq!(decided(format!("ok*{enough}")), State::Closed);
                assert_eq!(decided(format!("ok*{fewer} fail*{}", failures - 1)), State::HalfOpen);
                let reopens_in = Duration::from_secs(10);
                assert_eq!(decided(format!("ok*{fewer} fail*{failures}")), State::Open { reopens_in });
            }
        }
    }
}
