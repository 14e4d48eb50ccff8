//! Behaviours of other libraries held here, by number: 65, 69, 76.

use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn waits_grow_up_to_the_cap_and_never_overflow() {
    let cases = [
        // base, factor, cap, waits before retries 0, 1, 2, 5, 6, 1_024 and the last there could be
        (250, 2.0, 8_000, [250, 500, 1_000, 8_000, 8_000, 8_000, 8_000]),
        (1_000, 1.5, 30_000, [1_000, 1_500, 2_250, 7_593, 11_390, 30_000, 30_000]),
        (300, 1.0, 8_000, [300; 7]),
        (9_000, 2.0, 8_000, [8_000; 7]),
        (0, 2.0, 8_000, [0; 7]),
        (250, 2.0, 0, [0; 7]),
    ];
    for (base, factor, cap, expected) in cases {
        let config = RetryConfig { factor, cap: MS(cap), jitter: Jitter::None, ..RetryConfig::default() };
        let waits = [0, 1, 2, 5, 6, 1_024, u32::MAX].map(|n| config.wait(MS(base), n, 0.5).as_millis());
        assert_eq!(waits, expected, "{base} ms, factor {factor}, cap {cap} ms");
    }
}

#[test]
fn jitter_spreads_what_the_cap_left() {
    for (jitter, unit, expected) in [
        (Jitter::Full, 0.0, 0),
        (Jitter::Full, 0.25, 2_000),
        (Jitter::Full, 1.0, 8_000),
        (Jitter::Equal, 0.0, 4_000),
        (Jitter::Equal, 0.5, 6_000),
        (Jitter::Equal, 1.0, 8_000),
        (Jitter::None, 0.9, 8_000),
    ] {
        let config = RetryConfig { jitter, ..RetryConfig::default() };
        assert_eq!(config.wait(config.base, 1_000_000, unit), MS(expected), "{jitter:?} of {unit}");
    }
}

proptest! {
    #[test]
    fn no_wait_is_above_the_cap(
        base in 0u64..3_600_000,
        cap in 0u64..3_600_000,
        factor in 1.0..=10.0,
        n in prop_oneof![0u32..20, any::<u32>()],
        unit in 0.0..1.0,
        jitter in prop::sample::select(vec![Jitter::Full, Jitter::Equal, Jitter::None]),
    ) {
        let config = RetryConfig { factor, cap: MS(cap), jitter, ..RetryConfig::default() };
        prop_assert!(config.wait(MS(base), n, unit) <= MS(cap));
    }
}
