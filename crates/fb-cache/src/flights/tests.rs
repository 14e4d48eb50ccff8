mod interleavings;

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};

use super::{FlightError, FlightStats, Flights, FlightsConfig, Role, WhenAbandoned};
use crate::{Key, KeyBuilder};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn key(name: &str) -> Key {
    KeyBuilder::new("test").part("name", name).finish()
}

fn flights(max_flights: usize, when_abandoned: WhenAbandoned) -> Flights<u32> {
    Flights::new(FlightsConfig { max_flights, when_abandoned })
}

/// Calls of ten seconds each, with counts of started and ended calls.
#[derive(Debug, Clone, Default)]
struct Calls {
    started: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Calls {
    fn fill(&self) -> impl Future<Output = u32> + Send + use<> {
        let Self { started, ended } = self.clone();
        async move {
            started.fetch_add(1, Relaxed);
            sleep(secs(10)).await;
            ended.fetch_add(1, Relaxed);
            7
        }
    }

    fn counts(&self) -> (usize, usize) {
        (self.started.load(Relaxed), self.ended.load(Relaxed))
    }
}

/// Polls once.
async fn poll_once<F: Future>(mut call: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Spawns a caller in its own task and lets it start to wait.
async fn caller(
    callers: &mut JoinSet<Result<(u32, Role), FlightError>>,
    flights: &Flights<u32>,
    calls: &Calls,
) -> tokio::task::AbortHandle {
    let (flights, calls) = (flights.clone(), calls.clone());
    let handle = callers.spawn(async move { flights.run(key("a"), None, move || calls.fill()).await });
    yield_now().await;
    handle
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_one_call() {
    let (flights, calls) = (flights(10, WhenAbandoned::Cancel), Calls::default());
    let call = || {
        flights.run(key("a"), None, {
            let calls = calls.clone();
            move || calls.fill()
        })
    };
    let shared = tokio::join!(call(), call(), call());
    assert_eq!(shared, (Ok((7, Role::Leader)), Ok((7, Role::Follower)), Ok((7, Role::Follower))));
    assert_eq!(call().await, Ok((7, Role::Leader)));
    assert_eq!(calls.counts(), (2, 2));
    assert_eq!(flights.stats(), FlightStats { led: 2, coalesced: 2, alone: 0, in_flight: 0 });
}

#[tokio::test(start_paused = true)]
async fn different_keys_are_not_shared() {
    let flights = flights(10, WhenAbandoned::Cancel);
    let pair =
        tokio::join!(flights.run(key("a"), None, async || 1), flights.run(key("b"), None, async || 2),);
    assert_eq!(pair, (Ok((1, Role::Leader)), Ok((2, Role::Leader))));
}

#[tokio::test(start_paused = true)]
async fn followers_get_the_value_after_the_leader_is_aborted() {
    let (flights, calls) = (flights(10, WhenAbandoned::Cancel), Calls::default());
    let mut callers = JoinSet::new();
    let leader = caller(&mut callers, &flights, &calls).await;
    caller(&mut callers, &flights, &calls).await;
    leader.abort();
    let start = Instant::now();
    assert!(callers.join_next().await.unwrap().unwrap_err().is_cancelled());
    assert_eq!(callers.join_next().await.unwrap().unwrap(), Ok((7, Role::Follower)));
    assert_eq!((calls.counts(), start.elapsed()), ((1, 1), secs(10)));
}

#[tokio::test(start_paused = true)]
async fn abandoned_call_is_cancelled() {
    let (flights, calls) = (flights(10, WhenAbandoned::Cancel), Calls::default());
    let mut callers = JoinSet::new();
    caller(&mut callers, &flights, &calls).await;
    caller(&mut callers, &flights, &calls).await;
    callers.shutdown().await;
    sleep(secs(60)).await;
    assert_eq!(calls.counts(), (1, 0));
    assert_eq!(flights.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn abandoned_call_is_finished_if_configured() {
    let (flights, calls) = (flights(10, WhenAbandoned::Finish), Calls::default());
    let mut callers = JoinSet::new();
    caller(&mut callers, &flights, &calls).await;
    callers.shutdown().await;
    // A caller that comes while the call runs joins it.
    let late = flights.run(key("a"), None, async || 8).await;
    assert_eq!((late, calls.counts()), (Ok((7, Role::Follower)), (1, 1)));
    caller(&mut callers, &flights, &calls).await;
    callers.shutdown().await;
    sleep(secs(60)).await;
    assert_eq!((calls.counts(), flights.stats().in_flight), ((2, 2), 0));
}

#[tokio::test(start_paused = true)]
async fn caller_during_the_end_of_an_abandoned_call_starts_a_new_one() {
    let flights = flights(10, WhenAbandoned::Cancel);
    {
        let call = flights.run(key("a"), None, pending::<u32>);
        assert!(timeout(secs(1), call).await.is_err());
    }
    // The task is aborted but has not ended yet.
    assert_eq!(flights.stats().in_flight, 1);
    assert_eq!(flights.run(key("a"), None, async || 8).await, Ok((8, Role::Leader)));
}

#[tokio::test(start_paused = true)]
async fn leaving_an_ended_flight_does_not_affect_a_newer_one() {
    let (flights, calls) = (flights(10, WhenAbandoned::Cancel), Calls::default());
    {
        let mut slow = Box::pin(flights.run(key("a"), None, async || 1));
        // The caller waits, its call ends, and the caller is not polled again.
        assert!(poll_once(slow.as_mut()).await.is_none());
        while flights.stats().in_flight > 0 {
            yield_now().await;
        }
        let mut callers = JoinSet::new();
        caller(&mut callers, &flights, &calls).await;
        drop(slow);
        assert_eq!(callers.join_next().await.unwrap().unwrap(), Ok((7, Role::Leader)));
    }
    assert_eq!(calls.counts(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn every_caller_has_its_own_deadline() {
    let (flights, calls) = (flights(10, WhenAbandoned::Cancel), Calls::default());
    let start = Instant::now();
    let call = |after: Option<u64>| {
        let (flights, calls) = (&flights, calls.clone());
        async move {
            let deadline = after.map(|after| start + secs(after));
            let result = flights.run(key("a"), deadline, move || calls.fill()).await;
            (result, start.elapsed())
        }
    };
    let results = tokio::join!(call(Some(3)), call(Some(5)), call(None), call(Some(11)));
    let late = |after| (Err(FlightError::Deadline), secs(after));
    let in_time = (Ok((7, Role::Follower)), secs(10));
    assert_eq!(results, (late(3), late(5), in_time, in_time));
    assert_eq!(calls.counts(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn panic_is_an_error_for_all_waiters_and_frees_the_key() {
    let flights = flights(10, WhenAbandoned::Cancel);
    let call = || {
        flights.run(key("a"), None, async || {
            sleep(secs(1)).await;
            panic!("as intended")
        })
    };
    assert_eq!(tokio::join!(call(), call()), (Err(FlightError::Panicked), Err(FlightError::Panicked)));
    assert_eq!(flights.stats().in_flight, 0);
    assert_eq!(flights.run(key("a"), None, async || 8).await, Ok((8, Role::Leader)));
}

#[tokio::test(start_paused = true)]
async fn error_value_goes_to_current_waiters_only() {
    let flights = Flights::<Result<u32, &str>>::new(FlightsConfig::default());
    let call = |answer| {
        flights.run(key("a"), None, move || async move {
            sleep(secs(1)).await;
            answer
        })
    };
    let shared = tokio::join!(call(Err("down")), call(Ok(1)));
    assert_eq!(shared, (Ok((Err("down"), Role::Leader)), Ok((Err("down"), Role::Follower))));
    assert_eq!(call(Ok(2)).await, Ok((Ok(2), Role::Leader)));
}

#[tokio::test(start_paused = true)]
async fn calls_above_the_limit_are_unshared() {
    let (flights, calls) = (flights(1, WhenAbandoned::Cancel), Calls::default());
    let call = |name: &str| {
        flights.run(key(name), None, {
            let calls = calls.clone();
            move || calls.fill()
        })
    };
    let shared = tokio::join!(call("a"), call("b"), call("b"), call("a"));
    let alone = Ok((7, Role::Alone));
    assert_eq!(shared, (Ok((7, Role::Leader)), alone, alone, Ok((7, Role::Follower))));
    assert_eq!(flights.stats(), FlightStats { led: 1, coalesced: 1, alone: 2, in_flight: 0 });
    // Deadlines also apply to unshared calls.
    let none = Flights::<u32>::new(FlightsConfig { max_flights: 0, ..FlightsConfig::default() });
    let late = none.run(key("a"), Some(Instant::now() + secs(1)), pending).await;
    assert_eq!(late, Err(FlightError::Deadline));
}

#[test]
fn runtime_shutdown_frees_the_keys() {
    let flights = flights(10, WhenAbandoned::Finish);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime().block_on(async {
        let deadline = Some(Instant::now());
        let result = flights.run(key("a"), deadline, pending::<u32>).await;
        assert_eq!(result, Err(FlightError::Deadline));
        assert_eq!(flights.stats().in_flight, 1);
    });
    assert_eq!(flights.stats().in_flight, 0);
    assert_eq!(runtime().block_on(flights.run(key("a"), None, async || 8)), Ok((8, Role::Leader)));
}

#[test]
fn settings_have_defaults_and_unknown_ones_are_rejected() {
    let config: FlightsConfig = serde_json::from_str(r#"{"when_abandoned": "finish"}"#).unwrap();
    assert_eq!(config, FlightsConfig { max_flights: 10_000, when_abandoned: WhenAbandoned::Finish });
    let error = serde_json::from_str::<FlightsConfig>(r#"{"max": 1}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown field `max`, expected `max_flights` or `when_abandoned` at line 1 column 6"
    );
}
