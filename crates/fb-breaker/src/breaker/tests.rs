//! The guards, the lock and the listener around the machine.
//!
//! Behaviours 12, 18, 22 and 55: a cancelled call is not counted, a panicking one is a failure, and both free their slot;
//! 28: a rejection stays small; 29, 33: a listener may call the breaker, or panic; 60: threads do not exceed the permits;
//! 7, 8, 9 and 41: overrides, their end, and the listener; 38: a snapshot keeps the remaining time.

use std::fmt::Write;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::config::HalfOpenConfig;
use crate::permit::{Permit, ProvisionalPermit};
use crate::virtual_time::{self, at};

use crate::state::{RejectReason, Transition};

use crate::{Mode, Override, OverrideSnapshot, Snapshot};

use super::*;

mod unlocked;

const _: () = assert!(size_of::<Rejected>() <= 24, "a rejection must be cheap");
const _: fn(Permit, Breaker) = |permit, breaker| {
    fn shared(_: impl Send + Sync + 'static) {}
    shared(permit);
    shared(breaker);
};

fn breaker() -> Breaker {
    Breaker::new(BreakerConfig::default(), virtual_time::now).unwrap().with_seed(7)
}

/// Returns a breaker that opens at the first failure, for exactly 5 s, and a log of its transitions.
fn watched() -> (Breaker, Arc<Mutex<String>>) {
    let config = BreakerConfig { consecutive: Some(1), ..BreakerConfig::default() };
    let log = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&log);
    let listener = move |event: &Transition| {
        writeln!(sink.lock(), "{} {event}", event.generation).unwrap();
    };
    let breaker = Breaker::new(config, virtual_time::now).unwrap();
    breaker.shared.core.lock().jitter = 1.0;
    (breaker.with_listener(Arc::new(listener)), log)
}

