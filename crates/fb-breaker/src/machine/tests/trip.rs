//! The conditions that open a closed breaker.
//!
//! Behaviours 11: a reset without effect is no transition; 20: a streak outlives the window; 24 and 45: rates need a
//! minimum number of calls, also after a gap; 42: throttling is no streak; 44: the streak takes precedence over the rate.

use super::*;

#[test]
fn consecutive_failures_open() {
    check(
        &default(),
        "fail*5 +a @4.999s +a @5s +b ok",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            0s +a: breaker is open, retry after 5s
            4.999s +a: breaker is open, retry after 1ms
            5s +b: admitted
            5s +b: open, next call probes -> half-open (open time elapsed)
        "#]],
    );
}

#[test]
fn success_ends_the_streak() {
    check(&default(), "fail*4 ok*9 fail*4", expect![""]);
    check(
        &default(),
        "fail*4 ok*9 fail*5",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
    "#]],
    );
}

#[test]
fn failure_rate_requires_min_calls() {
    check(&default(), "ok fail*4 ok fail*3", expect![""]);
}

#[test]
fn streak_outlives_the_window() {
    check(
        &default(),
        "fail*4 @1000s fail",
        expect![[r#"
             1000s fail: closed -> open for 5s (consecutive failures)
        "#]],
    );
}

#[test]
fn throttling_neither_extends_nor_ends_a_streak() {
    check(&default(), "throttled*100", expect![""]);
    check(
        &default(),
        "fail*4 throttled fail",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
        "#]],
    );
    check(
        &default(),
        "throttled*7 fail ok fail*3 ok fail*2",
        expect![[r#"
            0s fail: closed -> open for 5s (failure rate)
    "#]],
    );
}

#[test]
fn streak_takes_precedence_over_rate() {
    check(
        &default(),
        "ok*5 fail*5",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
        "#]],
    );
}

#[test]
fn success_never_opens() {
    check(
        &default(),
        "fail*4 ok fail*4 ok ok fail",
        expect![[r#"
                0s fail: closed -> open for 5s (failure rate)
        "#]],
    );
}

#[test]
fn idle_window_requires_min_calls_again() {
    let config = BreakerConfig { consecutive: None, ..default() };
    check(
        &config,
        "ok*6 fail*5 @60s fail*9 @61s fail",
        expect![[r#"
               61s fail: closed -> open for 5s (failure rate)
        "#]],
    );
}

#[test]
fn counts_from_before_an_outage_are_cleared() {
    check(
        &default(),
        "ok*5 fail*5 @5s ok ok fail*4 ok fail*4",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s ok: open, next call probes -> half-open (open time elapsed)
                5s ok: half-open -> closed (probes succeeded)
        "#]],
    );
}

#[test]
fn reset_clears_counts_and_is_a_transition_only_if_not_closed() {
    check(
        &default(),
        "fail*4 reset fail*4 +a fail reset a:fail fail*5 reset",
        expect![[r#"
                0s +a: admitted
                0s fail: closed -> open for 5s (consecutive failures)
                0s reset: open for 5s -> closed (reset)
                0s a:fail: late
                0s fail: closed -> open for 5s (consecutive failures)
                0s reset: open for 5s -> closed (reset)
        "#]],
    );
}
