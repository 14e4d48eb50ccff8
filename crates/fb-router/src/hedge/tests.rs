use super::*;

fn budget(share: f64) -> HedgeBudget {
    HedgeBudget::new(&HedgeConfig { budget: share, ..HedgeConfig::default() }).unwrap()
}

#[test]
fn delay_is_the_95th_percentile_once_warmed_up() {
    let p95 = HedgeConfig::default();
    let fixed = HedgeConfig { after: HedgeAfter::Time(Duration::from_millis(10)), ..HedgeConfig::default() };
    let ms = Duration::from_millis;
    for (config, measured, samples, expected) in [
        (&p95, Some(ms(800)), 100, Some(ms(800))),
        (&p95, Some(ms(800)), 99, None),
        (&p95, Some(ms(20)), 100, Some(ms(50))),
        (&p95, None, 100, None),
        (&fixed, None, 0, Some(ms(10))),
        (&fixed, Some(ms(800)), 100, Some(ms(10))),
    ] {
        assert_eq!(
            config.delay(measured, samples),
            expected,
            "{:?}, {measured:?} of {samples}",
            config.after
        );
    }
}

#[test]
fn budget_is_exact_to_one_hedge() {
    for (share, per_mille) in [(0.05, 50), (0.3, 300), (1.0, 1_000), (0.0, 0), (0.001, 1)] {
        let budget = budget(share);
        let mut hedges = 0;
        for request in 1..=10_000 {
            budget.deposit();
            hedges += u64::from(budget.try_withdraw());
            assert_eq!(hedges, request * per_mille / 1_000, "share {share}, request {request}");
        }
        assert!(!budget.try_withdraw(), "share {share}");
    }
}

#[test]
fn budget_holds_at_most_ten_hedges() {
    let budget = budget(0.05);
    (0..10_000).for_each(|_| budget.deposit());
    assert_eq!((0..100).filter(|_| budget.try_withdraw()).count(), 10);
}

#[test]
fn concurrent_withdrawals_do_not_overdraw() {
    let budget = budget(0.05);
    let taken: usize = std::thread::scope(|scope| {
        let work = || (0..1_000).filter(|_| (budget.deposit(), budget.try_withdraw()).1).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left = (0..100).filter(|_| budget.try_withdraw()).count();
    assert_eq!(taken + left, 200);
}
