//! Behaviours of other libraries held here, by number: 65, 69, 76, 77, 80.

use proptest::prelude::*;

use super::*;
use crate::Jitter;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn policy(jitter: Jitter) -> RetryPolicy {
    RetryPolicy::new(RetryConfig { jitter, ..RetryConfig::default() }).unwrap()
}

#[track_caller]
fn check(pace: Pace, done: u32, hint: Option<u64>, unit: f64, expected: Decision) {
    let ask = Ask { pace, most: 5, done, last: Duration::ZERO, hint: hint.map(MS), unit };
    assert_eq!(policy(Jitter::Full).decide(ask), expected, "{ask:?}");
}

#[test]
fn decisions_follow_the_table() {
    use Decision::{After, Stop};
    check(Pace::Never, 0, None, 0.5, Stop(Why::Never));
    check(Pace::AtOnce, 4, None, 0.5, After(MS(0)));
    check(Pace::Never, 9, Some(9_000), 0.5, Stop(Why::Never));
    check(Pace::AtOnce, 0, Some(9_000), 0.5, After(MS(0)));
    check(Pace::AtOnce, 5, None, 0.5, Stop(Why::Exhausted));
    check(Pace::Backoff, 0, None, 0.5, After(MS(125)));
    check(Pace::Backoff, 3, None, 0.5, After(MS(1_000)));
    check(Pace::Backoff, 0, Some(900), 0.5, After(MS(900)));
    check(Pace::Backoff, 0, Some(2_001), 0.5, Stop(Why::HintTooLong));
    check(Pace::Backoff, 5, Some(2_001), 0.5, Stop(Why::Exhausted));
    check(Pace::Backoff, 3, Some(100), 0.5, After(MS(1_000)));
    check(Pace::Throttled, 0, Some(2_000), 0.5, After(MS(2_000)));
    check(Pace::Throttled, 0, Some(2_001), 0.5, Stop(Why::HintTooLong));
    check(Pace::Throttled, 0, None, 0.5, After(MS(500)));
    check(Pace::Throttled, 4, None, 1.0, After(MS(8_000)));
    check(Pace::Hinted, 0, Some(1_000), 0.5, After(MS(1_050)));
    check(Pace::Hinted, 0, Some(2_000), 0.0, After(MS(2_000)));
    check(Pace::Hinted, 0, Some(2_001), 0.0, Stop(Why::HintTooLong));
    check(Pace::Hinted, 0, None, 0.5, After(MS(500)));
    check(Pace::Backoff, 0, None, f64::NAN, After(MS(0)));
    check(Pace::Backoff, 0, None, 7.0, After(MS(250)));
}

#[test]
fn no_base_is_no_wait_however_often() {
    let config = RetryConfig { base: Duration::ZERO, jitter: Jitter::None, ..RetryConfig::default() };
    let policy = RetryPolicy::new(config).unwrap();
    for done in [0, 1, 1_023, 1_024, u32::MAX - 1] {
        let ask =
            Ask { pace: Pace::Backoff, most: u32::MAX, done, last: Duration::ZERO, hint: None, unit: 0.5 };
        assert_eq!(policy.decide(ask), Decision::After(Duration::ZERO), "after {done}");
    }
}

#[test]
fn presets_have_their_tries_waits_and_patience() {
    let (rate_limit, timeout) = (RetryPolicy::rate_limit(), RetryPolicy::timeout());
    for (policy, tries, waits) in
        [(&rate_limit, 5, [5_000, 10_000, 20_000, 40_000]), (&timeout, 3, [2_000, 3_000, 4_500, 6_750])]
    {
        assert_eq!(policy.config.validate(), Ok(()));
        assert_eq!(policy.max_retries() + 1, tries);
        let ask = Ask { pace: Pace::Backoff, most: 99, done: 0, last: Duration::ZERO, hint: None, unit: 1.0 };
        let told = [0, 1, 2, 3].map(|done| policy.decide(Ask { done, ..ask }));
        assert_eq!(told, waits.map(|wait| Decision::After(MS(wait))));
    }
    let ask = |hint| Ask {
        pace: Pace::Hinted,
        most: 4,
        done: 0,
        last: Duration::ZERO,
        hint: Some(Duration::from_secs(hint)),
        unit: 0.0,
    };
    assert_eq!(rate_limit.decide(ask(120)), Decision::After(Duration::from_secs(120)));
    assert_eq!(rate_limit.decide(ask(121)), Decision::Stop(Why::HintTooLong));
}

#[test]
fn the_config_is_checked() {
    let config = RetryConfig { factor: 0.5, ..RetryConfig::default() };
    assert_eq!(RetryPolicy::new(config).unwrap_err().field, "factor");
}

#[test]
fn reasons_read_well() {
    for (why, expected) in [
        (Why::Never, "not retryable"),
        (Why::Exhausted, "no retries left"),
        (Why::HintTooLong, "asked to wait too long"),
        (Why::Deadline, "the deadline is too near"),
        (Why::Budget, "the retry budget is empty"),
    ] {
        assert_eq!(why.to_string(), expected);
    }
}

proptest! {
    #[test]
    fn no_wait_is_above_the_cap_or_the_hint_with_a_tenth(
        done in any::<u32>(),
        unit in 0.0..1.0,
        hint in prop::option::of(0u64..5_000),
        pace in prop::sample::select(vec![Pace::Backoff, Pace::Throttled, Pace::Hinted]),
        jitter in prop::sample::select(vec![Jitter::Full, Jitter::Equal, Jitter::None]),
    ) {
        let ask = Ask { pace, most: u32::MAX, done, last: Duration::ZERO, hint: hint.map(MS), unit };
        if let Decision::After(wait) = policy(jitter).decide(ask) {
            prop_assert!(wait <= MS(8_000).max(MS(hint.unwrap_or(0)).mul_f64(1.1)));
            if let Some(hint) = hint {
                prop_assert!(wait >= MS(hint));
            }
        }
    }
}
