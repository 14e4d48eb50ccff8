//! Covered behaviours of other libraries, by number: 65, 69, 76, 77, 80.

use proptest::prelude::*;

use super::*;
use crate::Jitter;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn policy(jitter: Jitter) -> RetryPolicy {
    RetryPolicy::new(RetryConfig { jitter, ..RetryConfig::default() }).unwrap()
}

#[track_caller]
fn check(pace: Pace, retries: u32, retry_after: Option<u64>, random: f64, expected: Decision) {
    let context = RetryContext {
        pace,
        max_retries: 5,
        retries,
        last_wait: Duration::ZERO,
        retry_after: retry_after.map(MS),
        random,
    };
    assert_eq!(policy(Jitter::Full).decide(context), expected, "{context:?}");
}

#[test]
fn decision_table() {
    use Decision::{After, Stop};
    check(Pace::Never, 0, None, 0.5, Stop(StopReason::Never));
    check(Pace::Immediate, 4, None, 0.5, After(MS(0)));
    check(Pace::Never, 9, Some(9_000), 0.5, Stop(StopReason::Never));
    check(Pace::Immediate, 0, Some(9_000), 0.5, After(MS(0)));
    check(Pace::Immediate, 5, None, 0.5, Stop(StopReason::Exhausted));
    check(Pace::Backoff, 0, None, 0.5, After(MS(125)));
    check(Pace::Backoff, 3, None, 0.5, After(MS(1_000)));
    check(Pace::Backoff, 0, Some(900), 0.5, After(MS(900)));
    check(Pace::Backoff, 0, Some(60_001), 0.5, Stop(StopReason::RetryAfterTooLong));
    check(Pace::Backoff, 5, Some(60_001), 0.5, Stop(StopReason::Exhausted));
    check(Pace::Backoff, 3, Some(100), 0.5, After(MS(1_000)));
    check(Pace::Throttled, 0, Some(2_000), 0.5, After(MS(2_000)));
    check(Pace::Throttled, 0, Some(60_001), 0.5, Stop(StopReason::RetryAfterTooLong));
    check(Pace::Throttled, 0, None, 0.5, After(MS(500)));
    check(Pace::Throttled, 4, None, 1.0, After(MS(8_000)));
    check(Pace::RetryAfter, 0, Some(1_000), 0.5, After(MS(1_050)));
    check(Pace::RetryAfter, 0, Some(60_000), 0.0, After(MS(60_000)));
    check(Pace::RetryAfter, 0, Some(60_001), 0.0, Stop(StopReason::RetryAfterTooLong));
    check(Pace::RetryAfter, 0, None, 0.5, After(MS(500)));
    check(Pace::Timeout, 0, None, 0.5, Stop(StopReason::Never));
    check(Pace::Backoff, 0, None, f64::NAN, After(MS(0)));
    check(Pace::Backoff, 0, None, 7.0, After(MS(250)));
}

#[test]
fn timeouts_are_retried_if_the_config_says_so() {
    let config = RetryConfig { timeouts: true, jitter: Jitter::None, ..RetryConfig::default() };
    let context = RetryContext {
        pace: Pace::Timeout,
        max_retries: 1,
        retries: 0,
        last_wait: Duration::ZERO,
        retry_after: None,
        random: 0.5,
    };
    let policy = RetryPolicy::new(config).unwrap();
    assert_eq!(policy.decide(context), Decision::After(MS(250)));
    assert_eq!(policy.decide(RetryContext { retries: 1, ..context }), Decision::Stop(StopReason::Exhausted));
}

#[test]
fn zero_base_never_waits() {
    let config = RetryConfig { base: Duration::ZERO, jitter: Jitter::None, ..RetryConfig::default() };
    let policy = RetryPolicy::new(config).unwrap();
    for retries in [0, 1, 1_023, 1_024, u32::MAX - 1] {
        let context = RetryContext {
            pace: Pace::Backoff,
            max_retries: u32::MAX,
            retries,
            last_wait: Duration::ZERO,
            retry_after: None,
            random: 0.5,
        };
        assert_eq!(policy.decide(context), Decision::After(Duration::ZERO), "after {retries}");
    }
}

