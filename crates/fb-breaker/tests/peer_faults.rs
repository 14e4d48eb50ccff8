//! The same scenarios for this crate and for circuitbreaker-rs 0.1.1, failsafe 1.3.0, recloser 1.4.0 and
//! tower-resilience-circuitbreaker 0.14.0. The assertions on the other crates state their actual behaviour, faulty or not.
//!
//! Behaviours 2: half-open admits the configured number of probes; 17: late verdicts change nothing; 22 and 55: a dropped
//! probe frees its slot.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, LazyLock, OnceLock},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use circuitbreaker_rs::{CircuitBreaker, DefaultPolicy};
use failsafe::futures::CircuitBreaker as _;
use fb_breaker::{Breaker, BreakerConfig, Permit, RejectReason, State, Weight, WindowConfig};
use recloser::{AsyncRecloser, Recloser};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, CircuitState};
use tower_service::Service;

/// The shortest time, for scenarios in which the clock of another crate only has to advance.
const AT_ONCE: Duration = Duration::from_nanos(1);
/// Long enough to observe the open state.
const OPEN: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("it failed")]
struct Failed;

/// The result of a call in flight, once it is set.
type End = Arc<OnceLock<Result<(), Failed>>>;

fn end(result: Result<(), Failed>) -> End {
    Arc::new(OnceLock::from(result))
}

fn in_flight() -> End {
    End::default()
}

fn until(end: &End) -> impl Future<Output = Result<(), Failed>> + Send + use<> {
    let end = Arc::clone(end);
    poll_fn(move |_| end.get().map_or(Poll::Pending, |result| Poll::Ready(*result)))
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a future that must be ready.
fn now_or_never<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is pending"),
    }
}

/// The clock of this crate.
fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "an `Instant` can be made in no other way")]
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    *BEGINNING + ELAPSED.get()
}

/// The clock of the other crates.
#[expect(clippy::disallowed_methods, reason = "the other crates accept no other clock")]
fn peers_now() -> Instant {
    Instant::now()
}

thread_local! {
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn advance(time: Duration) {
    ELAPSED.set(ELAPSED.get() + time);
}

/// Returns a closed breaker of this crate with two probes.
fn ours() -> Breaker {
    Breaker::new(BreakerConfig::default(), now).unwrap()
}

/// Opens a breaker and lets its open time elapse.
fn elapse(breaker: &Breaker) {
    while let Ok(permit) = breaker.try_acquire(now()) {
        permit.failure(Weight::FULL, now());
    }
    advance(Duration::from_secs(5));
}

/// Returns a `circuitbreaker-rs` breaker that opens at the first failure, with two probes.
fn circuitbreaker_rs() -> CircuitBreaker<DefaultPolicy, Failed> {
    CircuitBreaker::<DefaultPolicy, Failed>::builder()
        .consecutive_failures(1)
        .probe_interval(2)
        .cooldown(Duration::ZERO)
        .build()
}

/// A service that returns the result in its request.
#[derive(Clone)]
struct Inner;

impl Service<End> for Inner {
    type Response = ();
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: End) -> Self::Future {
        Box::pin(until(&request))
    }
}

type TowerResilience = tower_resilience_circuitbreaker::CircuitBreaker<
    Inner,
    tower_resilience_circuitbreaker::DefaultClassifier,
>;

/// Returns a `tower-resilience` breaker over the last ten calls.
fn tower_resilience(probes: usize) -> TowerResilience {
    let layer = CircuitBreakerLayer::builder()
        .sliding_window_size(10)
        .wait_duration_in_open(AT_ONCE)
        .permitted_calls_in_half_open(probes)
        .build();
    layer.unwrap().layer_fn(Inner)
}

#[test]
fn cancelled_probes_free_their_slots() {
    let breaker = ours();
    elapse(&breaker);
    let probe = || {
        let end = in_flight();
        breaker.call(move || until(&end))
    };
    for _ in 0..4 {
        assert!(poll(pin!(probe())).is_pending());
    }
    assert_eq!((breaker.state(now()), breaker.outstanding()), (State::HalfOpen, 0));
    (0..2).for_each(|_| breaker.try_acquire(now()).unwrap().success(now()));
    assert_eq!(breaker.state(now()), State::Closed);

    // circuitbreaker-rs 0.1.1 stays half-open forever: the slots are lost.
    let peer = circuitbreaker_rs();
    peer.call(|| Err::<(), _>(Failed)).unwrap_err();
    for _ in 0..3 {
        assert!(poll(pin!(peer.call_async(|| until(&in_flight())))).is_pending());
    }
    let long_after = peers_now() + OPEN;
    while peers_now() < long_after {
        peer.call(|| Ok(())).unwrap_err();
    }
    assert_eq!(peer.current_state(), circuitbreaker_rs::State::HalfOpen);

    // tower-resilience 0.14.0 frees them; failsafe 1.3.0 and recloser 1.4.0 do not count them.
    let mut peer = tower_resilience(2);
    (0..10).for_each(|_| drop(now_or_never(peer.call(end(Err(Failed))))));
    for _ in 0..4 {
        assert!(poll(peer.call(in_flight()).as_mut()).is_pending());
    }
    (0..2).for_each(|_| now_or_never(peer.call(end(Ok(())))).unwrap());
    assert_eq!(peer.state_sync(), CircuitState::Closed);
}

