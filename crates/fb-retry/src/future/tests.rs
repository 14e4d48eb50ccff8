//! Covered behaviours of other libraries, by number: 61, 62, 63, 67.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;
use crate::{BudgetConfig, Class, Jitter, RetryConfig, RetryPolicy};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn policy(base: Duration, max_retries: u32) -> RetryPolicy {
    let max_retries = Some(max_retries);
    RetryPolicy::new(RetryConfig { base, max_retries, jitter: Jitter::None, ..RetryConfig::default() })
        .unwrap()
}

/// An instance that counts itself while alive.
#[derive(Debug)]
struct Counted<'a>(&'a Cell<u32>);

impl<'a> Counted<'a> {
    fn new(alive: &'a Cell<u32>) -> Self {
        alive.set(alive.get() + 1);
        Self(alive)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn operation_is_retried_until_success_or_exhaustion() {
    // successful attempt, maximum retries, result (an error carries the number of its attempt), elapsed time
    for (good, max_retries, expected, waited) in [
        (1, 2, Ok(1), 0),
        (2, 2, Ok(2), 250),
        (3, 2, Ok(3), 750),
        (4, 2, Err(3), 750),
        (1, 0, Ok(1), 0),
        (2, 0, Err(1), 0),
        (9, 7, Err(8), 250 + 500 + 1_000 + 2_000 + 4_000 + 8_000 + 8_000),
    ] {
        let (start, attempts) = (Instant::now(), Cell::new(0));
        let op = async || {
            attempts.set(attempts.get() + 1);
            if attempts.get() == good { Ok(attempts.get()) } else { Err(attempts.get()) }
        };
        assert_eq!(
            retry(policy(MS(250), max_retries), op).await,
            expected,
            "good at {good}, at most {max_retries} retries"
        );
        assert_eq!(start.elapsed(), MS(waited), "good at {good}, at most {max_retries} retries");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_future_stops_retrying() {
    // Every attempt takes 100 ms and fails; the waits are 250 ms and 500 ms.
    for (time_limit, expected) in [(50, 1), (200, 1), (400, 2), (600, 2), (1_000, 3), (5_000, 3)] {
        let (attempts, running) = (Cell::new(0), Cell::new(0));
        let op = async || {
            attempts.set(attempts.get() + 1);
            let _running = Counted::new(&running);
            sleep(MS(100)).await;
            Err::<(), _>(())
        };
        let result = timeout(MS(time_limit), retry(policy(MS(250), 2), op)).await;
        assert_eq!(result.is_err(), time_limit < 5_000);
        assert_eq!(running.get(), 0, "the operation in flight is dropped too");
        sleep(MS(60_000)).await;
        assert_eq!(attempts.get(), expected, "after {time_limit} ms");
    }
    drop(retry(policy(MS(250), 2), async || -> Result<(), ()> { unreachable!("before the first attempt") }));
}

#[tokio::test(start_paused = true)]
async fn error_is_dropped_before_the_wait() {
    let held = Cell::new(0);
    let op = async || {
        assert_eq!(held.get(), 0);
        Err::<(), _>(Counted::new(&held))
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
fn zero_wait_needs_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let failed = runtime.block_on(retry(policy(Duration::ZERO, 2), async || Err::<(), _>("without a timer")));
    assert_eq!(failed, Err("without a timer"));
}

#[test]
fn future_is_send_even_if_the_error_is_not() {
    fn sendable(_: &impl Send) {}
    let op = || async { Err::<(), _>(std::ptr::null::<u8>()) };
    sendable(&retry(RetryPolicy::default(), op));
}

#[tokio::test(start_paused = true)]
async fn listener_receives_attempts_and_the_stop_reason() {
    let mut log = Vec::new();
    let listener = |event: Event<'_, u32>| {
        log.push(match event {
            Event::Attempt { number } => format!("attempt {number}"),
            Event::Retry { error, wait } => format!("{error}: retry in {wait:?}"),
            Event::Stop { error, reason } => format!("{error}: {reason}"),
        });
    };
    let attempts = Cell::new(0);
    let op = async || {
        attempts.set(attempts.get() + 1);
        Err::<(), u32>(500 + attempts.get())
    };
    let last = op.retry(policy(MS(250), 1)).on_event(listener).await;
    assert_eq!(last, Err(502));
    assert_eq!(log, ["attempt 1", "501: retry in 250ms", "attempt 2", "502: no retries left"]);
}

#[tokio::test(start_paused = true)]
async fn panicking_listener_has_no_effect() {
    let attempts = Cell::new(0);
    let op = async || {
        attempts.set(attempts.get() + 1);
        if attempts.get() == 2 { Ok(()) } else { Err(()) }
    };
    let done =
        retry(policy(MS(250), 1), op).on_event(|_: Event<'_, ()>| panic!("a bug of the listener")).await;
    assert_eq!((done, attempts.get()), (Ok(()), 2));
}

#[tokio::test(start_paused = true)]
async fn no_wait_ends_after_the_deadline() {
    // The waits are 250 ms, 500 ms and 1 s: the second retry starts at 750 ms, the third would start at 1,750 ms.
    for (time, expected) in [(250, 1), (251, 2), (1_750, 3), (1_751, 4)] {
        let (start, attempts) = (Instant::now(), Cell::new(0));
        let op = async || {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(())
        };
        let mut stopped = None;
        let listener = |event: Event<'_, ()>| {
            if let Event::Stop { reason, .. } = event {
                stopped = Some(reason);
            }
        };
        assert_eq!(retry(policy(MS(250), 3), op).within(MS(time)).on_event(listener).await, Err(()));
        assert_eq!(attempts.get(), expected, "within {time} ms");
        assert!(start.elapsed() < MS(time), "no useless wait");
        assert_eq!(stopped, Some(if expected == 4 { StopReason::Exhausted } else { StopReason::Deadline }));
    }
}

#[tokio::test(start_paused = true)]
async fn shared_budget_limits_all_calls() {
    let config = BudgetConfig { ratio: 0.2, per_second: 0.0, burst: 0, ..BudgetConfig::default() };
    let budget = RetryBudget::new(&config).unwrap();
    let (attempts, suppressed) = (Cell::new(0), Cell::new(0));
    for _ in 0..100 {
        let op = async || {
            attempts.set(attempts.get() + 1);
            Err::<(), _>("down")
        };
        let listener = |event: Event<'_, &str>| {
            if let Event::Stop { reason: StopReason::Budget, .. } = event {
                suppressed.set(suppressed.get() + 1);
            }
        };
        assert_eq!(retry(policy(MS(0), 3), op).budget(&budget).on_event(listener).await, Err("down"));
    }
    assert_eq!(attempts.get(), 120, "100 calls and one retry for every five");
    assert_eq!(suppressed.get(), 100);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_up_to_its_maximum() {
    for (retry_after, expected, waited) in [(3_000, 3, 6_000..6_601), (60_001, 1, 0..1)] {
        let (start, attempts) = (Instant::now(), Cell::new(0));
        let op = async || {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(MS(retry_after))
        };
        let policy = policy(MS(250), 2).when(|wait: &Duration| Class::after(*wait));
        assert_eq!(retry(policy, op).await, Err(MS(retry_after)));
        assert_eq!(attempts.get(), expected);
        assert!(waited.contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn completed_future_stays_pending() {
    let mut done = Box::pin(retry(RetryPolicy::default(), async || Ok::<_, ()>(7)));
    assert_eq!((&mut done).await, Ok(7));
    assert!(poll_once(done.as_mut()).is_pending());
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}
