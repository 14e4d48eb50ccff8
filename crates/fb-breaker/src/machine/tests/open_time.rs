//! The open time.
//!
//! Behaviours 25 and 27: every failed probe lengthens the open time; 26 and 53: up to a maximum; 32: rejections report the
//! remaining time; 37: one recovery does not reset the escalation; 52: the longer of two times applies.

use super::*;

#[test]
fn failed_probes_lengthen_the_open_time_up_to_the_maximum() {
    check(
        &opened(|open| open.max = Duration::from_secs(20)),
        "fail*5 @5s fail @15s fail @35s fail @55s fail",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s fail: half-open -> open for 10s (probes failed)
            15s fail: half-open -> open for 20s (probes failed)
            35s fail: half-open -> open for 20s (probes failed)
            55s fail: half-open -> open for 20s (probes failed)
        "#]],
    );
}

#[test]
fn escalation_decreases_per_healthy_window() {
    check(
        &default(),
        "fail*5 @5s fail @15s ok ok fail*5",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s fail: half-open -> open for 10s (probes failed)
            15s ok: open, next call probes -> half-open (open time elapsed)
            15s ok: half-open -> closed (probes succeeded)
            15s fail: closed -> open for 15s (consecutive failures)
        "#]],
    );
    check(
        &default(),
        "fail*5 @5s fail @15s ok ok @74.999s fail*5",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s fail: half-open -> open for 10s (probes failed)
            15s ok: open, next call probes -> half-open (open time elapsed)
            15s ok: half-open -> closed (probes succeeded)
            74.999s fail: closed -> open for 15s (consecutive failures)
        "#]],
    );
    check(
        &default(),
        "fail*5 @5s fail @15s ok ok @75s fail*5",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s fail: half-open -> open for 10s (probes failed)
            15s ok: open, next call probes -> half-open (open time elapsed)
            15s ok: half-open -> closed (probes succeeded)
            75s fail: closed -> open for 10s (consecutive failures)
        "#]],
    );
    check(
        &default(),
        "fail*5 @5s fail @15s ok ok @10000s fail*5",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            5s fail: half-open -> open for 10s (probes failed)
            15s ok: open, next call probes -> half-open (open time elapsed)
            15s ok: half-open -> closed (probes succeeded)
            10000s fail: closed -> open for 5s (consecutive failures)
        "#]],
    );
}

#[test]
fn retry_after_lengthens_but_never_shortens_the_open_time() {
    check(
        &default(),
        "fail*4 hinted +a @400s hinted",
        expect![[r#"
            0s hinted: closed -> open for 400s (consecutive failures)
            0s +a: breaker is open, retry after 400s
            400s hinted: half-open -> open for 400s (probes failed)
        "#]],
    );
    check(
        &opened(|open| (open.base, open.max) = (DAY, DAY)),
        "fail*4 hinted",
        expect![[r#"
                0s hinted: closed -> open for 86400s (consecutive failures)
        "#]],
    );
    check(
        &default(),
        "hinted fail*4",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
        "#]],
    );
}

#[test]
fn unbounded_open_time_lasts_a_century() {
    check(
        &opened(|open| open.max = Duration::MAX),
        "fail*4 endless +a",
        expect![[r#"
                0s endless: closed -> open for 3153600000s (consecutive failures)
                0s +a: breaker is open, retry after 3153600000s
        "#]],
    );
}

#[test]
fn clock_stepping_back_lengthens_the_open_time() {
    check(
        &default(),
        "@100s fail*5 @90s +a @105s +b @50s +c +d b:ok c:ok @0s fail*5",
        expect![[r#"
            100s fail: closed -> open for 5s (consecutive failures)
            90s +a: breaker is open, retry after 15s
            105s +b: admitted
            105s +b: open, next call probes -> half-open (open time elapsed)
            50s +c: admitted
            50s +d: breaker is half-open and full, retry after 60s
            50s c:ok: half-open -> closed (probes succeeded)
            0s fail: closed -> open for 10s (consecutive failures)
        "#]],
    );
}
