//! Behaviours of other libraries held here, by number: 70, 72 (exact at 30 % and 60 %).

use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
fn origin() -> Instant {
    Instant::now()
}

fn budget(ratio: f64, per_second: f64, burst: u32) -> RetryBudget {
    RetryBudget::new(&BudgetConfig { ratio, per_second, burst, ..BudgetConfig::default() }).unwrap()
}

#[test]
fn shares_are_exact_to_one_call() {
    let t = origin();
    for (ratio, expected) in [(0.2, 200), (0.3, 300), (0.6, 600), (1.0, 1_000), (0.0, 0)] {
        let budget = budget(ratio, 0.0, 0);
        let mut retries = 0;
        for _ in 0..1_000 {
            budget.deposit(t);
            retries += u32::from(budget.try_withdraw(t));
        }
        assert_eq!(retries, expected, "ratio {ratio}");
    }
}

#[test]
fn a_quiet_caller_may_retry_now_and_then() {
    let t = origin();
    let budget = budget(0.2, 0.2, 3);
    let spent = |at| (0..10).filter(|_| budget.try_withdraw(at)).count();
    assert_eq!(spent(t), 3, "the burst");
    assert_eq!(spent(t + Duration::from_secs(4)), 0);
    assert_eq!(spent(t + Duration::from_secs(5)), 1);
    assert_eq!(spent(t + Duration::from_secs(3_600)), 3, "never more than the burst");
}

#[test]
fn unused_allowance_expires() {
    let t = origin();
    let budget = budget(1.0, 0.0, 0);
    for _ in 0..5 {
        budget.deposit(t);
    }
    assert!(budget.try_withdraw(t + Duration::from_millis(9_900)));
    assert!(!budget.try_withdraw(t + Duration::from_millis(10_000)));
    budget.deposit(t + Duration::from_secs(u64::from(u32::MAX)));
    assert!(budget.try_withdraw(t), "a clock that steps back changes nothing");
}

proptest! {
    #[test]
    fn never_more_than_share_and_floor_and_burst(
        steps in prop::collection::vec((0u64..3_000, any::<bool>()), 1..200),
        ratio in 0.0..2.0f64,
    ) {
        let budget = budget(ratio, 0.2, 3);
        let (mut now, mut deposits, mut retries) = (origin(), 0.0, 0.0);
        let start = now;
        for (ms, deposit) in steps {
            now += Duration::from_millis(ms);
            if deposit {
                budget.deposit(now);
                deposits += 1.0;
            } else if budget.try_withdraw(now) {
                retries += 1.0;
            }
            let most = (ratio + 0.0005) * deposits + 0.2 * (now - start).as_secs_f64() + 3.0;
            prop_assert!(retries <= most + 1e-6, "{retries} of {most}");
        }
    }
}
