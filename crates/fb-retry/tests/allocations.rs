//! Operations that must not allocate.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use fb_retry::{BudgetConfig, RetryBudget, RetryPolicy, retry};

#[test]
fn successful_first_attempt_allocates_nothing() {
    let policy = RetryPolicy::default().when(|(): &()| true);
    let budget = RetryBudget::new(&BudgetConfig::with(|config| {
        config.ratio = 0.0;
        config.burst = 0;
    }))
    .unwrap();
    let counted = measure(|| {
        for _ in 0..100 {
            let call = pin!(retry(&policy, async || Ok::<_, ()>(7)));
            assert_eq!(call.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(7)));
            // Neither does a failure without a retry because of an empty budget.
            let call = pin!(retry(&policy, async || Err::<u32, _>(())).budget(&budget));
            assert_eq!(call.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(())));
        }
    });
    assert_eq!(counted.count_total, 0);
}
