//! Covered behaviours of other libraries, by number: 70, 72 (exact at 30 % and 60 %).

use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "the tests need some origin")]
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
        for call in 1..=1_000 {
            budget.deposit(t);
            retries += u32::from(budget.try_withdraw(t));
            assert_eq!(retries, call * expected / 1_000, "ratio {ratio}, call {call}");
        }
    }
}

#[test]
fn allowance_per_second_permits_retries_without_traffic() {
    let t = origin();
    let budget = budget(0.2, 0.2, 3);
    let spent = |at| (0..10).filter(|_| budget.try_withdraw(at)).count();
    assert_eq!(spent(t), 3, "the burst");
    assert_eq!(spent(t + Duration::from_secs(4)), 0);
    assert_eq!(spent(t + Duration::from_secs(5)), 1);
    assert_eq!(spent(t + Duration::from_secs(3_600)), 3, "never more than the burst");
}

#[test]
fn frequent_calls_lose_no_allowance() {
    let t = origin();
    for (every_micros, per_second, expected) in
        [(1_000, 0.2, 20), (9_900, 0.2, 20), (1, 0.0, 0), (333, 1.5, 150), (700_001, 0.2, 20)]
    {
        // A capacity that is never reached, so that the bucket is never full.
        let budget = budget(0.0, per_second, 2);
        assert!(budget.try_withdraw(t) && budget.try_withdraw(t), "the burst");
        let calls = (1..).map(|n| Duration::from_micros(n * every_micros));
        let seconds = if per_second == 0.0 { 1 } else { 100 };
        let admitted = calls
            .take_while(|elapsed| {
                *elapsed < Duration::from_secs(seconds) + Duration::from_micros(every_micros)
            })
            .filter(|elapsed| budget.try_withdraw(t + *elapsed))
            .count();
        assert!(
            (expected..=expected + 1).contains(&admitted),
            "{admitted} at {every_micros} us, {per_second}/s"
        );
    }
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
    assert!(budget.try_withdraw(t), "a clock that steps back has no effect");
}

#[test]
fn ratio_and_burst_add_up() {
    let t = origin();
    // ratio, burst, deposits, retries
    for (ratio, burst, deposits, expected) in
        [(2.5, 0, 4, 10), (0.2, 3, 10, 5), (0.2, 3, 4, 3), (0.0, 1, 9, 1), (10.0, 2, 1, 12)]
    {
        let budget = budget(ratio, 0.2, burst);
        (0..deposits).for_each(|_| budget.deposit(t));
        let admitted = (0..100).filter(|_| budget.try_withdraw(t)).count();
        assert_eq!(admitted, expected, "{deposits} at {ratio} with {burst}");
    }
}

#[test]
fn concurrent_withdrawals_never_exceed_the_budget() {
    let t = origin();
    let budget = budget(0.5, 0.0, 0);
    let admitted: usize = std::thread::scope(|scope| {
        let work = || {
            (0..1_000).for_each(|_| budget.deposit(t));
            (0..1_000).filter(|_| budget.try_withdraw(t)).count()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 2_000);
}

#[test]
fn invalid_settings_are_rejected_by_name() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut BudgetConfig), expected: &str) {
        let mut config = BudgetConfig::default();
        change(&mut config);
        let error = RetryBudget::new(&config).unwrap_err().to_string();
        assert_eq!(error, format!("invalid retry config: {expected}"));
    }
    check(|c| c.ratio = -0.1, "`ratio` is -0.1, expected 0 to 10");
    check(|c| c.ratio = f64::NAN, "`ratio` is NaN, expected 0 to 10");
    check(|c| c.per_second = 1_001.0, "`per_second` is 1001, expected 0 to 1000");
    check(|c| c.window = Duration::ZERO, "`window` is 0ns, expected 1 ms to an hour");
    check(|c| c.window = Duration::from_nanos(5), "`window` is 5ns, expected 1 ms to an hour");
    check(
        |c| c.window = Duration::MAX,
        "`window` is 18446744073709551615.999999999s, expected 1 ms to an hour",
    );
}

proptest! {
    #[test]
    fn share_is_exact_in_any_order(
        percent in prop::sample::select(vec![20u64, 30, 60]),
        steps in prop::collection::vec(any::<bool>(), 1..400),
    ) {
        let t = origin();
        #[expect(clippy::cast_precision_loss, reason = "at most 60")]
        let budget = budget(percent as f64 / 100.0, 0.0, 0);
        let (mut deposits, mut retries) = (0, 0);
        for deposit in steps {
            if deposit {
                budget.deposit(t);
                deposits += 1;
            } else {
                let due = deposits * percent / 100 > retries;
                prop_assert_eq!(budget.try_withdraw(t), due, "{} after {}", retries, deposits);
                retries += u64::from(due);
            }
        }
    }

    #[test]
    fn retries_never_exceed_share_rate_and_burst(
        steps in prop::collection::vec((0u64..3_000, any::<bool>()), 1..200),
        ratio in 0u32..2_000,
        per_second in 0u32..2_000,
        burst in 0u32..5,
    ) {
        let (ratio, per_second) = (f64::from(ratio) / 1e3, f64::from(per_second) / 1e3);
        let budget = budget(ratio, per_second, burst);
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
            let limit = ratio * deposits + per_second * (now - start).as_secs_f64() + f64::from(burst);
            prop_assert!(retries <= limit + 1e-6, "{retries} of {limit}");
        }
    }
}
