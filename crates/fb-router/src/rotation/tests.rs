use proptest::prelude::*;

use super::*;

fn counts(rotation: &mut Rotation, weights: &[u64], turns: usize) -> Vec<u64> {
    let mut counts = vec![0; weights.len()];
    for _ in 0..turns {
        counts[rotation.next(weights).unwrap()] += 1;
    }
    counts
}

#[test]
fn shares_are_exact() {
    let rotation = Rotation::default;
    assert_eq!(counts(&mut rotation(), &[70, 30], 1_000), [700, 300]);
    assert_eq!(counts(&mut rotation(), &[700_000, 300_000], 1_000), [700, 300]);
    assert_eq!(counts(&mut rotation(), &[1, 1, 1], 999), [333, 333, 333]);
    assert_eq!(counts(&mut rotation(), &[5, 0, 3, 2], 1_000), [500, 0, 300, 200]);
}

#[test]
fn turns_of_light_weights_are_spread_out() {
    let mut rotation = Rotation::default();
    let turns: Vec<_> = (0..7).map(|_| rotation.next(&[5, 1, 1]).unwrap()).collect();
    assert_eq!(turns, [0, 0, 0, 1, 0, 0, 2]);
}

#[test]
fn zero_weights_get_no_turn() {
    let mut rotation = Rotation::default();
    assert_eq!((rotation.next(&[]), rotation.next(&[0, 0])), (None, None));
}

#[test]
fn turns_with_one_index_do_not_disturb_the_other_shares() {
    let mut rotation = Rotation::default();
    let mut both = [0, 0];
    for _ in 0..1_000 {
        both[rotation.next(&[70, 30]).unwrap()] += 1;
        assert_eq!(rotation.next(&[0, 30]), Some(1));
    }
    assert_eq!(both, [700, 300]);
}

#[test]
fn returning_index_gets_no_more_than_its_share() {
    let mut rotation = Rotation::default();
    counts(&mut rotation, &[50, 50], 101);
    assert_eq!(counts(&mut rotation, &[0, 50], 10_000), [0, 10_000]);
    assert_eq!(counts(&mut rotation, &[50, 50], 100), [50, 50]);
}

proptest! {
    #[test]
    fn each_share_is_less_than_one_turn_off_at_any_time(
        weights in prop::collection::vec(prop_oneof![0u64..5, 0u64..100, 0u64..1_000_000_000_000], 1..40),
        turns in 1i128..600,
    ) {
        let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        prop_assume!(sum > 0);
        let mut rotation = Rotation::default();
        let mut counts = vec![0i128; weights.len()];
        for n in 1..=turns {
            counts[rotation.next(&weights).unwrap()] += 1;
            for (count, weight) in counts.iter().zip(&weights) {
                let off = n * i128::from(*weight) - count * sum;
                prop_assert!(off.abs() < sum, "after {} turns: {:?}", n, counts);
            }
        }
    }

    #[test]
    fn shares_hold_after_weights_change(
        changes in prop::collection::vec((prop::collection::vec(0u64..1_000, 3), 0usize..50), 0..20),
    ) {
        let mut rotation = Rotation::default();
        for (weights, turns) in changes {
            if weights.iter().any(|weight| *weight > 0) {
                counts(&mut rotation, &weights, turns);
            }
        }
        let got = counts(&mut rotation, &[500, 300, 200], 1_000);
        for (got, share) in got.iter().zip([500u64, 300, 200]) {
            // Off by at most the lag before and the lag after.
            prop_assert!(got.abs_diff(share) <= 3, "{got:?}");
        }
    }
}
