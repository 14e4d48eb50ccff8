use super::*;
use crate::{Jitter, RetryConfig};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[derive(Clone, Copy)]
enum Kind {
    Throttled,
    Slow,
    Wrong,
}

fn policy(base: u64, max_retries: u32) -> RetryPolicy {
    RetryPolicy::new(RetryConfig {
        base: MS(base),
        jitter: Jitter::None,
        max_retries: Some(max_retries),
        ..RetryConfig::default()
    })
    .unwrap()
}

const fn progress(retries: u32) -> Progress {
    Progress { retries, last_wait: Duration::ZERO, random: 0.0 }
}

#[test]
fn policy_without_classifier_retries_every_error() {
    assert_eq!(policy(100, 1).on_error("any", progress(0)), Decision::After(MS(100)));
    assert_eq!(policy(100, 1).on_error("any", progress(1)), Decision::Stop(StopReason::Exhausted));
}

#[test]
fn classifier_selects_the_pace() {
    let policy = policy(100, 2).when(|kind: &Kind| match kind {
        Kind::Throttled => Class::after(MS(1_500)),
        Kind::Slow => Class::new(Pace::Immediate),
        Kind::Wrong => Class::new(Pace::Never),
    });
    assert_eq!(policy.on_error(&Kind::Throttled, progress(0)), Decision::After(MS(1_500)));
    assert_eq!(policy.on_error(&Kind::Slow, progress(0)), Decision::After(MS(0)));
    assert_eq!(policy.on_error(&Kind::Slow, progress(2)), Decision::Stop(StopReason::Exhausted));
    assert_eq!(policy.on_error(&Kind::Wrong, progress(0)), Decision::Stop(StopReason::Never));
}

#[test]
fn combined_policies_retry_if_either_does_after_the_longer_wait() {
    let throttled = policy(1_000, 4).when(|kind: &Kind| matches!(kind, Kind::Throttled));
    let slow = policy(200, 1).when(|kind: &Kind| matches!(kind, Kind::Throttled | Kind::Slow));
    let both = [
        throttled.clone().or(slow.clone()).on_error(&Kind::Throttled, progress(0)),
        slow.clone().or(throttled.clone()).on_error(&Kind::Throttled, progress(0)),
    ];
    assert_eq!(both, [Decision::After(MS(1_000)); 2], "both retry");
    let either = throttled.or(&slow);
    for (kind, retries, expected) in [
        (Kind::Throttled, 1, Decision::After(MS(2_000))),
        (Kind::Slow, 0, Decision::After(MS(200))),
        (Kind::Slow, 1, Decision::Stop(StopReason::Exhausted)),
        (Kind::Throttled, 4, Decision::Stop(StopReason::Exhausted)),
        (Kind::Wrong, 0, Decision::Stop(StopReason::Never)),
    ] {
        assert_eq!(either.on_error(&kind, progress(retries)), expected);
    }
}

#[test]
fn longest_wait_is_that_of_all_policies() {
    let throttled = policy(1_000, 4).when(|kind: &Kind| matches!(kind, Kind::Throttled));
    let slow = policy(200, 1).when(|kind: &Kind| matches!(kind, Kind::Throttled | Kind::Slow));
    let all = slow.clone().or_longest(throttled);
    for (kind, retries, expected) in [
        (Kind::Throttled, 1, Decision::After(MS(2_000))),
        (Kind::Slow, 0, Decision::After(MS(1_000))),
        (Kind::Slow, 1, Decision::Stop(StopReason::Exhausted)),
        (Kind::Wrong, 0, Decision::Stop(StopReason::Never)),
    ] {
        assert_eq!(all.on_error(&kind, progress(retries)), expected);
    }
    let patient = policy(3_000, 1).when(|_: &Kind| false);
    assert_eq!(all.or_longest(&patient).on_error(&Kind::Slow, progress(0)), Decision::After(MS(3_000)));
    let mixed = slow.clone().or(patient).or_longest(slow);
    assert_eq!(mixed.on_error(&Kind::Slow, progress(0)), Decision::After(MS(3_000)), "nested");
}
