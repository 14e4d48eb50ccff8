use std::time::Duration;

use expect_test::{Expect, expect};
use fb_core::{Capabilities, Eligibility, Money, Price, Skip, TargetId};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::{HedgeConfig, Needs, RaceConfig};

fn targets(names: &[&str]) -> Vec<TargetId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn router(strategy: Strategy) -> Router {
    Router::new(RouterConfig { strategy, ..RouterConfig::default() }).unwrap()
}

fn cooling() -> Eligibility {
    Eligibility::unusable(Skip::Cooling, None)
}

fn ramping(weight: f64) -> Eligibility {
    Eligibility { weight, ..Eligibility::usable() }
}

#[track_caller]
fn check(strategy: Strategy, candidates: &[Candidate<'_>], facts: &Facts<'_>, expected: &Expect) {
    expected.assert_eq(&router(strategy).plan(candidates, facts, [0.0, 0.0]).to_string());
}

/// The index of the first target of each of `plans` consecutive plans.
fn firsts(router: &Router, candidates: &[Candidate<'_>], facts: &Facts<'_>, plans: usize) -> Vec<usize> {
    (0..plans).map(|_| router.plan(candidates, facts, [0.0, 0.0]).order[0].index).collect()
}

fn counts(firsts: &[usize], targets: usize) -> Vec<u32> {
    (0..targets).map(|index| firsts.iter().map(|first| u32::from(*first == index)).sum()).collect()
}

#[test]
fn priority_orders_by_priority_then_health_then_list() {
    let ids = targets(&["a/m", "b/m", "c/m", "d/m", "e/m"]);
    let candidates = [
        Candidate { priority: 2, ..Candidate::new(&ids[0]) },
        Candidate { priority: 1, healthy: false, ..Candidate::new(&ids[1]) },
        Candidate { priority: 1, ..Candidate::new(&ids[2]) },
        Candidate { priority: 1, ..Candidate::new(&ids[3]) },
        Candidate { priority: 0, eligibility: cooling(), ..Candidate::new(&ids[4]) },
    ];
    let expected = expect![[r#"
        1  e/m  priority 0, not now: cooling
        2  c/m  priority 1
        3  d/m  priority 1
        4  b/m  priority 1
        5  a/m  priority 2
        start: one by one
    "#]];
    check(Strategy::Priority, &candidates, &Facts::default(), &expected);
}

#[test]
fn usable_targets_of_a_preferred_provider_come_first_in_order() {
    let ids = targets(&["a/m", "b/m", "a/n", "b/n", "b/o"]);
    let mut candidates: Vec<_> = ids.iter().map(Candidate::new).collect();
    candidates[3].eligibility = cooling();
    let facts = Facts { preferred: Some("b"), ..Facts::default() };
    let expected = expect![[r#"
        1  b/m  preferred by the request
        2  b/o  preferred by the request
        3  a/m  priority 0
        4  a/n  priority 0
        5  b/n  priority 0, not now: cooling
        start: one by one
    "#]];
    check(Strategy::Priority, &candidates, &facts, &expected);
}

#[test]
fn preferred_target_comes_first_if_usable() {
    let ids = targets(&["a/m", "b/m", "c/m", "d/m"]);
    let mut candidates: Vec<_> = ids.iter().map(Candidate::new).collect();
    let facts = Facts { preferred: Some("c"), ..Facts::default() };
    let expected = expect![[r#"
        1  c/m  preferred by the request
        2  a/m  priority 0
        3  b/m  priority 0
        4  d/m  priority 0
        start: one by one
    "#]];
    check(Strategy::Priority, &candidates, &facts, &expected);

    candidates[2].eligibility = cooling();
    let expected = expect![[r#"
        1  a/m  priority 0
        2  b/m  priority 0
        3  c/m  priority 0, not now: cooling
        4  d/m  priority 0
        start: one by one
    "#]];
    check(Strategy::Priority, &candidates, &facts, &expected);

    let allowed = ["a".to_owned()];
    let expected = expect![[r#"
        1  a/m  priority 0
        -  b/m  refused, allowed: not among the targets allowed
        -  c/m  refused, allowed: not among the targets allowed
        -  d/m  refused, allowed: not among the targets allowed
        start: one by one
    "#]];
    check(Strategy::Priority, &candidates, &Facts { allowed: Some(&allowed), ..facts }, &expected);
}

#[test]
fn plan_contains_every_candidate_once() {
    let ids = targets(&["a/m", "b/m", "c/m"]);
    let blind = Capabilities { vision: false, ..Capabilities::default() };
    let candidates = [
        Candidate { capabilities: blind, ..Candidate::new(&ids[0]) },
        Candidate { eligibility: cooling(), ..Candidate::new(&ids[1]) },
        Candidate::new(&ids[2]),
    ];
    let facts = Facts { needs: Needs { vision: true, ..Needs::default() }, ..Facts::default() };
    let expected = Plan {
        order: vec![
            Ranked { index: 2, target: ids[2].clone(), reason: RankReason::Cost(None), skip: None },
            Ranked {
                index: 1,
                target: ids[1].clone(),
                reason: RankReason::Cost(None),
                skip: Some(Skip::Cooling),
            },
        ],
        inadmissible: vec![Inadmissible {
            index: 0,
            target: ids[0].clone(),
            refusal: fb_core::Refusal::new("vision", "sees no pictures"),
        }],
        doubtful: None,
        start: Start::Sequential,
    };
    assert_eq!(router(Strategy::Cheapest).plan(&candidates, &facts, [0.0, 0.0]), expected);
    let nothing =
        Plan { order: Vec::new(), inadmissible: Vec::new(), doubtful: None, start: Start::Sequential };
    for strategy in [Strategy::Weighted, Strategy::Fastest, Strategy::LeastBusy, Strategy::Race] {
        assert_eq!(router(strategy).plan(&[], &facts, [0.9, 0.9]), nothing);
    }
}

#[test]
fn weighted_is_exact_over_time() {
    let ids = targets(&["a/m", "b/m"]);
    let candidates = [
        Candidate { weight: 70.0, ..Candidate::new(&ids[0]) },
        Candidate { weight: 30.0, ..Candidate::new(&ids[1]) },
    ];
    let facts = Facts::default();
    let router = router(Strategy::Weighted);
    assert_eq!(counts(&firsts(&router, &candidates, &facts, 1_000), 2), [700, 300]);

    // A ramping target gets its reduced share: 70 against a tenth of 30.
    let [a, b] = candidates.clone();
    let back = [a.clone(), Candidate { eligibility: ramping(0.1), ..b.clone() }];
    assert_eq!(counts(&firsts(&router, &back, &facts, 730), 2), [700, 30]);

    let gone = [a, Candidate { eligibility: cooling(), ..b }];
    assert_eq!(counts(&firsts(&router, &gone, &facts, 100), 2), [100, 0]);
    let preferred = Facts { preferred: Some("b/m"), ..Facts::default() };
    assert_eq!(counts(&firsts(&router, &candidates, &preferred, 50), 2), [0, 50]);
    assert_eq!(counts(&firsts(&router, &candidates, &facts, 1_000), 2), [700, 300]);
}

#[test]
fn weighted_falls_back_by_weight() {
    let ids = targets(&["a/m", "b/m", "c/m", "d/m"]);
    let candidates = [
        Candidate { weight: 3.0, eligibility: ramping(0.1), ..Candidate::new(&ids[0]) },
        Candidate { weight: 2.0, ..Candidate::new(&ids[1]) },
        Candidate { weight: 5.0, ..Candidate::new(&ids[2]) },
        Candidate { weight: 9.0, eligibility: cooling(), ..Candidate::new(&ids[3]) },
    ];
    let expected = expect![[r#"
        1  c/m  its turn, 68.5 %
        2  b/m  weight 2
        3  a/m  weight 0.3
        4  d/m  weight 9, not now: cooling
        start: one by one
    "#]];
    check(Strategy::Weighted, &candidates, &Facts::default(), &expected);
}

#[test]
fn clone_does_not_consume_turns() {
    let ids = targets(&["a/m", "b/m"]);
    let candidates = [Candidate::new(&ids[0]), Candidate::new(&ids[1])];
    let router = router(Strategy::Weighted);
    let clone = router.clone();
    let [previewed, planned] =
        [clone, router].map(|router| firsts(&router, &candidates, &Facts::default(), 3));
    assert_eq!((previewed, planned), (vec![0, 1, 0], vec![0, 1, 0]));
}

#[test]
fn fastest_takes_the_better_of_two_drawn() {
    let ids = targets(&["a/m", "b/m", "c/m"]);
    let measured = |index: usize, latency, in_flight| Candidate {
        latency: Some(latency),
        in_flight,
        ..Candidate::new(&ids[index])
    };
    // Scores: 0.3, 0.4, 0.2.
    let candidates = [measured(0, 0.3, 0), measured(1, 0.1, 3), measured(2, 0.2, 0)];
    let router = router(Strategy::Fastest);
    for (random, order) in [
        ([0.0, 0.0], [0, 2, 1]),
        ([0.0, 0.9], [2, 0, 1]),
        ([0.4, 0.0], [0, 2, 1]),
        ([0.4, 0.9], [2, 0, 1]),
        ([0.9, 0.0], [2, 0, 1]),
        ([0.999_999, 0.999_999], [2, 0, 1]),
    ] {
        let plan = router.plan(&candidates, &Facts::default(), random);
        assert_eq!(plan.order.iter().map(|ranked| ranked.index).collect::<Vec<_>>(), order, "{random:?}");
    }
    let expected = expect![[r#"
        1  a/m  faster of two drawn, score 0.300 s
        2  c/m  score 0.200 s
        3  b/m  score 0.400 s
        start: one by one
    "#]];
    check(Strategy::Fastest, &candidates, &Facts::default(), &expected);
}

#[test]
fn unmeasured_target_gets_one_call_at_a_time() {
    let ids = targets(&["a/m", "b/m"]);
    let known = Candidate { latency: Some(0.1), ..Candidate::new(&ids[0]) };
    let idle = [known.clone(), Candidate::new(&ids[1])];
    let expected = expect![[r#"
        1  b/m  never measured
        2  a/m  score 0.100 s
        start: one by one
    "#]];
    check(Strategy::Fastest, &idle, &Facts::default(), &expected);
    let out = [known, Candidate { in_flight: 1, ..Candidate::new(&ids[1]) }];
    let expected = expect![[r#"
        1  a/m  faster of two drawn, score 0.100 s
        2  b/m  never measured, first calls are out
        start: one by one
    "#]];
    check(Strategy::Fastest, &out, &Facts::default(), &expected);
}

#[test]
fn fastest_ranks_a_ramping_target_lower() {
    let ids = targets(&["a/m", "b/m"]);
    let known = |index: usize, latency| Candidate { latency: Some(latency), ..Candidate::new(&ids[index]) };
    let candidates = [known(0, 0.3), Candidate { eligibility: ramping(0.25), ..known(1, 0.1) }];
    let expected = expect![[r#"
        1  a/m  faster of two drawn, score 0.300 s
        2  b/m  score 0.400 s
        start: one by one
    "#]];
    check(Strategy::Fastest, &candidates, &Facts::default(), &expected);
}

#[test]
fn cheapest_estimates_the_cost_of_this_request() {
    let ids = targets(&["a/m", "b/m", "c/m"]);
    let priced = |index: usize, input, output| Candidate {
        price: Some(Price { input, output }),
        ..Candidate::new(&ids[index])
    };
    let candidates = [Candidate::new(&ids[0]), priced(1, 10.0, 1.0), priced(2, 1.0, 10.0)];
    let tokens = |input_tokens, max_output| Facts { input_tokens, max_output, ..Facts::default() };
    let expected = expect![[r#"
        1  c/m  costs about $0.0011
        2  b/m  costs about $0.0100
        3  a/m  no price
        start: one by one
    "#]];
    check(Strategy::Cheapest, &candidates, &tokens(1_000, Some(10)), &expected);
    let expected = expect![[r#"
        1  b/m  costs about $0.0011
        2  c/m  costs about $0.0100
        3  a/m  no price
        start: one by one
    "#]];
    check(Strategy::Cheapest, &candidates, &tokens(10, Some(1_000)), &expected);
    let usual = tokens(0, None).cost_at(&candidates[1]);
    assert_eq!(usual, Some(Money::from_nanos(1_024_000)));
}

#[test]
fn least_busy_draws_among_equals() {
    let ids = targets(&["a/m", "b/m", "c/m", "d/m"]);
    let candidates = [
        Candidate { in_flight: 1, ..Candidate::new(&ids[0]) },
        Candidate { in_flight: 2, ..Candidate::new(&ids[1]) },
        Candidate { in_flight: 1, ..Candidate::new(&ids[2]) },
        Candidate { in_flight: 1, eligibility: ramping(0.5), ..Candidate::new(&ids[3]) },
    ];
    let expected = expect![[r#"
        1  a/m  1 in flight
        2  c/m  1 in flight
        3  b/m  2 in flight
        4  d/m  1 in flight
        start: one by one
    "#]];
    check(Strategy::LeastBusy, &candidates, &Facts::default(), &expected);
    let router = router(Strategy::LeastBusy);
    let first = |random| router.plan(&candidates, &Facts::default(), [random, 0.0]).order[0].index;
    assert_eq!([0.0, 0.25, 0.5, 0.75].map(first), [0, 2, 2, 0]);
}

#[test]
fn sticky_key_keeps_its_target_and_no_key_rotates() {
    let ids = targets(&["a/m", "b/m", "c/m"]);
    let mut candidates: Vec<_> = ids.iter().map(Candidate::new).collect();
    let router = router(Strategy::Sticky);
    let facts = Facts { sticky_key: Some("user-7"), ..Facts::default() };
    let owner = firsts(&router, &candidates, &facts, 1)[0];
    assert_eq!(firsts(&router, &candidates, &facts, 9), [owner; 9]);
    assert_eq!(counts(&firsts(&router, &candidates, &Facts::default(), 300), 3), [100, 100, 100]);

    let second = router.plan(&candidates, &facts, [0.0, 0.0]).order[1].index;
    candidates[owner].eligibility = cooling();
    assert_eq!(firsts(&router, &candidates, &facts, 1), [second]);
}

#[test]
fn race_starts_all_usable_targets_up_to_the_width() {
    let ids = targets(&["a/m", "b/m", "c/m", "d/m"]);
    let mut candidates: Vec<_> = ids.iter().map(Candidate::new).collect();
    candidates[1].eligibility = cooling();
    let start = |width, candidates: &[Candidate<'_>], facts: &Facts<'_>| {
        let race = RaceConfig { width };
        let config = RouterConfig { strategy: Strategy::Race, race, ..RouterConfig::default() };
        Router::new(config).unwrap().plan(candidates, facts, [0.0, 0.0]).start
    };
    let facts = Facts::default();
    assert_eq!(start(None, &candidates, &facts), Start::Parallel(3));
    assert_eq!(start(Some(2), &candidates, &facts), Start::Parallel(2));
    assert_eq!(start(Some(9), &candidates, &facts), Start::Parallel(3));
    assert_eq!(start(None, &candidates[..2], &facts), Start::Sequential);
    let server_tools = Facts { server_tools: true, ..Facts::default() };
    assert_eq!(start(None, &candidates, &server_tools), Start::Sequential);
    let expected = expect![[r#"
        1  a/m  priority 0
        2  c/m  priority 0
        3  d/m  priority 0
        4  b/m  priority 0, not now: cooling
        start: first 3 at once
    "#]];
    check(Strategy::Race, &candidates, &facts, &expected);
}

#[test]
fn hedge_needs_a_measured_first_and_an_admissible_second() {
    let ids = targets(&["a/m", "b/m"]);
    let ms = Duration::from_millis;
    let first = Candidate { p95: Some(ms(800)), samples: 100, ..Candidate::new(&ids[0]) };
    let second = Candidate::new(&ids[1]);
    let start = |first: &Candidate<'_>, second: &Candidate<'_>, facts: &Facts<'_>| {
        router(Strategy::Hedged).plan(&[first.clone(), second.clone()], facts, [0.0, 0.0]).start
    };
    let facts = Facts::default();
    assert_eq!(start(&first, &second, &facts), Start::Hedged { after: ms(800) });
    let new = Candidate { samples: 99, ..first.clone() };
    assert_eq!(start(&new, &second, &facts), Start::Sequential);
    let probed = Candidate { half_open: true, ..second.clone() };
    assert_eq!(start(&first, &probed, &facts), Start::Sequential);
    let barred = Candidate { eligibility: cooling(), ..second.clone() };
    assert_eq!(start(&first, &barred, &facts), Start::Sequential);
    let server_tools = Facts { server_tools: true, ..Facts::default() };
    assert_eq!(start(&first, &second, &server_tools), Start::Sequential);

    let after = crate::HedgeAfter::Time(ms(300));
    let hedge = HedgeConfig { after, ..HedgeConfig::default() };
    let config = RouterConfig { strategy: Strategy::Hedged, hedge, ..RouterConfig::default() };
    let plan = Router::new(config).unwrap().plan(&[new, second], &facts, [0.0, 0.0]);
    let expected = expect![[r#"
        1  a/m  priority 0
        2  b/m  priority 0
        start: second after 300 ms
    "#]];
    expected.assert_eq(&plan.to_string());
}

#[test]
fn invalid_settings_are_rejected() {
    let race = RaceConfig { width: Some(0) };
    let error = Router::new(RouterConfig { race, ..RouterConfig::default() }).unwrap_err();
    assert_eq!(error.to_string(), "race.width = 0: expected 2 or more");
}

proptest! {
    #[test]
    fn shares_are_within_one_request_of_any_weights(
        weights in prop::collection::vec(1u32..1_000, 1..8),
        plans in 1u32..300,
    ) {
        let ids: Vec<TargetId> = (0..weights.len()).map(|i| format!("p{i}/m").parse().unwrap()).collect();
        let candidate = |(id, weight): (_, &u32)| Candidate { weight: f64::from(*weight), ..Candidate::new(id) };
        let candidates: Vec<_> = ids.iter().zip(&weights).map(candidate).collect();
        let first = firsts(&router(Strategy::Weighted), &candidates, &Facts::default(), plans as usize);
        let sum: f64 = weights.iter().copied().map(f64::from).sum();
        for (count, weight) in counts(&first, weights.len()).into_iter().zip(&weights) {
            let share = f64::from(plans) * f64::from(*weight) / sum;
            prop_assert!((f64::from(count) - share).abs() < 1.0, "{count} of {plans} for {weight} of {sum}");
        }
    }

    #[test]
    fn every_strategy_ranks_all_candidates_once_and_unusable_ones_last(
        known in prop::collection::vec((0u32..3, any::<bool>(), any::<bool>(), 0u32..4), 0..6),
        random in [0.0..1.0, 0.0..1.0],
    ) {
        let ids: Vec<TargetId> = (0..known.len()).map(|i| format!("p{i}/m").parse().unwrap()).collect();
        let candidate = |(id, (priority, healthy, unusable, in_flight)): (_, &(u32, bool, bool, u32))| Candidate {
            priority: *priority,
            healthy: *healthy,
            eligibility: if *unusable { cooling() } else { Eligibility::usable() },
            in_flight: *in_flight,
            ..Candidate::new(id)
        };
        let candidates: Vec<_> = ids.iter().zip(&known).map(candidate).collect();
        for strategy in [
            Strategy::Priority,
            Strategy::Weighted,
            Strategy::Fastest,
            Strategy::Cheapest,
            Strategy::LeastBusy,
            Strategy::Sticky,
            Strategy::Race,
            Strategy::Hedged,
        ] {
            let plan = router(strategy).plan(&candidates, &Facts::default(), random);
            let mut indices: Vec<_> = plan.order.iter().map(|ranked| ranked.index).collect();
            let unusable: Vec<_> = plan.order.iter().map(|ranked| ranked.skip.is_some()).collect();
            prop_assert!(strategy == Strategy::Priority || unusable.is_sorted(), "{plan}");
            indices.sort_unstable();
            prop_assert_eq!(indices, (0..known.len()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn windows_that_are_too_small_by_estimate_come_last() {
    let ids = targets(&["a/m", "b/m", "c/m"]);
    let window = |index: usize, context| Candidate {
        priority: u32::try_from(index).unwrap(),
        capabilities: Capabilities { context, ..Capabilities::default() },
        ..Candidate::new(&ids[index])
    };
    let candidates = [window(0, Some(100)), window(1, None), window(2, Some(200))];
    let order = |facts: &Facts<'_>| -> Vec<usize> {
        let plan = router(Strategy::Priority).plan(&candidates, facts, [0.0, 0.0]);
        plan.order.iter().map(|ranked| ranked.index).collect()
    };
    let facts = Facts { input_tokens: 120, ..Facts::default() };
    assert_eq!(order(&Facts { input_tokens: 100, ..Facts::default() }), [0, 1, 2]);
    assert_eq!(order(&facts), [1, 2, 0]);
    assert_eq!(order(&Facts { preferred: Some("a/m"), ..facts }), [0, 1, 2]);
}

#[test]
fn largest_target_that_an_estimate_excludes_is_doubtful_beside_others() {
    let ids: [TargetId; 4] = ["a/m", "b/m", "c/m", "d/m"].map(|name| name.parse().unwrap());
    let candidate = |index: usize, context| Candidate {
        capabilities: Capabilities { context, ..Capabilities::default() },
        ..Candidate::new(&ids[index])
    };
    let all = [candidate(0, Some(10)), candidate(1, Some(30)), candidate(2, Some(20)), candidate(3, None)];
    let facts = |input_tokens| Facts { input_tokens, ..Facts::default() };
    let plan = |candidates: &[Candidate<'_>], tokens| {
        let plan = router(Strategy::Priority).plan(candidates, &facts(tokens), [0.0; 2]);
        (plan.order.iter().map(|ranked| ranked.index).collect::<Vec<_>>(), plan.doubtful)
    };
    assert_eq!(plan(&all, 100), (vec![3], Some(1)));
    assert_eq!(plan(&all, 40), (vec![3, 1], Some(2)));
    assert_eq!(plan(&all, 10), (vec![0, 1, 2, 3], None));
    // The last one that could take the request is no doubtful one, but the only one.
    assert_eq!(plan(&all[..3], 100), (vec![1], None));
}