#[test]
fn call_window_ignores_older_calls() {
    let config = BreakerConfig::with(|config| {
        config.consecutive = None;
        config.window = WindowConfig::with(|config| config.calls = Some(10));
    });
    let breaker = Breaker::new(config.clone(), now).unwrap();
    (0..100).for_each(|_| breaker.try_acquire(now()).unwrap().success(now()));
    (0..5).for_each(|_| breaker.try_acquire(now()).unwrap().failure(Weight::FULL, now()));
    assert_eq!(breaker.peek(now()).unwrap_err().reason, RejectReason::Open);

    // tower-resilience 0.14.0 is configured with ten calls too, but counts all calls since it closed.
    let mut peer = tower_resilience(2);
    (0..100).for_each(|_| now_or_never(peer.call(end(Ok(())))).unwrap());
    (0..99).for_each(|_| drop(now_or_never(peer.call(end(Err(Failed))))));
    assert_eq!(peer.state_sync(), CircuitState::Closed);

    // Nine failures, ten successes, one failure: a tenth of the last ten.
    let breaker = Breaker::new(config, now).unwrap();
    (0..9).for_each(|_| breaker.try_acquire(now()).unwrap().failure(Weight::FULL, now()));
    (0..10).for_each(|_| breaker.try_acquire(now()).unwrap().success(now()));
    breaker.try_acquire(now()).unwrap().failure(Weight::FULL, now());
    assert_eq!(breaker.state(now()), State::Closed);

    // circuitbreaker-rs 0.1.1 has no window: it sees half of all calls fail.
    let peer = CircuitBreaker::<DefaultPolicy, Failed>::builder()
        .consecutive_failures(u64::MAX)
        .failure_threshold(0.5)
        .min_throughput(10)
        .build();
    for _ in 0..9 {
        peer.call(|| Err::<(), _>(Failed)).unwrap_err();
    }
    (0..10).for_each(|_| peer.call(|| Ok(())).unwrap());
    assert_eq!(peer.current_state(), circuitbreaker_rs::State::Closed);
    peer.call(|| Err::<(), _>(Failed)).unwrap_err();
    assert_eq!(peer.current_state(), circuitbreaker_rs::State::Open);

    // recloser 1.4.0 has a sliding window of calls.
    let peer = Recloser::custom().closed_len(10).open_wait(OPEN).build();
    (0..100).for_each(|_| peer.call(|| Ok::<_, Failed>(())).unwrap());
    for _ in 0..5 {
        peer.call(|| Err::<(), _>(Failed)).unwrap_err();
    }
    assert!(matches!(peer.call(|| Ok::<_, Failed>(())), Err(recloser::Error::Rejected)));
}

#[test]
fn half_open_admits_exactly_the_configured_probes() {
    const CALLERS: usize = 20;

    let breaker = ours();
    elapse(&breaker);
    let probes: Vec<Permit> = (0..CALLERS).filter_map(|_| breaker.try_acquire(now()).ok()).collect();
    assert_eq!(probes.len(), 2);

    // circuitbreaker-rs 0.1.1: one more than the two, since the call that ends the open time is not counted.
    let peer = circuitbreaker_rs();
    peer.call(|| Err::<(), _>(Failed)).unwrap_err();
    let mut probes: Vec<_> =
        (0..CALLERS).map(|_| Box::pin(peer.call_async(|| until(&in_flight())))).collect();
    assert_eq!(admitted(&mut probes), 3);

    // recloser 1.4.0: all of them, although configured with two.
    let peer =
        AsyncRecloser::from(Recloser::custom().closed_len(1).half_open_len(2).open_wait(AT_ONCE).build());
    for _ in 0..2 {
        now_or_never(peer.call(until(&end(Err(Failed))))).unwrap_err();
    }
    while let Err(recloser::Error::Rejected) = now_or_none(peer.call(until(&in_flight()))) {}
    let mut probes: Vec<_> = (0..CALLERS).map(|_| Box::pin(peer.call(until(&in_flight())))).collect();
    assert_eq!(admitted(&mut probes), CALLERS);

    // failsafe 1.3.0: all of them; the number cannot be configured.
    let policy = failsafe::failure_policy::consecutive_failures(1, failsafe::backoff::constant(AT_ONCE));
    let peer = failsafe::Config::new().failure_policy(policy).build();
    now_or_never(peer.call(until(&end(Err(Failed))))).unwrap_err();
    while !peer.is_call_permitted() {}
    let mut probes: Vec<_> = (0..CALLERS).map(|_| Box::pin(peer.call(until(&in_flight())))).collect();
    assert_eq!(admitted(&mut probes), CALLERS);

    // tower-resilience 0.14.0: two.
    let mut peer = tower_resilience(2);
    (0..10).for_each(|_| drop(now_or_never(peer.call(end(Err(Failed))))));
    let mut probes: Vec<_> = (0..CALLERS).map(|_| peer.call(in_flight())).collect();
    assert_eq!(admitted(&mut probes), 2);
}

