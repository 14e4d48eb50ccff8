use proptest::prelude::*;

use super::*;

const RATES: Rates = Rates {
    input: 3_000_000_000,
    cached_input: 300_000_000,
    cache_write: 3_750_000_000,
    output: 15_000_000_000,
};

#[test]
fn each_kind_of_token_has_its_rate() {
    let usage = Usage { input: 1_000, output: 100, cached: 600, cache_written: 300, reasoning: 50 };
    let nanos = 100 * 3_000 + 600 * 300 + 300 * 3_750 + 100 * 15_000;
    assert_eq!(TokenPrices::flat(RATES).cost(usage), Money::from_nanos(nanos));
}

#[test]
fn cached_tokens_are_capped_at_the_input() {
    let usage = Usage { input: 10, cached: 20, cache_written: 20, ..Usage::default() };
    assert_eq!(TokenPrices::flat(RATES).cost(usage), Money::from_nanos(10 * 300));
}

#[test]
fn sum_is_rounded_once_and_half_up() {
    let tiny = TokenPrices::flat(Rates { input: 250_000, output: 250_000, ..Rates::default() });
    let cost = |input, output| tiny.cost(Usage { input, output, ..Usage::default() }).nanos();
    assert_eq!([cost(1, 0), cost(1, 1), cost(3, 2), cost(3, 3)], [0, 1, 1, 2]);
}

#[test]
fn long_prompt_changes_the_rates_of_all_tokens() {
    let long = Rates { input: 6_000_000_000, output: 20_000_000_000, ..RATES };
    let prices = TokenPrices::flat(RATES).with_step(200_000, long);
    let cost = |input| prices.cost(Usage { input, output: 10, ..Usage::default() });
    assert_eq!(cost(200_000), Money::from_nanos(200_000 * 3_000 + 10 * 15_000));
    assert_eq!(cost(200_001), Money::from_nanos(200_001 * 6_000 + 10 * 20_000));
}

#[test]
fn cost_saturates() {
    let prices = TokenPrices::flat(Rates { input: u64::MAX, ..Rates::default() });
    assert_eq!(prices.cost(Usage { input: u64::MAX, ..Usage::default() }), Money::from_nanos(u64::MAX));
}

#[test]
fn per_million_is_in_dollars() {
    assert_eq!(TokenPrices::flat(RATES).per_million(), Price { input: 3.0, output: 15.0 });
}

prop_compose! {
    fn rates()(input in 0..1u64 << 40, cached_input in 0..1u64 << 40, cache_write in 0..1u64 << 40, output in 0..1u64 << 40)
        -> Rates { Rates { input, cached_input, cache_write, output } }
}

proptest! {
    #[test]
    fn estimate_is_an_upper_bound(
        base in rates(), step in rates(), above in 0..2_000u64, most in 0..4_000u64, output in 0..4_000u64,
        share in 0.0..=1.0f64, cached in 0..4_000u64, cache_written in 0..4_000u64,
    ) {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
        let input = (most as f64 * share) as u64;
        let prices = TokenPrices::flat(base).with_step(above, step);
        let usage = Usage { input, output, cached, cache_written, reasoning: 0 };
        prop_assert!(prices.cost(usage) <= prices.estimate(most, output));
    }
}
