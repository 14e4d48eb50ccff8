use proptest::prelude::*;

use super::*;

fn owner(key: &str, targets: &[(String, f64)]) -> String {
    let score = |(name, weight): &(String, f64)| rendezvous_score(key, name, *weight);
    let best = targets.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
    best.unwrap().0.clone()
}

#[test]
fn hash_is_stable() {
    assert_eq!(hash("user-1", "openai/gpt-6.1-sol"), 5_738_016_219_353_285_816);
    assert_ne!(hash("ab", "c"), hash("a", "bc"));
}

#[test]
fn keys_are_distributed_by_weight() {
    let targets = [("a/m", 5.0), ("b/m", 3.0), ("c/m", 2.0)].map(|(name, weight)| (name.to_owned(), weight));
    let mut owned = [0; 3];
    for key in 0..10_000 {
        let owner = owner(&format!("user-{key}"), &targets);
        owned[targets.iter().position(|(name, _)| *name == owner).unwrap()] += 1;
    }
    assert_eq!(owned, [4_939, 3_047, 2_014]);
}

proptest! {
    #[test]
    fn removing_a_target_moves_only_its_keys(
        weights in prop::collection::vec(1u32..100, 2..8),
        gone in 0usize..8,
        keys in prop::collection::vec("[a-z0-9-]{1,20}", 1..50),
    ) {
        let targets: Vec<_> =
            weights.iter().enumerate().map(|(i, weight)| (format!("p{i}/m"), f64::from(*weight))).collect();
        let gone = gone % targets.len();
        let mut left = targets.clone();
        left.remove(gone);
        for key in keys {
            let before = owner(&key, &targets);
            if before != targets[gone].0 {
                prop_assert_eq!(owner(&key, &left), before);
            }
        }
    }

    #[test]
    fn growing_a_weight_moves_keys_only_to_that_target(
        weights in prop::collection::vec(1u32..100, 2..8),
        grown in 0usize..8,
        keys in prop::collection::vec("[a-z0-9-]{1,20}", 1..50),
    ) {
        let targets: Vec<_> =
            weights.iter().enumerate().map(|(i, weight)| (format!("p{i}/m"), f64::from(*weight))).collect();
        let grown = grown % targets.len();
        let mut after = targets.clone();
        after[grown].1 *= 3.0;
        for key in keys {
            let (old, new) = (owner(&key, &targets), owner(&key, &after));
            prop_assert!(new == old || new == after[grown].0, "{} moved from {} to {}", key, old, new);
        }
    }
}
