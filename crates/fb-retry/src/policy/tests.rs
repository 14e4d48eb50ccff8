//! Behaviours of other libraries held here, by number: 63, 65, 69, 76, 77, 80.

use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn policy(jitter: Jitter) -> RetryPolicy {
    RetryPolicy::new(RetryConfig { jitter, ..RetryConfig::default() }).unwrap()
}

#[track_caller]
fn check(pace: Pace, done: u32, hint: Option<u64>, unit: f64, expected: Decision) {
    let ask = Ask { pace, most: 5, done, hint: hint.map(MS), unit };
    assert_eq!(policy(Jitter::Full).decide(ask), expected, "{ask:?}");
}

#[test]
fn decisions_follow_the_table() {
    use Decision::{After, Stop};
    check(Pace::Never, 0, None, 0.5, Stop(Why::Never));
    check(Pace::AtOnce, 4, None, 0.5, After(MS(0)));
    check(Pace::AtOnce, 5, None, 0.5, Stop(Why::Exhausted));
    check(Pace::Backoff, 0, None, 0.5, After(MS(125)));
    check(Pace::Backoff, 3, None, 0.5, After(MS(1_000)));
    check(Pace::Backoff, 0, Some(900), 0.5, After(MS(900)));
    check(Pace::Backoff, 0, Some(2_001), 0.5, Stop(Why::HintTooLong));
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
fn jitter_spreads_below_the_cap() {
    let at = |jitter, unit| {
        let ask = Ask { pace: Pace::Backoff, most: u32::MAX, done: 1_000_000, hint: None, unit };
        policy(jitter).decide(ask)
    };
    assert_eq!(at(Jitter::None, 0.9), Decision::After(MS(8_000)));
    assert_eq!(at(Jitter::Equal, 0.0), Decision::After(MS(4_000)));
    assert_eq!(at(Jitter::Equal, 1.0), Decision::After(MS(8_000)));
    assert_eq!(at(Jitter::Full, 0.25), Decision::After(MS(2_000)));
}

#[test]
fn settings_no_policy_could_work_with_are_refused() {
    let error = |config: RetryConfig| RetryPolicy::new(config).unwrap_err().to_string();
    let with = RetryConfig::default;
    let expected = "invalid retry config: `factor` is 0.5, expected 1 to 10";
    assert_eq!(error(RetryConfig { factor: 0.5, ..with() }), expected);
    assert!(error(RetryConfig { factor: f64::NAN, ..with() }).contains("`factor`"));
    assert!(error(RetryConfig { cap: Duration::MAX, ..with() }).contains("`cap`"));
    assert!(error(RetryConfig { max_retries: 101, ..with() }).contains("`max_retries`"));
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
        let ask = Ask { pace, most: u32::MAX, done, hint: hint.map(MS), unit };
        if let Decision::After(wait) = policy(jitter).decide(ask) {
            prop_assert!(wait <= MS(8_000).max(MS(hint.unwrap_or(0)).mul_f64(1.1)));
            if let Some(hint) = hint {
                prop_assert!(wait >= MS(hint));
            }
        }
    }
}
