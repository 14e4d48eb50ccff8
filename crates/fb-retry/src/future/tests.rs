//! Behaviours of other libraries held here, by number: 61, 62, 63, 67.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;
use crate::{BudgetConfig, Class, Jitter, RetryConfig, RetryPolicy};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn policy(base: Duration, max_retries: u32) -> RetryPolicy {
    RetryPolicy::new(RetryConfig { base, max_retries, jitter: Jitter::None, ..RetryConfig::default() })
        .unwrap()
}

/// One that is alive.
#[derive(Debug)]
struct Held<'a>(&'a Cell<u32>);

impl<'a> Held<'a> {
    fn new(alive: &'a Cell<u32>) -> Self {
        alive.set(alive.get() + 1);
        Self(alive)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_tried_until_it_succeeds_or_retries_are_made() {
    // succeeds at try, most retries, result (of the error: which try it was of), time
    for (good, most, expected, waited) in [
        (1, 2, Ok(1), 0),
        (2, 2, Ok(2), 250),
        (3, 2, Ok(3), 750),
        (4, 2, Err(3), 750),
        (1, 0, Ok(1), 0),
        (2, 0, Err(1), 0),
        (9, 7, Err(8), 250 + 500 + 1_000 + 2_000 + 4_000 + 8_000 + 8_000),
    ] {
        let (began, tries) = (Instant::now(), Cell::new(0));
        let op = async || {
            tries.set(tries.get() + 1);
            if tries.get() == good { Ok(tries.get()) } else { Err(tries.get()) }
        };
        assert_eq!(retry(policy(MS(250), most), op).await, expected, "good at {good}, most {most}");
        assert_eq!(began.elapsed(), MS(waited), "good at {good}, most {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_retry_tries_no_more() {
    // Every try takes 100 ms and fails, the waits are 250 ms and 500 ms.
    for (patience, expected) in [(50, 1), (200, 1), (400, 2), (600, 2), (1_000, 3), (5_000, 3)] {
        let (tries, running) = (Cell::new(0), Cell::new(0));
        let op = async || {
            tries.set(tries.get() + 1);
            let _running = Held::new(&running);
            sleep(MS(100)).await;
            Err::<(), _>(())
        };
        let left = timeout(MS(patience), retry(policy(MS(250), 2), op)).await;
        assert_eq!(left.is_err(), patience < 5_000);
        assert_eq!(running.get(), 0, "the operation in flight is dropped too");
        sleep(MS(60_000)).await;
        assert_eq!(tries.get(), expected, "after {patience} ms");
    }
    drop(retry(policy(MS(250), 2), async || -> Result<(), ()> { unreachable!("before the first try") }));
}

#[tokio::test(start_paused = true)]
async fn an_error_is_dropped_before_the_wait_and_the_last_one_is_returned() {
    let held = Cell::new(0);
    let op = async || {
        assert_eq!(held.get(), 0);
        Err::<(), _>(Held::new(&held))
    };
    let mut retries = Box::pin(retry(policy(MS(250), 2), op));
    assert!(timeout(MS(100), &mut retries).await.is_err());
    assert_eq!(held.get(), 0, "in the wait");
    let last = retries.await.unwrap_err();
    assert_eq!(held.get(), 1);
    drop(last);
    assert_eq!(held.get(), 0);
}

#[test]
fn no_wait_takes_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let failed = runtime.block_on(retry(policy(Duration::ZERO, 2), async || Err::<(), _>("without a timer")));
    assert_eq!(failed, Err("without a timer"));
}

#[test]
fn it_may_cross_threads_although_its_error_may_not() {
    fn sendable(_: &impl Send) {}
    let op = || async { Err::<(), _>(std::ptr::null::<u8>()) };
    sendable(&retry(RetryPolicy::default(), op));
}

#[tokio::test(start_paused = true)]
async fn every_try_and_why_there_is_no_other_is_told() {
    let mut told = Vec::new();
    let listener = |event: Event<'_, u32>| {
        told.push(match event {
            Event::Attempt { number } => format!("try {number}"),
            Event::Retry { error, wait } => format!("{error}: again in {wait:?}"),
            Event::Stop { error, why } => format!("{error}: {why}"),
        });
    };
    let tries = Cell::new(0);
    let op = async || {
        tries.set(tries.get() + 1);
        Err::<(), u32>(500 + tries.get())
    };
    let last = op.retry(policy(MS(250), 1)).on_event(listener).await;
    assert_eq!(last, Err(502));
    assert_eq!(told, ["try 1", "501: again in 250ms", "try 2", "502: no retries left"]);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_changes_nothing() {
    let tries = Cell::new(0);
    let op = async || {
        tries.set(tries.get() + 1);
        if tries.get() == 2 { Ok(()) } else { Err(()) }
    };
    let done =
        retry(policy(MS(250), 1), op).on_event(|_: Event<'_, ()>| panic!("a listener's own fault")).await;
    assert_eq!((done, tries.get()), (Ok(()), 2));
}

#[tokio::test(start_paused = true)]
async fn no_wait_begins_that_would_end_after_the_deadline() {
    // Waits are 250 ms, 500 ms and 1 s: the second retry begins at 750 ms, the third would at 1,750 ms.
    for (time, expected) in [(250, 1), (251, 2), (1_750, 3), (1_751, 4)] {
        let (began, tries) = (Instant::now(), Cell::new(0));
        let op = async || {
            tries.set(tries.get() + 1);
            Err::<(), _>(())
        };
        let mut why = None;
        let heard = |event: Event<'_, ()>| {
            if let Event::Stop { why: told, .. } = event {
                why = Some(told);
            }
        };
        assert_eq!(retry(policy(MS(250), 3), op).within(MS(time)).on_event(heard).await, Err(()));
        assert_eq!(tries.get(), expected, "within {time} ms");
        assert!(began.elapsed() < MS(time), "no sleep for nothing");
        assert_eq!(why, Some(if expected == 4 { Why::Exhausted } else { Why::Deadline }));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_share_a_budget_share_its_retries_exactly() {
    let config = BudgetConfig { ratio: 0.2, per_second: 0.0, burst: 0, ..BudgetConfig::default() };
    let budget = RetryBudget::new(&config).unwrap();
    let (tries, suppressed) = (Cell::new(0), Cell::new(0));
    for _ in 0..100 {
        let op = async || {
            tries.set(tries.get() + 1);
            Err::<(), _>("down")
        };
        let heard = |event: Event<'_, &str>| {
            if let Event::Stop { why: Why::Budget, .. } = event {
                suppressed.set(suppressed.get() + 1);
            }
        };
        assert_eq!(retry(policy(MS(0), 3), op).budget(&budget).on_event(heard).await, Err("down"));
    }
    assert_eq!(tries.get(), 120, "100 calls and one retry for every five");
    assert_eq!(suppressed.get(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_waited_for_and_one_too_long_ends_the_retries() {
    for (hint, tries_made, waited) in [(1_000, 3, 2_000..2_201), (2_001, 1, 0..1)] {
        let (began, tries) = (Instant::now(), Cell::new(0));
        let op = async || {
            tries.set(tries.get() + 1);
            Err::<(), _>(MS(hint))
        };
        let policy = policy(MS(250), 2).when(|hint: &Duration| Class::after(*hint));
        assert_eq!(retry(policy, op).await, Err(MS(hint)));
        assert_eq!(tries.get(), tries_made);
        assert!(waited.contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_future_that_is_done_stays_silent() {
    let mut done = Box::pin(retry(RetryPolicy::default(), async || Ok::<_, ()>(7)));
    assert_eq!((&mut done).await, Ok(7));
    assert!(poll_once(done.as_mut()).is_pending());
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}
