//! Whole calls.
//!
//! Behaviours 12 and 13: a cancelled call is not counted, others once; 19: classification of errors.

use std::{cell::Cell, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::{BreakerConfig, RejectReason, State};

fn breaker() -> Breaker {
    let config = BreakerConfig { consecutive: Some(2), ..BreakerConfig::default() };
    Breaker::new(config, || Instant::now().into_std()).unwrap().with_seed(7)
}

#[tokio::test(start_paused = true)]
async fn calls_are_rejected_once_open() {
    let (breaker, made) = (breaker(), Cell::new(0));
    let down = async || {
        made.set(made.get() + 1);
        Err::<(), _>("down")
    };
    assert_eq!(breaker.call(down).await, Err(CallError::Failed("down")));
    assert_eq!(breaker.call(down).await, Err(CallError::Failed("down")));
    let Err(CallError::Rejected(rejected)) = breaker.call(down).await else { panic!("admitted") };
    assert_eq!((rejected.reason, made.get()), (RejectReason::Open, 2));
    sleep(rejected.retry_after).await;
    assert_eq!(breaker.call(async || Ok::<_, ()>(7)).await, Ok(7));
    assert_eq!(breaker.outstanding(), 0);
}

#[tokio::test(start_paused = true)]
async fn neutral_errors_do_not_open() {
    let breaker = breaker();
    for _ in 0..20 {
        let mistake = breaker.call_classified(|_| None, async || Err::<(), _>("a bad request")).await;
        assert_eq!(mistake, Err(CallError::Failed("a bad request")));
    }
    assert_eq!(breaker.state(Instant::now().into_std()), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn fallback_applies_to_failures_and_rejections() {
    let breaker = breaker();
    let mut given = Vec::new();
    for _ in 0..3 {
        let answer = breaker.call_or(async || Err("down"), |error| error.to_string()).await;
        given.push(answer.starts_with("breaker is open"));
    }
    assert_eq!(given, [false, false, true]);
    assert_eq!(breaker.call_or(async || Ok::<_, ()>(1), |_| 2).await, 2, "still open");
}

#[tokio::test(start_paused = true)]
async fn dropped_call_leaks_no_permit() {
    let breaker = breaker();
    let hung = breaker.call(async || {
        sleep(Duration::from_secs(3_600)).await;
        Ok::<_, ()>(())
    });
    assert!(timeout(Duration::from_secs(1), hung).await.is_err());
    assert_eq!(breaker.outstanding(), 0);
}

#[tokio::test(start_paused = true)]
async fn error_of_the_operation_keeps_its_source() {
    #[derive(Debug, thiserror::Error)]
    #[error("the query failed")]
    struct Query(#[source] std::io::Error);

    let query = async || Err::<(), _>(Query(std::io::Error::other("reset by peer")));
    let error = breaker().call(query).await.unwrap_err();
    let below = Error::source(&error).map(ToString::to_string);
    assert_eq!((error.to_string(), below.as_deref()), ("the query failed".to_owned(), Some("reset by peer")));

    let boxed = async || Err::<(), Box<dyn Error + Send + Sync>>("reset by peer".into());
    let error = breaker().call(boxed).await.unwrap_err().into_boxed();
    assert_eq!(error.to_string(), "reset by peer");
}
