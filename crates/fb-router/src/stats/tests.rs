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
fn rates_are_per_call() {
    let stats = Stats { selected: 8, successes: 6, fallback_from: 2, fallback_to: 4 };
    let rates = |stats: Stats| [stats.success_rate(), stats.fallback_from_rate(), stats.fallback_to_rate()];
    assert_eq!(rates(stats), [Some(0.75), Some(0.25), Some(0.5)]);
    assert_eq!(rates(Stats::default()), [None; 3]);
}

#[test]
fn weights_move_halfway_to_the_success_rate() {
    // (0.5 + 1) / 2 = 0.75 and (0.5 + 0.5) / 2 = 0.5, of 1.25.
    check(&[(1.0, stats(10, 10)), (1.0, stats(10, 5))], &[0.6, 0.4]);
    // The scale of the old weights does not matter.
    check(&[(300.0, stats(10, 10)), (300.0, stats(10, 5))], &[0.6, 0.4]);
    // (0.8 + 0) / 2 and (0.2 + 1) / 2.
    check(&[(4.0, stats(7, 0)), (1.0, stats(7, 7))], &[0.4, 0.6]);
}

#[test]
fn targets_without_calls_count_with_the_mean_rate() {
    let third = 1.0 / 3.0;
    let [a, b, c] = [third + 1.0, third + 0.5, third + 0.75].map(|weight| weight / 3.25);
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
    check(&[(1.0, stats(9, 0)), (1.0, stats(9, 0))], &[0.5, 0.5]);
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
