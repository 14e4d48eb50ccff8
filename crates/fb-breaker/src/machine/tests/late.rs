//! Calls that fail after they were settled as a success.

use super::*;

#[test]
fn late_failure_is_counted_once() {
    let config = BreakerConfig { consecutive: None, ..default() };
    check(
        &config,
        "ok*5 +a +b +c +d +e a:commit b:commit c:commit d:commit e:commit a:cut b:cut c:cut d:cut e:cut",
        expect![[r#"
                0s +a: admitted
                0s +b: admitted
                0s +c: admitted
                0s +d: admitted
                0s +e: admitted
                0s e:cut: closed -> open for 5s (failure rate)
        "#]],
    );
    check(
        &config,
        "ok*5 +a a:commit fail*4 @59s a:cut",
        expect![[r#"
            0s +a: admitted
            59s a:cut: closed -> open for 5s (failure rate)
        "#]],
    );
    check(
        &config,
        "+a a:commit @60s ok*5 fail*4 a:cut",
        expect![[r#"
            0s +a: admitted
            60s a:cut: closed -> open for 5s (failure rate)
        "#]],
    );
}

#[test]
fn late_probe_failure_reopens_the_breaker() {
    check(
        &half_open(|h| h.successes = 1),
        "fail*5 @5s +a a:commit a:cut",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +a: admitted
                5s +a: open, next call probes -> half-open (open time elapsed)
                5s a:commit: half-open -> closed (probes succeeded)
                5s a:cut: closed -> open for 10s (consecutive failures)
        "#]],
    );
    check(
        &default(),
        "fail*5 @5s +a a:commit a:cut",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +a: admitted
                5s +a: open, next call probes -> half-open (open time elapsed)
                5s a:cut: half-open -> open for 10s (probes failed)
        "#]],
    );
    check(
        &default(),
        "fail*5 !a a:commit a:cut",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                0s !a: admitted
                0s a:commit: open for 5s -> half-open (bypass succeeded)
                0s a:cut: half-open -> open for 10s (probes failed)
        "#]],
    );
    let patient = half_open(|h| h.failures = 2);
    check(
        &patient,
        "fail*5 @5s +a a:commit a:cut ok ok",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +a: admitted
                5s +a: open, next call probes -> half-open (open time elapsed)
                5s ok: half-open -> closed (probes succeeded)
        "#]],
    );
}

#[test]
fn late_failure_of_an_earlier_generation_changes_nothing() {
    check(
        &default(),
        "+a a:commit fail*5 a:cut @5s +b b:commit ok b:cut ok fail*4",
        expect![[r#"
                0s +a: admitted
                0s fail: closed -> open for 5s (consecutive failures)
                0s a:cut: late
                5s +b: admitted
                5s +b: open, next call probes -> half-open (open time elapsed)
                5s ok: half-open -> closed (probes succeeded)
                5s b:cut: late
        "#]],
    );
    check(
        &default(),
        "+a fail*5 a:commit @5s ok ok fail*4 a:cut",
        expect![[r#"
                0s +a: admitted
                0s fail: closed -> open for 5s (consecutive failures)
                0s a:commit: late
                5s ok: open, next call probes -> half-open (open time elapsed)
                5s ok: half-open -> closed (probes succeeded)
                5s a:cut: late
        "#]],
    );
}

#[test]
fn only_the_end_of_a_call_ends_a_streak() {
    let committed_and_cut = "+a a:commit a:cut ".repeat(5);
    check(
        &default(),
        &committed_and_cut,
        expect![[r#"
            0s +a: admitted
            0s +a: admitted
            0s +a: admitted
            0s +a: admitted
            0s +a: admitted
            0s a:cut: closed -> open for 5s (consecutive failures)
        "#]],
    );
    check(
        &default(),
        "fail*3 +a a:commit +b b:commit a:end fail*2 b:cut",
        expect![[r#"
        0s +a: admitted
        0s +b: admitted
    "#]],
    );
    check(
        &default(),
        "fail*4 +a a:commit fail",
        expect![[r#"
        0s +a: admitted
        0s fail: closed -> open for 5s (consecutive failures)
    "#]],
    );
}

#[test]
fn recovery_by_calls_that_fail_late_is_none() {
    let probes = "fail*5 @5s +a +b a:commit b:commit ";
    check(
        &default(),
        &format!("{probes} b:cut"),
        expect![[r#"
        0s fail: closed -> open for 5s (consecutive failures)
        5s +a: admitted
        5s +a: open, next call probes -> half-open (open time elapsed)
        5s +b: admitted
        5s b:commit: half-open -> closed (probes succeeded)
        5s b:cut: closed -> open for 10s (consecutive failures)
    "#]],
    );
    check(
        &default(),
        &format!("{probes} b:end fail*4"),
        expect![[r#"
        0s fail: closed -> open for 5s (consecutive failures)
        5s +a: admitted
        5s +a: open, next call probes -> half-open (open time elapsed)
        5s +b: admitted
        5s b:commit: half-open -> closed (probes succeeded)
    "#]],
    );
    check(
        &default(),
        "fail*5 @5s +a +b a:commit a:end b:commit b:cut",
        expect![[r#"
        0s fail: closed -> open for 5s (consecutive failures)
        5s +a: admitted
        5s +a: open, next call probes -> half-open (open time elapsed)
        5s +b: admitted
        5s b:commit: half-open -> closed (probes succeeded)
    "#]],
    );
}
