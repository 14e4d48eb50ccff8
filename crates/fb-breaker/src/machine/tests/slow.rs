//! Slow calls, and the ramp after a recovery.
//!
//! Behaviours 4: slow calls alone open; 5: slow probes reopen.

use crate::config::{RampConfig, SlowConfig};

use super::*;

/// Limits of 2 s to the first output and 10 s for whole calls, at half of at least 4 calls.
fn impatient() -> BreakerConfig {
    let [first, total] = [2, 10].map(|secs| Some(Duration::from_secs(secs)));
    let slow = SlowConfig { first, total, rate: 0.5 };
    BreakerConfig { slow, min_calls: 4, ..default() }
}

#[test]
fn slow_successes_open() {
    check(
        &impatient(),
        "ok ok +a +b @9.999s a:ok @10s b:ok @20s +c +d @30s c:ok d:ok",
        expect![[r#"
            0s +a: admitted
            0s +b: admitted
            20s +c: admitted
            20s +d: admitted
            30s d:ok: closed -> open for 5s (slow calls)
        "#]],
    );
}

#[test]
fn stream_is_measured_to_its_first_output() {
    check(
        &impatient(),
        "+a +b +c +d @1.9s a:commit b:commit c:commit d:commit",
        expect![[r#"
        0s +a: admitted
        0s +b: admitted
        0s +c: admitted
        0s +d: admitted
    "#]],
    );
    check(
        &impatient(),
        "+a +b +c +d @2s a:commit b:commit c:commit d:commit",
        expect![[r#"
        0s +a: admitted
        0s +b: admitted
        0s +c: admitted
        0s +d: admitted
        2s d:commit: closed -> open for 5s (slow calls)
    "#]],
    );
}

#[test]
fn limits_that_are_not_set_rise_to_the_time_that_a_call_may_take() {
    let is_slow = |verdict, allowed, took: u64| {
        let pass = Pass::new(0, at(0)).allowing(Duration::from_secs(allowed));
        pass.is_slow(verdict, &SlowConfig::default(), at(took * 1_000))
    };
    assert_eq!([19, 20].map(|took| is_slow(Verdict::Provisional, 0, took)), [false, true]);
    assert_eq!([19, 20].map(|took| is_slow(Verdict::Provisional, 15, took)), [false, true]);
    assert_eq!([119, 120].map(|took| is_slow(Verdict::Provisional, 120, took)), [false, true]);
    assert_eq!([119, 120].map(|took| is_slow(Verdict::Success, 60, took)), [false, true]);
    assert_eq!([399, 400].map(|took| is_slow(Verdict::Success, 400, took)), [false, true]);
    let pass = Pass::new(0, at(0)).allowing(Duration::from_secs(120));
    assert!(pass.is_slow(Verdict::Provisional, &impatient().slow, at(2_000)), "a set limit does not rise");
}

#[test]
fn abandoned_call_counts_as_slow_only_after_the_limit() {
    check(
        &impatient(),
        "+a +b +c +d @9.9s a:drop b:drop c:drop d:drop",
        expect![[r#"
        0s +a: admitted
        0s +b: admitted
        0s +c: admitted
        0s +d: admitted
    "#]],
    );
    check(
        &impatient(),
        "+a +b +c +d @10s a:drop b:drop c:drop d:drop",
        expect![[r#"
        0s +a: admitted
        0s +b: admitted
        0s +c: admitted
        0s +d: admitted
        10s d:drop: closed -> open for 5s (slow calls)
    "#]],
    );
}

#[test]
fn slow_probe_does_not_close_and_as_many_as_would_reopen() {
    check(
        &impatient(),
        "fail*4 @5s +a @15s a:ok +b @16s b:ok +c @26s c:ok @36s +d @46s d:ok +e @47s e:ok +f @48s f:ok",
        expect![[r#"
            0s fail: closed -> open for 5s (failure rate)
            5s +a: admitted
            5s +a: open, next call probes -> half-open (open time elapsed)
            15s +b: admitted
            16s +c: admitted
            26s c:ok: half-open -> open for 10s (slow calls)
            36s +d: admitted
            36s +d: open, next call probes -> half-open (open time elapsed)
            46s +e: admitted
            47s +f: admitted
            48s f:ok: half-open -> closed (probes succeeded)
        "#]],
    );
}

#[test]
fn slow_probe_failing_late_revokes_no_success() {
    let lenient = BreakerConfig {
        half_open: HalfOpenConfig { failures: 2, ..HalfOpenConfig::default() },
        ..impatient()
    };
    check(
        &lenient,
        "fail*4 @5s +a +b a:ok @8s b:commit b:cut +c c:ok",
        expect![[r#"
        0s fail: closed -> open for 5s (failure rate)
        5s +a: admitted
        5s +a: open, next call probes -> half-open (open time elapsed)
        5s +b: admitted
        8s +c: admitted
        8s c:ok: half-open -> closed (probes succeeded)
    "#]],
    );
}

#[test]
fn share_ramps_up_after_an_outage_only() {
    let config = BreakerConfig { ramp: RampConfig { span: Duration::from_secs(30), from: 0.1 }, ..default() };
    let mut run = Run::new(&config);
    let share = |run: &Run<'_>, secs: u64| run.machine.share(&config, at(secs * 1_000));
    assert_eq!(share(&run, 0).to_string(), "1", "a new breaker is closed");
    run.script("fail*5");
    assert_eq!(share(&run, 1).to_string(), "0");
    run.script("@5s +a +b a:ok");
    assert_eq!(share(&run, 5).to_string(), "0", "probes are not traffic");
    run.script("@10s b:ok");
    let shares: Vec<String> =
        [10, 11, 13, 25, 39, 40, 99].iter().map(|at| share(&run, *at).to_string()).collect();
    assert_eq!(shares, ["0.1", "0.1", "0.1", "0.5", "0.9666666666666667", "1", "1"]);
    run.script("fail*5 reset");
    assert_eq!(share(&run, 10).to_string(), "1", "a reset skips the ramp");
}
