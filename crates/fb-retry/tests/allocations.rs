//! What costs no memory.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use fb_retry::{BudgetConfig, RetryBudget, RetryPolicy, retry};

#[test]
fn a_first_try_that_succeeds_allocates_nothing() {
    let policy = RetryPolicy::default().when(|(): &()| true);
    let budget = RetryBudget::new(&BudgetConfig { ratio: 0.0, burst: 0, ..BudgetConfig::default() }).unwrap();
    let counted = measure(|| {
        for _ in 0..100 {
            let call = pin!(retry(&policy, async || Ok::<_, ()>(7)));
            assert_eq!(call.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(7)));
            // A failure that the budget lets nobody retry neither.
            let call = pin!(retry(&policy, async || Err::<u32, _>(())).budget(&budget));
            assert_eq!(call.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(())));
        }
    });
    assert_eq!(counted.count_total, 0);
}