/// Opens the breaker and lets its open time elapse.
fn elapse(breaker: &Breaker) -> Instant {
    while let Ok(permit) = breaker.try_acquire(virtual_time::now()) {
        permit.failure(Weight::FULL, virtual_time::now());
    }
    virtual_time::set(5_000)
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` reads best as the last argument itself")]
#[track_caller]
fn check(log: &Mutex<String>, expected: Expect) {
    expected.assert_eq(&log.lock());
}

#[test]
fn dropped_permit_frees_its_slot_without_a_verdict() {
    let (breaker, log) = watched();
    drop(breaker.try_acquire(at(0)).unwrap());
    let now = elapse(&breaker);
    let probes = [breaker.try_acquire(now).unwrap(), breaker.try_acquire(now).unwrap()];
    assert_eq!(breaker.try_acquire(now).unwrap_err().reason, RejectReason::HalfOpenFull);
    assert_eq!(breaker.outstanding(), 2);
    drop(probes);
    assert_eq!(breaker.outstanding(), 0);
    assert_eq!(breaker.peek(now), Ok(()));
    check(
        &log,
        expect![[r#"
        1 closed -> open for 5s (consecutive failures)
        2 open, next call probes -> half-open (open time elapsed)
    "#]],
    );
}

#[test]
fn permit_dropped_by_a_panic_is_a_failure() {
    let (breaker, log) = watched();
    let permit = breaker.try_acquire(at(0)).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _held = permit;
        resume_unwind(Box::new("the call panicked"));
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the call panicked"));
    assert_eq!(breaker.outstanding(), 0);
    check(
        &log,
        expect![[r#"
        1 closed -> open for 5s (consecutive failures)
    "#]],
    );
}

#[test]
fn listener_may_call_the_breaker() {
    let states = Arc::new(Mutex::new(Vec::new()));
    let (breaker, _) = watched();
    let (same, seen) = (breaker.clone(), Arc::clone(&states));
    let listener =
        move |event: &Transition| seen.lock().push((event.to, same.state(at(0)), same.outstanding()));
    let breaker = breaker.with_listener(Arc::new(listener));
    breaker.try_acquire(at(0)).unwrap().failure(Weight::FULL, at(0));
    let open = breaker.state(at(0));
    assert_eq!(*states.lock(), [(open, open, 0)]);
}

#[test]
fn panicking_listener_does_not_affect_calls() {
    let (breaker, _) = watched();
    let breaker = breaker.with_listener(Arc::new(|_| resume_unwind(Box::new("the listener panicked"))));
    let permit = breaker.try_acquire(at(0)).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _held = permit;
        resume_unwind(Box::new("the call panicked"));
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the call panicked"));
    breaker.reset(at(0));
    assert_eq!(breaker.state(at(0)), State::Closed);
}

#[test]
fn provisional_permit_holds_no_slot_and_may_be_dropped() {
    let breaker = breaker();
    let provisional = breaker.try_acquire(at(0)).unwrap().provisional(at(0));
    assert_eq!(breaker.outstanding(), 0);
    drop(provisional);
    assert_eq!((breaker.state(at(0)), breaker.late_verdicts()), (State::Closed, 0));
}

#[test]
fn equal_seeds_give_equal_jitter_in_the_second_half() {
    let open_times = |seed| {
        let breaker = breaker().with_seed(seed);
        let mut now = at(0);
        let mut waits = Vec::new();
        while waits.len() < 5 {
            match breaker.try_acquire(now) {
                Ok(permit) => permit.failure(Weight::FULL, now),
                Err(rejected) => {
                    waits.push(rejected.retry_after);
                    now += rejected.retry_after;
                }
            }
        }
        waits
    };
    assert_eq!(open_times(1), open_times(1));
    assert_ne!(open_times(1), open_times(2));
    for (step, wait) in (0_u32..).zip(open_times(3)) {
        let longest = Duration::from_secs((5 << step).min(15));
        assert!((longest / 2..=longest).contains(&wait), "{wait:?}");
    }
}

#[test]
fn admission_never_exceeds_the_permits_under_contention() {
    let half_open = HalfOpenConfig { permits: 3, ..HalfOpenConfig::default() };
    let config = BreakerConfig { half_open, ..BreakerConfig::default() };
    let breaker = Breaker::new(config, virtual_time::now).unwrap();
    let now = elapse(&breaker);
    let (in_flight, admitted) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    if let Ok(permit) = breaker.try_acquire(now) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                        assert!(in_flight.fetch_add(1, Ordering::SeqCst) < 3);
                        thread::yield_now();
                        in_flight.fetch_sub(1, Ordering::SeqCst);
                        permit.neutral(now);
                    }
                }
            });
        }
    });
    assert!(admitted.into_inner() >= 1_000, "one thread alone is always admitted");
    assert_eq!(breaker.outstanding(), 0);
}

#[tokio::test(start_paused = true)]
async fn cancelled_future_changes_nothing_under_a_paused_clock() {
    let now = || tokio::time::Instant::now().into_std();
    let breaker = Breaker::new(BreakerConfig::default(), now).unwrap();
    let call = async {
        let _permit = breaker.try_acquire(now()).unwrap();
        std::future::pending::<()>().await;
    };
    let cancelled = tokio::time::timeout(Duration::from_secs(3_600), call).await;
    assert!(cancelled.is_err());
    assert_eq!((breaker.outstanding(), breaker.state(now())), (0, State::Closed));
}

#[derive(Clone, Debug)]
enum Op {
    Acquire,
    Bypass,
    End(usize, End),
    FailLate,
    Advance(u64),
}

#[derive(Clone, Debug)]
enum End {
    Success,
    Failure,
    Neutral,
    Drop,
    Provisional,
}

fn op() -> impl Strategy<Value = Op> {
    let end = prop_oneof![
        1 => Just(End::Success),
        3 => Just(End::Failure),
        1 => Just(End::Neutral),
        2 => Just(End::Drop),
        1 => Just(End::Provisional),
    ];
    prop_oneof![
        6 => Just(Op::Acquire),
        2 => Just(Op::Bypass),
        8 => (any::<usize>(), end).prop_map(|(which, end)| Op::End(which, end)),
        1 => Just(Op::FailLate),
        2 => (0_u64..20_000).prop_map(Op::Advance),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn permits_are_outstanding_until_settled_and_peek_matches_acquire(
        ops in vec(op(), 1..150),
    ) {
        let breaker = breaker();
        let (mut held, mut provisional): (Vec<Permit>, Vec<ProvisionalPermit>) = (Vec::new(), Vec::new());
        let mut elapsed = 0;
        for op in ops {
            let now = virtual_time::set(elapsed);
            match op {
                Op::Acquire => {
                    let peeked = breaker.peek(now);
                    let answer = breaker.try_acquire(now);
                    prop_assert_eq!(peeked, answer.as_ref().map(|_| ()).map_err(|rejected| *rejected));
                    held.extend(answer);
                }
                Op::Bypass => held.extend(breaker.try_bypass(now)),
                Op::End(_, _) if held.is_empty() => {}
                Op::End(which, end) => {
                    let permit = held.swap_remove(which % held.len());
                    match end {
                        End::Success => permit.success(now),
                        End::Failure => permit.failure(Weight::FULL, now),
                        End::Neutral => permit.neutral(now),
                        End::Drop => drop(permit),
                        End::Provisional => provisional.push(permit.provisional(now)),
                    }
                }
                Op::FailLate => {
                    if let Some(provisional) = provisional.pop() {
                        provisional.failure(Weight::FULL, now);
                    }
                }
                Op::Advance(millis) => elapsed += millis,
            }
            prop_assert_eq!(breaker.outstanding() as usize, held.len());
        }
        drop(held);
        prop_assert_eq!(breaker.outstanding(), 0);
    }
}

/// Returns a breaker that opens at two failures, and the reasons passed to its listener.
fn logged() -> (Breaker, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let config = BreakerConfig { consecutive: Some(2), ..BreakerConfig::default() };
    let breaker = Breaker::new(config, virtual_time::now).unwrap().with_seed(7);
    (breaker.with_listener(Arc::new(move |event| sink.lock().push(event.reason.to_string()))), log)
}

#[test]
fn override_takes_precedence_until_it_ends() {
    let now = at(0);
    let later = |secs| now + Duration::from_secs(secs);
    let (breaker, _) = logged();
    breaker.force(Override::new(Mode::ForcedOpen, "maintenance").until(later(10)));
    for rejected in [breaker.try_acquire(now).unwrap_err(), breaker.try_bypass(now).unwrap_err()] {
        assert_eq!(rejected, Rejected { retry_after: Duration::from_secs(10), reason: RejectReason::Forced });
    }
    assert_eq!(breaker.peek(later(4)).unwrap_err().retry_after, Duration::from_secs(6));
    assert_eq!(breaker.forced(now).unwrap().reason.as_ref(), "maintenance");
    assert_eq!(breaker.state(now), State::Closed, "its own state is unaffected");
    assert_eq!((breaker.peek(later(10)), breaker.forced(later(10))), (Ok(()), None));

    breaker.force(Override::new(Mode::ForcedOpen, "for good"));
    let rejected = breaker.try_acquire(later(9_999)).unwrap_err();
    assert_eq!(rejected.retry_after, Duration::from_secs(15));
    breaker.lift();
    breaker.try_acquire(now).unwrap().success(now);
    assert_eq!(breaker.outstanding(), 0);
}

#[test]
fn forced_closed_keeps_counting_and_only_metrics_mode_calls_the_listener() {
    for (mode, expected) in [(Mode::ForcedClosed, vec![]), (Mode::MetricsOnly, vec!["consecutive failures"])]
    {
        let now = at(0);
        let (breaker, log) = logged();
        breaker.force(Override::new(mode, "trial"));
        for _ in 0..9 {
            breaker.try_acquire(now).unwrap().failure(Weight::FULL, now);
            assert_eq!(breaker.peek(now), Ok(()));
        }
        assert_eq!(*log.lock(), expected);
        assert!(matches!(breaker.state(now), State::Open { .. }), "it would have opened");
        breaker.lift();
        assert_eq!(breaker.try_acquire(now).unwrap_err().reason, RejectReason::Open);
        assert_eq!(breaker.outstanding(), 0);
    }
}

#[test]
fn override_modes_cause_no_transition_in_any_state() {
    let fail = |breaker: &Breaker| breaker.try_acquire(at(0)).unwrap().failure(Weight::FULL, at(0));
    let probe = |breaker: &Breaker| drop(breaker.try_acquire(at(10_000)).unwrap());
    for failures in [0, 2] {
        for probes in [0, 1] {
            let (breaker, log) = logged();
            (0..failures).for_each(|_| fail(&breaker));
            virtual_time::set(10_000);
            (0..probes).for_each(|_| probe(&breaker));
            let (state, before) = (breaker.state(at(10_000)), log.lock().clone());
            for mode in [Mode::ForcedOpen, Mode::ForcedClosed, Mode::MetricsOnly] {
                let decision = Override::new(mode, "trial");
                (0..2).for_each(|_| breaker.force(decision.clone()));
                assert_eq!(breaker.forced(at(10_000)), Some(decision));
                assert_eq!(breaker.peek(at(10_000)).is_ok(), mode != Mode::ForcedOpen);
            }
            breaker.lift();
            assert_eq!((breaker.state(at(10_000)), &*log.lock()), (state, &before));
        }
    }
}

#[test]
fn restored_half_open_breaker_probes_at_once() {
    let (breaker, _) = logged();
    for _ in 0..2 {
        breaker.try_acquire(at(0)).unwrap().failure(Weight::FULL, at(0));
    }
    let _probe = breaker.try_acquire(virtual_time::set(10_000)).unwrap();
    let kept = breaker.snapshot(at(10_000));
    let expected = Snapshot {
        open_for: Some(Duration::ZERO),
        escalation: 1,
        failures: 2,
        last_failure: Some(Duration::from_secs(10)),
        forced: None,
    };
    assert_eq!(kept, expected);
    let (again, log) = logged();
    again.restore(&kept, at(0));
    again.try_acquire(at(0)).unwrap().success(at(0));
    assert_eq!((again.state(at(0)), &*log.lock()), (State::HalfOpen, &vec!["open time elapsed".to_owned()]));
}

#[test]
fn snapshot_keeps_durations() {
    let now = at(0);
    let (breaker, _) = logged();
    assert_eq!(breaker.snapshot(now), Snapshot::default());
    for _ in 0..2 {
        breaker
            .try_acquire(now)
            .unwrap()
            .failure(Weight::FULL.with_retry_after(Duration::from_secs(40)), now);
    }
    breaker.force(Override::new(Mode::MetricsOnly, "trial").until(now + Duration::from_secs(20)));
    let kept = breaker.snapshot(now + Duration::from_secs(15));
    let forced = OverrideSnapshot {
        mode: Mode::MetricsOnly,
        reason: "trial".to_owned(),
        left: Some(Duration::from_secs(5)),
    };
    let expected = Snapshot {
        open_for: Some(Duration::from_secs(25)),
        escalation: 1,
        failures: 2,
        last_failure: Some(Duration::from_secs(15)),
        forced: Some(forced),
    };
    assert_eq!(kept, expected);

    // Another process with another clock.
    let now = now + Duration::from_secs(5_000);
    let (again, log) = logged();
    let before = again.try_acquire(now).unwrap();
    again.restore(&kept, now);
    before.failure(Weight::FULL, now);
    assert_eq!(again.late_verdicts(), 1);
    assert_eq!(again.snapshot(now), kept);
    assert_eq!(again.peek(now + Duration::from_secs(4)), Ok(()), "metrics only");
    let rejected = again.try_acquire(now + Duration::from_secs(6)).unwrap_err();
    assert_eq!(rejected.retry_after, Duration::from_secs(19));
    again.try_acquire(now + Duration::from_secs(25)).unwrap().failure(Weight::FULL, now);
    assert_eq!(again.snapshot(now).escalation, 2, "the escalation continues");
    assert_eq!(*log.lock(), ["open time elapsed", "probes failed"]);
}

#[test]
fn classic_preset_opens_for_a_minute_and_closes_after_two_probes() {
    let now = at(0);
    let breaker = Breaker::new(BreakerConfig::classic(), virtual_time::now).unwrap();
    for _ in 0..5 {
        assert_eq!(breaker.state(now), State::Closed);
        breaker.try_acquire(now).unwrap().failure(Weight::FULL, now);
    }
    let State::Open { reopens_in } = breaker.state(now) else { panic!("not open") };
    assert_eq!(reopens_in, Duration::from_secs(60), "exactly");
    let at = now + reopens_in;
    assert_eq!(breaker.consecutive_failures(), 5);
    assert_eq!(
        breaker.state(now + Duration::from_millis(59_999)),
        State::Open { reopens_in: Duration::from_millis(1) }
    );
    assert_eq!(breaker.state(at), State::HalfOpen, "without a call");
    let probes: Vec<Permit> = (0..3).map(|_| breaker.try_acquire(at).unwrap()).collect();
    assert_eq!(breaker.try_acquire(at).unwrap_err().reason, RejectReason::HalfOpenFull);
    for probe in probes.into_iter().take(2) {
        probe.success(at);
    }
    assert_eq!(breaker.state(at), State::Closed);
}
