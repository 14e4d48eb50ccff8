//! The async edge.

use std::future::Future;

use tokio::time::sleep;

use crate::{Ask, Decision, Pace, RetryPolicy};

/// Runs an operation until it succeeds or the policy's retries are made, with its backoff in between.
///
/// Every error is retried and dropped before the wait; the last one is returned. A first try that succeeds
/// allocates nothing.
///
/// # Errors
/// The operation's last error.
///
/// # Cancel safety
/// Dropping the future drops the operation in flight or the sleep; nothing runs on.
pub async fn retry<T, E, F, Fut>(policy: RetryPolicy, mut op: F) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let most = policy.max_retries();
    let mut done = 0;
    loop {
        // The error must not live through the wait: it may hold a connection.
        let wait = match op().await {
            Ok(value) => return Ok(value),
            Err(error) => {
                let ask = Ask { pace: Pace::Backoff, most, done, hint: None, unit: fastrand::f64() };
                match policy.decide(ask) {
                    Decision::After(wait) => wait,
                    Decision::Stop(_) => return Err(error),
                }
            }
        };
        done += 1;
        // No timer for nothing.
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests;
