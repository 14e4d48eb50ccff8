//! Guarantees of other breakers that no other test here covers.
//!
//! Behaviours 6, 16, 39, 42, 45 and 59: time alone makes no transition; the minimum number of calls applies to a closed breaker
//! only; throttled calls are reported as the failure rate; a success after an idle window starts a new one; a full cycle.

use super::*;

#[test]
fn time_alone_only_changes_how_the_state_reads() {
    let config = default();
    let mut run = Run::new(&config);
    run.script("fail*5");
    let states = [0, 4_999, 5_000, 86_400_000].map(|millis| run.machine.state(at(millis)));
    let [open, soon] = [5_000, 1].map(Duration::from_millis).map(|reopens_in| State::Open { reopens_in });
    assert_eq!(states, [open, soon, State::HalfOpen, State::HalfOpen]);
    assert_eq!(run.machine.take_event(), None);
    run.script("@5s +a");
    assert_eq!(run.machine.state(at(86_400_000)), State::HalfOpen);
}

#[test]
fn one_failed_probe_opens_regardless_of_min_calls() {
    check(
        &BreakerConfig { consecutive: None, ..default() },
        "fail*10 @5s fail",
        expect![[r#"
            0s fail: closed -> open for 5s (failure rate)
            5s fail: half-open -> open for 10s (probes failed)
        "#]],
    );
}

#[test]
fn throttling_opens_through_the_failure_rate() {
    check(
        &BreakerConfig { failure_rate: 0.25, ..default() },
        "throttled*10",
        expect![[r#"
            0s throttled: closed -> open for 5s (failure rate)
        "#]],
    );
    check(&BreakerConfig { failure_rate: 0.250_001, ..default() }, "throttled*10", expect![""]);
}

#[test]
fn success_after_an_idle_window_starts_a_new_one() {
    let config = BreakerConfig { consecutive: None, ..default() };
    check(
        &config,
        "fail*9 @60s ok fail*8 @61s fail",
        expect![[r#"
            61s fail: closed -> open for 5s (failure rate)
        "#]],
    );
}

#[test]
fn full_cycle() {
    check(
        &default(),
        "fail*5 @5s fail @14.999s +a @15s ok ok @16s fail*5 reset fail*5",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s fail: half-open -> open for 10s (probes failed)
            14.999s +a: breaker is open, retry after 1ms
            15s ok: open, next call probes -> half-open (open time elapsed)
            15s ok: half-open -> closed (probes succeeded)
            16s fail: closed -> open for 15s (consecutive failures)
            16s reset: open for 15s -> closed (reset)
            16s fail: closed -> open for 5s (consecutive failures)
        "#]],
    );
}
