//! Behaviours 20 and 47: the window has the configured length for any number of buckets; 24 and 45: rates need a minimum
//! number of calls, also after a gap; 46: a gap of any length; 57: rates at the threshold; 58: constant memory.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::virtual_time::at;

use super::*;

fn window(span_ms: u64, buckets: u32) -> Window {
    Window::new(&WindowConfig { span: Duration::from_millis(span_ms), buckets, calls: None }, at(0))
}

/// Records calls at these milliseconds and returns the number of calls in the window at the last of them.
fn held(span_ms: u64, buckets: u32, calls_at: &[u64]) -> u64 {
    let mut window = window(span_ms, buckets);
    for ms in calls_at {
        window.record(100, false, at(*ms));
    }
    assert_eq!(window.total.failed_hundredths, 100 * window.total.calls);
    window.total.calls
}

#[test]
fn call_stays_for_the_span_less_at_most_one_bucket() {
    assert_eq!(held(60_000, 12, &[0, 59_999]), 2);
    assert_eq!(held(60_000, 12, &[0, 60_000]), 1);
    assert_eq!(held(60_000, 12, &[4_999, 59_999]), 2);
    assert_eq!(held(60_000, 12, &[4_999, 60_000]), 1, "55.001 s old, its bucket began 60 s ago");
    assert_eq!(held(60_000, 1, &[0, 59_999]), 2);
    assert_eq!(held(60_000, 1, &[59_999, 60_000]), 1);
}

#[test]
fn uneven_span_is_exact() {
    assert_eq!(held(100, 60, &[0, 99]), 2);
    assert_eq!(held(100, 60, &[0, 100]), 1);
    assert_eq!(held(1, 7, &[0, 1]), 1);
}

#[test]
fn idle_gap_clears_the_window() {
    for gap in [60_000, 61_234, u64::from(u32::MAX) * 5_000, u64::MAX / 1_000] {
        assert_eq!(held(60_000, 12, &[0, 7_000, 59_000, 59_000 + gap]), 1, "{gap}");
    }
}

#[test]
fn clock_stepping_back_uses_the_newest_bucket() {
    assert_eq!(held(60_000, 12, &[30_000, 0, 89_999]), 3);
    assert_eq!(held(60_000, 12, &[30_000, 0, 90_000]), 1);
}

#[test]
fn rates_around_the_threshold() {
    #[track_caller]
    fn check(failure_rate: f64, calls: u32, failed: u32, failing: bool) {
        let config = BreakerConfig { failure_rate, ..BreakerConfig::default() };
        let mut window = window(60_000, 12);
        for call in 0..calls {
            window.record(if call < failed { 100 } else { 0 }, false, at(0));
        }
        assert_eq!(window.is_failing(&config), failing, "{failed} of {calls}");
    }
    check(0.5, 10, 5, true);
    check(0.5, 10, 4, false);
    check(0.5, 9, 9, false);
    check(0.1, 10, 1, true);
    check(0.3, 10, 3, true);
    check(0.7, 10, 7, true);
    check(0.7, 1_000, 699, false);
    check(1.0, 10, 10, true);
    check(1.0, 10, 9, false);
    check(1e-9, 10, 0, false);
}

#[test]
fn fractional_failures_sum_exactly() {
    let config = BreakerConfig::default();
    let mut window = window(60_000, 12);
    for _ in 0..5 {
        window.record(33, false, at(0));
        window.record(66, false, at(0));
    }
    assert!(!window.is_failing(&config), "495 hundredths of 10 calls");
    let success = window.record(0, false, at(0));
    window.revoke_success(success, at(0));
    window.record(60, false, at(0));
    assert!(window.is_failing(&config), "555 hundredths of 11 calls");
}

#[test]
fn success_is_revoked_only_while_in_the_window() {
    let mut window = window(60_000, 12);
    let early = window.record(0, false, at(0));
    let later = window.record(0, false, at(30_000));
    window.revoke_success(early, at(59_999));
    assert_eq!(window.total.calls, 1);
    window.revoke_success(early, at(60_000));
    assert_eq!(window.total.calls, 1);
    window.revoke_success(later, at(60_000));
    assert_eq!(window.total.calls, 0);
}

/// Returns a window of the last three calls.
fn three() -> (Window, BreakerConfig) {
    let window = WindowConfig { calls: Some(3), ..WindowConfig::default() };
    let config = BreakerConfig { window, failure_rate: 0.6, ..BreakerConfig::default() };
    (Window::new(&config.window, at(0)), config)
}

#[test]
fn call_window_holds_the_last_calls_of_any_age() {
    let (mut window, config) = three();
    let mut failing = Vec::new();
    // `min_calls` is ten, but the window holds at most three calls.
    for (day, failed) in [100, 0, 100, 0, 0, 100, 100].into_iter().enumerate() {
        window.record(failed, false, at(day as u64 * 86_400_000));
        failing.push((window.counts(), window.is_failing(&config)));
    }
    let calls: Vec<u64> = failing.iter().map(|((calls, _), _)| *calls).collect();
    assert_eq!(calls, [1, 2, 3, 3, 3, 3, 3]);
    let failing: Vec<bool> = failing.iter().map(|(_, failing)| *failing).collect();
    assert_eq!(failing, [false, false, true, false, false, false, true]);
}

#[test]
fn call_window_revokes_the_given_call_only() {
    let (mut window, _) = three();
    let first = window.record(0, false, at(0));
    window.record(100, false, at(0));
    window.revoke_success(first, at(0));
    assert_eq!(window.counts(), (1, 100));
    window.record(100, false, at(0));
    window.record(100, false, at(0));
    window.revoke_success(first, at(0));
    assert_eq!(window.counts(), (3, 300), "no longer in the window");
}

proptest! {
    /// Compares with the definition: keep every call and count those in one of the newest buckets.
    #[test]
    fn totals_equal_a_full_count(
        span in 1_u64..500,
        buckets in 1_u32..40,
        calls in vec((0_u64..120, any::<u8>()), 1..200),
    ) {
        let mut ring = window(span, buckets);
        let (mut now, mut all) = (0, Vec::new());
        for (gap, failed) in calls {
            now += gap;
            ring.record(failed, false, at(now));
            let tick = now * u64::from(buckets) / span;
            all.push((tick, u64::from(failed)));
            let held = || all.iter().filter(|(at, _)| at + u64::from(buckets) > tick);
            let expected =
                Counts { calls: held().count() as u64, failed_hundredths: held().map(|(_, f)| f).sum(), slow: 0 };
            prop_assert_eq!(ring.total, expected);
            prop_assert_eq!(ring.buckets.len(), buckets as usize);
        }
    }
}
