use std::future::Future;

use tokio::time::sleep;

use crate::{Ask, Decision, Pace, RetryPolicy};

/// Runs an operation until it succeeds or the policy's retries are made, with its backoff in between.
///
/// Every error is retried; the last one is returned. A first try that succeeds allocates nothing.
///
/// # Errors
/// The operation's last error.
///
/// # Cancel safety
/// Dropping the future drops the operation in flight or the sleep; nothing runs on.
pub async fn retry<T, E, F, Fut>(policy: &RetryPolicy, mut op: F) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut done = 0;
    loop {
        let error = match op().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let ask =
            Ask { pace: Pace::Backoff, most: policy.max_retries(), done, hint: None, unit: fastrand::f64() };
        match policy.decide(ask) {
            Decision::After(wait) => {
                done += 1;
                // No timer for nothing.
                if !wait.is_zero() {
                    sleep(wait).await;
                }
            }
            Decision::Stop(_) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Behaviours of other libraries held here, by number: 61, 67.

    use std::{cell::Cell, time::Duration};

    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::{Jitter, RetryConfig};

    fn policy() -> RetryPolicy {
        RetryPolicy::new(RetryConfig { jitter: Jitter::None, ..RetryConfig::default() }).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_is_tried_until_it_succeeds_or_retries_are_made() {
        let began = Instant::now();
        let tries = Cell::new(0);
        let op = async || {
            tries.set(tries.get() + 1);
            if tries.get() < 3 { Err(tries.get()) } else { Ok("done") }
        };
        assert_eq!(retry(&policy(), op).await, Ok("done"));
        assert_eq!(began.elapsed(), Duration::from_millis(750));

        tries.set(-10);
        assert_eq!(retry(&policy(), op).await, Err(-7), "the last error, after three tries");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_retry_tries_no_more() {
        let tries = Cell::new(0);
        let op = async || {
            tries.set(tries.get() + 1);
            Err::<(), _>(())
        };
        let left = timeout(Duration::from_millis(100), retry(&policy(), op)).await;
        assert!(left.is_err());
        assert_eq!(tries.get(), 1);
    }
}