/// Returns the number of started calls among calls that never end.
fn admitted<F: Future + ?Sized>(calls: &mut [Pin<Box<F>>]) -> usize {
    calls.iter_mut().filter_map(|call| poll(call.as_mut()).is_pending().then_some(())).count()
}

/// Polls a future once and treats pending as success.
fn now_or_none<E>(future: impl Future<Output = Result<(), E>>) -> Result<(), E> {
    match poll(pin!(future)) {
        Poll::Ready(result) => result,
        Poll::Pending => Ok(()),
    }
}

#[test]
fn calls_from_before_an_outage_change_nothing() {
    let breaker = ours();
    let early = [breaker.try_acquire(now()).unwrap(), breaker.try_acquire(now()).unwrap()];
    elapse(&breaker);
    let _probe = breaker.try_acquire(now()).unwrap();
    let [succeeds, fails] = early;
    succeeds.success(now());
    fails.failure(Weight::FULL, now());
    assert_eq!((breaker.state(now()), breaker.late_verdicts()), (State::HalfOpen, 2));

    // circuitbreaker-rs 0.1.1: the old failure opens it while its probe is still in flight.
    let peer = circuitbreaker_rs();
    let old = in_flight();
    let mut early = pin!(peer.call_async(|| until(&old)));
    assert!(poll(early.as_mut()).is_pending());
    peer.call(|| Err::<(), _>(Failed)).unwrap_err();
    let mut probe = pin!(peer.call_async(|| until(&in_flight())));
    assert!(poll(probe.as_mut()).is_pending());
    assert_eq!(peer.current_state(), circuitbreaker_rs::State::HalfOpen);
    old.set(Err(Failed)).unwrap();
    assert!(poll(early).is_ready());
    assert_eq!(peer.current_state(), circuitbreaker_rs::State::Open);

    // tower-resilience 0.14.0: the old success closes it while its probe is still in flight.
    let mut peer = tower_resilience(1);
    let old = in_flight();
    let mut early = peer.call(Arc::clone(&old));
    assert!(poll(early.as_mut()).is_pending());
    (0..10).for_each(|_| drop(now_or_never(peer.call(end(Err(Failed))))));
    let mut probe = peer.call(in_flight());
    assert!(poll(probe.as_mut()).is_pending());
    assert_eq!(peer.state_sync(), CircuitState::HalfOpen);
    old.set(Ok(())).unwrap();
    assert!(poll(early.as_mut()).is_ready());
    assert_eq!(peer.state_sync(), CircuitState::Closed);

    // failsafe 1.3.0: the same.
    let policy = failsafe::failure_policy::consecutive_failures(1, failsafe::backoff::constant(AT_ONCE));
    let peer = failsafe::Config::new().failure_policy(policy).build();
    let old = in_flight();
    let mut early = pin!(peer.call(until(&old)));
    assert!(poll(early.as_mut()).is_pending());
    now_or_never(peer.call(until(&end(Err(Failed))))).unwrap_err();
    while !peer.is_call_permitted() {}
    assert_eq!(format!("{peer:?}"), r#"StateMachine { state: "half_open" }"#);
    old.set(Ok(())).unwrap();
    assert!(poll(early).is_ready());
    assert_eq!(format!("{peer:?}"), r#"StateMachine { state: "closed" }"#);

    // recloser 1.4.0: two old failures open it while its probe is still in flight.
    let peer = AsyncRecloser::from(Recloser::custom().closed_len(1).half_open_len(1).open_wait(OPEN).build());
    let old = in_flight();
    let mut early: Vec<_> = (0..2).map(|_| Box::pin(peer.call(until(&old)))).collect();
    assert_eq!(admitted(&mut early), 2);
    for _ in 0..2 {
        now_or_never(peer.call(until(&end(Err(Failed))))).unwrap_err();
    }
    while let Err(recloser::Error::Rejected) = now_or_none(peer.call(until(&in_flight()))) {}
    old.set(Err(Failed)).unwrap();
    assert_eq!(admitted(&mut early), 0);
    let rejected = now_or_none(peer.call(until(&in_flight())));
    assert!(matches!(rejected, Err(recloser::Error::Rejected)));
}
