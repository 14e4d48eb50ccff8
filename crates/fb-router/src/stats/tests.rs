use proptest::prelude::*;

use super::*;

fn stats(selected: u64, successes: u64) -> Stats {
    Stats { selected, successes, ..Stats::default() }
}

#[track_caller]
fn check(targets: &[(f64, Stats)], expected: &[f64]) {
    let found = adjust_weights(targets);
    let near = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
    assert!(near, "{found:?} is not {expected:?}");
}

#[test]
fn success_rate_is_per_request_and_fallback_rate_per_selection() {
    let stats = Stats { selected: 8, successes: 9, fallback_from: 2, fallback_to: 4 };
    let rates = |stats: Stats| [stats.success_rate(), stats.fallback_rate()];
    assert_eq!(rates(stats), [Some(0.75), Some(0.25)]);
    assert_eq!(rates(Stats { fallback_to: 4, successes: 1, ..Stats::default() }), [Some(0.25), None]);
    assert_eq!(rates(Stats::default()), [None; 2]);
}

#[test]
fn weights_are_blended_half_and_half_with_shares_of_the_success_rates() {
    // (0.7 + 0.5) / 2 and (0.3 + 0.5) / 2.
    check(&[(0.7, stats(10, 10)), (0.3, stats(10, 10))], &[0.6, 0.4]);
    // (0.7 + 1/3) / 2 and (0.3 + 2/3) / 2.
    let third = 1.0 / 3.0;
    check(&[(0.7, stats(10, 5)), (0.3, stats(10, 10))], &[0.35 + third / 2.0, 0.15 + third]);
    // The scale of the old weights does not matter.
    check(&[(70.0, stats(10, 10)), (30.0, stats(10, 10))], &[0.6, 0.4]);
    // (0.8 + 0) / 2 and (0.2 + 1) / 2.
    check(&[(4.0, stats(7, 0)), (1.0, stats(7, 7))], &[0.4, 0.6]);
}

#[test]
fn targets_without_calls_count_with_the_mean_rate() {
    let third = 1.0 / 3.0;
    let [a, b, c] = [1.0, 0.5, 0.75].map(|rate| f64::midpoint(third, rate / 2.25));
    check(&[(1.0, stats(4, 4)), (1.0, stats(4, 2)), (1.0, Stats::default())], &[a, b, c]);
    check(&[(3.0, Stats::default()), (1.0, Stats::default())], &[0.75, 0.25]);
    check(&[], &[]);
}

#[test]
fn no_weight_falls_below_the_floor() {
    let mut weights = vec![0.5, 0.5];
    for _ in 0..20 {
        weights = adjust_weights(&[(weights[0], stats(9, 9)), (weights[1], stats(9, 0))]);
    }
    assert_eq!(weights, [0.99, 0.01]);
    check(&[(3.0, stats(9, 0)), (1.0, stats(9, 0))], &[0.75, 0.25]);
    check(&[(1.0, stats(9, 1)); 200], &[0.005; 200]);
}

proptest! {
    #[test]
    fn weights_sum_to_one_above_the_floor(
        targets in prop::collection::vec((0.001f64..1_000.0, 0u64..100, 0u64..100), 1..150),
    ) {
        let targets: Vec<_> =
            targets.into_iter().map(|(weight, a, b)| (weight, stats(a.max(b), a.min(b)))).collect();
        let weights = adjust_weights(&targets);
        let floor = FLOOR.min(1.0 / count(targets.len()));
        prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{:?}", weights);
        prop_assert!(weights.iter().all(|weight| *weight >= floor - 1e-12), "{:?}", weights);
    }
}
