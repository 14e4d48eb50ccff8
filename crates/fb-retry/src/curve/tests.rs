//! Covered behaviours of other libraries, by number: 65, 69, 76.

use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn waits_grow_up_to_the_cap_without_overflow() {
    let cases = [
        // base, factor, cap, waits before retries 0, 1, 2, 5, 6, 1_024 and u32::MAX
        (250, 2.0, 8_000, [250, 500, 1_000, 8_000, 8_000, 8_000, 8_000]),
        (1_000, 1.5, 30_000, [1_000, 1_500, 2_250, 7_593, 11_390, 30_000, 30_000]),
        (300, 1.0, 8_000, [300; 7]),
        (9_000, 2.0, 8_000, [8_000; 7]),
        (0, 2.0, 8_000, [0; 7]),
        (250, 2.0, 0, [0; 7]),
    ];
    for (base, factor, cap, expected) in cases {
        let config = RetryConfig { factor, cap: MS(cap), jitter: Jitter::None, ..RetryConfig::default() };
        let waits = [0, 1, 2, 5, 6, 1_024, u32::MAX]
            .map(|n| config.wait(MS(base), n, Duration::ZERO, 0.5).as_millis());
        assert_eq!(waits, expected, "{base} ms, factor {factor}, cap {cap} ms");
    }
}

#[test]
fn jitter_applies_after_the_cap() {
    for (jitter, random, expected) in [
        (Jitter::Full, 0.0, 0),
        (Jitter::Full, 0.25, 2_000),
        (Jitter::Full, 1.0, 8_000),
        (Jitter::Equal, 0.0, 4_000),
        (Jitter::Equal, 0.5, 6_000),
        (Jitter::Equal, 1.0, 8_000),
        (Jitter::Additive, 0.0, 8_000),
        (Jitter::Additive, 1.0, 8_250),
        (Jitter::Proportional, 0.25, 6_000),
        (Jitter::Proportional, 0.75, 10_000),
        (Jitter::None, 0.9, 8_000),
    ] {
        let config = RetryConfig { jitter, ..RetryConfig::default() };
        assert_eq!(
            config.wait(config.base, 1_000_000, Duration::ZERO, random),
            MS(expected),
            "{jitter:?} of {random}"
        );
    }
}

#[test]
fn curves_and_jitters_follow_their_formulas() {
    // base 200 ms: waits before retries 0, 1, 2; the last wait was 500 ms
    let cases = [
        (Curve::Constant, Jitter::None, 0.0, [200, 200, 200]),
        (Curve::Linear, Jitter::None, 0.0, [200, 400, 600]),
        (Curve::Exponential, Jitter::None, 0.0, [200, 400, 800]),
        (Curve::Linear, Jitter::Full, 0.5, [100, 200, 300]),
        (Curve::Linear, Jitter::Equal, 0.5, [150, 300, 450]),
        (Curve::Linear, Jitter::Additive, 0.5, [300, 500, 700]),
        (Curve::Linear, Jitter::Proportional, 0.0, [100, 200, 300]),
        (Curve::Linear, Jitter::Proportional, 1.0, [300, 600, 900]),
        (Curve::Linear, Jitter::Decorrelated, 0.0, [200; 3]),
        (Curve::Linear, Jitter::Decorrelated, 0.5, [850; 3]),
        (Curve::Constant, Jitter::Decorrelated, 1.0, [1_500; 3]),
    ];
    for (curve, jitter, random, expected) in cases {
        let config = RetryConfig { curve, jitter, ..RetryConfig::default() };
        let waits = [0, 1, 2].map(|n| config.wait(MS(200), n, MS(500), random).as_millis());
        assert_eq!(waits, expected, "{curve:?}, {jitter:?} of {random}");
    }
    let first = RetryConfig { jitter: Jitter::Decorrelated, ..RetryConfig::default() };
    assert_eq!(first.wait(MS(200), 0, Duration::ZERO, 1.0), MS(600), "there was no previous wait");
}

const ALL: [Jitter; 6] =
    [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive, Jitter::Proportional, Jitter::None];

proptest! {
    #[test]
    fn cap_limits_the_wait_before_jitter(
        base in 0u64..3_600_000,
        cap in 0u64..3_600_000,
        factor in 1.0..=10.0,
        n in prop_oneof![0u32..20, any::<u32>()],
        random in 0.0..1.0,
        last in 0u64..8_000_000,
        curve in prop::sample::select(vec![Curve::Constant, Curve::Linear, Curve::Exponential]),
        jitter in prop::sample::select(ALL.to_vec()),
    ) {
        let config = RetryConfig { curve, factor, cap: MS(cap), jitter, ..RetryConfig::default() };
        let most = match jitter {
            Jitter::Additive => MS(cap) + MS(base.min(cap)),
            Jitter::Proportional => MS(cap).mul_f64(1.5),
            Jitter::Full | Jitter::Equal | Jitter::Decorrelated | Jitter::None => MS(cap),
        };
        prop_assert!(config.wait(MS(base), n, MS(last), random) <= most);
    }
}
