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
        max_retries,
        ..RetryConfig::default()
    })
    .unwrap()
}

const fn tries(done: u32) -> Tries {
    Tries { done, last: Duration::ZERO, unit: 0.0 }
}

#[test]
fn a_policy_alone_retries_every_error() {
    assert_eq!(policy(100, 1).on_error("any", tries(0)), Decision::After(MS(100)));
    assert_eq!(policy(100, 1).on_error("any", tries(1)), Decision::Stop(Why::Exhausted));
}

#[test]
fn errors_mean_what_their_class_says() {
    let policy = policy(100, 2).when(|kind: &Kind| match kind {
        Kind::Throttled => Class::after(MS(1_500)),
        Kind::Slow => Class::of(Pace::AtOnce),
        Kind::Wrong => Class::of(Pace::Never),
    });
    assert_eq!(policy.on_error(&Kind::Throttled, tries(0)), Decision::After(MS(1_500)));
    assert_eq!(policy.on_error(&Kind::Slow, tries(0)), Decision::After(MS(0)));
    assert_eq!(policy.on_error(&Kind::Slow, tries(2)), Decision::Stop(Why::Exhausted));
    assert_eq!(policy.on_error(&Kind::Wrong, tries(0)), Decision::Stop(Why::Never));
}

#[test]
fn composed_policies_retry_what_any_would_and_wait_the_longest() {
    let throttled = policy(1_000, 4).when(|kind: &Kind| matches!(kind, Kind::Throttled));
    let slow = policy(200, 1).when(|kind: &Kind| matches!(kind, Kind::Throttled | Kind::Slow));
    let both = [
        throttled.clone().or(slow.clone()).on_error(&Kind::Throttled, tries(0)),
        slow.clone().or(throttled.clone()).on_error(&Kind::Throttled, tries(0)),
    ];
    assert_eq!(both, [Decision::After(MS(1_000)); 2], "both would");
    let either = throttled.or(&slow);
    for (kind, done, expected) in [
        (Kind::Throttled, 1, Decision::After(MS(2_000))),
        (Kind::Slow, 0, Decision::After(MS(200))),
        (Kind::Slow, 1, Decision::Stop(Why::Exhausted)),
        (Kind::Throttled, 4, Decision::Stop(Why::Exhausted)),
        (Kind::Wrong, 0, Decision::Stop(Why::Never)),
    ] {
        assert_eq!(either.on_error(&kind, tries(done)), expected);
    }
}
