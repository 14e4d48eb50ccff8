//! Bypasses of a breaker that admits no ordinary call.

use super::*;

#[test]
fn open_breaker_admits_one_bypass_at_a_time() {
    check(
        &default(),
        "fail*5 !a !b @1s a:fail !b b:throttled !c c:drop !d d:neutral +e",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                0s !a: admitted
                0s !b: breaker is bypassed already, retry after 5s
                1s !b: admitted
                1s !c: admitted
                1s !d: admitted
                1s +e: breaker is open, retry after 4s
        "#]],
    );
    check(
        &default(),
        "fail*5 !a @5s +p +q !b @60s !c",
        expect![[r#"
            0s fail: closed -> open for 5s (consecutive failures)
            0s !a: admitted
            5s +p: admitted
            5s +p: open, next call probes -> half-open (open time elapsed)
            5s +q: admitted
            5s !b: breaker is bypassed already, retry after 55s
            60s !c: admitted
        "#]],
    );
}

#[test]
fn successful_bypass_counts_as_first_probe() {
    check(
        &default(),
        "fail*5 !a a:ok +p p:ok",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                0s !a: admitted
                0s a:ok: open for 5s -> half-open (bypass succeeded)
                0s +p: admitted
                0s p:ok: half-open -> closed (probes succeeded)
        "#]],
    );
    check(
        &default(),
        "fail*5 !a a:ok +p p:fail",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                0s !a: admitted
                0s a:ok: open for 5s -> half-open (bypass succeeded)
                0s +p: admitted
                0s p:fail: half-open -> open for 10s (probes failed)
        "#]],
    );
    check(
        &half_open(|h| h.successes = 1),
        "fail*5 !a a:ok",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                0s !a: admitted
                0s a:ok: open for 5s -> closed (bypass succeeded)
        "#]],
    );
}

#[test]
fn bypass_of_a_full_half_open_breaker_counts_as_a_probe() {
    check(
        &default(),
        "fail*5 @5s +p +q !a a:ok !b b:ok",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +p: admitted
                5s +p: open, next call probes -> half-open (open time elapsed)
                5s +q: admitted
                5s !a: admitted
                5s !b: admitted
                5s b:ok: half-open -> closed (probes succeeded)
        "#]],
    );
    check(
        &default(),
        "fail*5 @5s +p +q !a a:fail p:ok",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +p: admitted
                5s +p: open, next call probes -> half-open (open time elapsed)
                5s +q: admitted
                5s !a: admitted
                5s a:fail: half-open -> open for 10s (probes failed)
                5s p:ok: late
        "#]],
    );
    check(
        &default(),
        "fail*5 @5s +p +q !a a:drop !b b:drop !c c:drop !d d:drop p:ok q:ok",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                5s +p: admitted
                5s +p: open, next call probes -> half-open (open time elapsed)
                5s +q: admitted
                5s !a: admitted
                5s !b: admitted
                5s !c: admitted
                5s !d: admitted
                5s q:ok: half-open -> closed (probes succeeded)
        "#]],
    );
}

#[test]
fn bypass_is_an_ordinary_call_where_one_is_admitted() {
    check(
        &default(),
        "!a !b a:ok b:ok fail*5 @5s !a !b !c !d a:ok b:ok",
        expect![[r#"
                0s !a: admitted
                0s !b: admitted
                0s fail: closed -> open for 5s (consecutive failures)
                5s !a: admitted
                5s !a: open, next call probes -> half-open (open time elapsed)
                5s !b: admitted
                5s !c: admitted
                5s !d: breaker is bypassed already, retry after 60s
                5s b:ok: half-open -> closed (probes succeeded)
        "#]],
    );
}

#[test]
fn bypass_of_an_earlier_generation_changes_nothing() {
    check(
        &default(),
        "fail*5 !a @5s +p a:ok p:fail",
        expect![[r#"
                0s fail: closed -> open for 5s (consecutive failures)
                0s !a: admitted
                5s +p: admitted
                5s +p: open, next call probes -> half-open (open time elapsed)
                5s a:ok: late
                5s p:fail: half-open -> open for 10s (probes failed)
        "#]],
    );
}