/// The jitter is applied after the cap: the lowest, middle and highest wait before each retry.
#[test]
fn presets_wait_as_common_advice_says() {
    #[track_caller]
    fn check(policy: &RetryPolicy, retries: u32, waits: &[[u64; 3]]) {
        assert_eq!(policy.max_retries(), retries);
        for (retries, waits) in (0..).zip(waits) {
            let at = |random| RetryContext {
                pace: Pace::Backoff,
                max_retries: 99,
                retries,
                last_wait: Duration::ZERO,
                retry_after: None,
                random,
            };
            let decisions = [0.0, 0.5, 1.0].map(|random| policy.decide(at(random)));
            assert_eq!(decisions, waits.map(|wait| Decision::After(MS(wait))), "retry {retries}");
        }
    }
    check(
        &RetryPolicy::classic(),
        3,
        &[
            [500, 1_000, 1_500],
            [1_000, 2_000, 3_000],
            [2_000, 4_000, 6_000],
            [4_000, 8_000, 12_000],
            [8_000, 16_000, 24_000],
            [16_000, 32_000, 48_000],
            [30_000, 60_000, 90_000],
        ],
    );
    check(&RetryPolicy::backoff(), 3, &[[1_000, 1_500, 2_000], [2_000, 2_500, 3_000], [4_000, 4_500, 5_000]]);
    check(
        &RetryPolicy::rate_limit(),
        5,
        &[
            [2_500, 5_000, 7_500],
            [5_000, 10_000, 15_000],
            [10_000, 20_000, 30_000],
            [20_000, 40_000, 60_000],
            [40_000, 80_000, 120_000],
            [60_000, 120_000, 180_000],
        ],
    );
    check(&RetryPolicy::timeout(), 3, &[[1_000, 2_000, 3_000], [1_500, 3_000, 4_500], [2_250, 4_500, 6_750]]);
}

#[test]
fn preset_for_rate_limits_waits_as_long_as_the_server_demands() {
    let context = |seconds| RetryContext {
        pace: Pace::RetryAfter,
        max_retries: 5,
        retries: 0,
        last_wait: Duration::ZERO,
        retry_after: Some(Duration::from_secs(seconds)),
        random: 0.0,
    };
    let policy = RetryPolicy::rate_limit();
    assert_eq!(policy.decide(context(120)), Decision::After(Duration::from_secs(120)));
    assert_eq!(policy.decide(context(121)), Decision::Stop(StopReason::RetryAfterTooLong));
}

#[test]
fn config_is_validated() {
    let config = RetryConfig { factor: 0.5, ..RetryConfig::default() };
    assert_eq!(RetryPolicy::new(config).unwrap_err().field, "factor");
}

#[test]
fn stop_reasons_display() {
    for (reason, expected) in [
        (StopReason::Never, "not retryable"),
        (StopReason::Exhausted, "no retries left"),
        (StopReason::RetryAfterTooLong, "the retry-after is too long"),
        (StopReason::Deadline, "the deadline is too near"),
        (StopReason::Budget, "the retry budget is empty"),
    ] {
        assert_eq!(reason.to_string(), expected);
    }
}

proptest! {
    #[test]
    fn wait_never_exceeds_the_cap_or_retry_after_plus_a_tenth(
        retries in any::<u32>(),
        random in 0.0..1.0,
        retry_after in prop::option::of(0u64..5_000),
        pace in prop::sample::select(vec![Pace::Backoff, Pace::Throttled, Pace::RetryAfter]),
        jitter in prop::sample::select(vec![Jitter::Full, Jitter::Equal, Jitter::None]),
    ) {
        let context = RetryContext {
            pace,
            max_retries: u32::MAX,
            retries,
            last_wait: Duration::ZERO,
            retry_after: retry_after.map(MS),
            random,
        };
        if let Decision::After(wait) = policy(jitter).decide(context) {
            prop_assert!(wait <= MS(8_000).max(MS(retry_after.unwrap_or(0)).mul_f64(1.1)));
            if let Some(least) = retry_after {
                prop_assert!(wait >= MS(least));
            }
        }
    }
}
