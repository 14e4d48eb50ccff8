//! What the guards and the lock add to the machine.
//!
//! Behaviours 12, 18, 22 and 55: who cancels counts nowhere, who panics counts as a failure, and neither keeps a slot;
//! 28: a rejection stays small; 29, 33: a listener may use the breaker, or panic; 60: threads do not exceed the permits;
//! 7, 8, 9 and 41: an operator's decisions, their end, and who is told; 38: a snapshot keeps the time left.

use std::fmt::Write;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::config::HalfOpenConfig;
use crate::permit::{Permit, Tail};
use crate::virtual_time::{self, at};

use crate::state::{RejectReason, Transition};

use crate::{Forced, Mode, Override, Snapshot};

use super::*;

mod unlocked;

const _: () = assert!(size_of::<Rejected>() <= 24, "refusing has to cost nothing");
const _: fn(Permit, Breaker) = |permit, breaker| {
    fn shared(_: impl Send + Sync + 'static) {}
    shared(permit);
    shared(breaker);
};

fn breaker() -> Breaker {
    Breaker::new(BreakerConfig::default(), virtual_time::now).unwrap().with_seed(7)
}

/// A breaker that opens at the first failure, first for exactly 5 s, and what its listener hears.
fn watched() -> (Breaker, Arc<Mutex<String>>) {
    let config = BreakerConfig { consecutive: Some(1), ..BreakerConfig::default() };
    let heard = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&heard);
    let listener = move |event: &Transition| {
        writeln!(log.lock(), "{} {event}", event.generation).unwrap();
    };
    let breaker = Breaker::new(config, virtual_time::now).unwrap();
    breaker.shared.core.lock().unit = 1.0;
    (breaker.with_listener(Arc::new(listener)), heard)
}

/// Brings the breaker to where its next call is a probe.
fn elapse(breaker: &Breaker) -> Instant {
    while let Ok(permit) = breaker.try_acquire(virtual_time::now()) {
        permit.failure(Weight::FULL, virtual_time::now());
    }
    virtual_time::set(5_000)
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` reads best as the last argument itself")]
#[track_caller]
fn check(heard: &Mutex<String>, expected: Expect) {
    expected.assert_eq(&heard.lock());
}

#[test]
fn a_dropped_permit_says_nothing_and_gives_its_slot_back() {
    let (breaker, heard) = watched();
    drop(breaker.try_acquire(at(0)).unwrap());
    let now = elapse(&breaker);
    let probes = [breaker.try_acquire(now).unwrap(), breaker.try_acquire(now).unwrap()];
    assert_eq!(breaker.try_acquire(now).unwrap_err().reason, RejectReason::HalfOpenFull);
    assert_eq!(breaker.outstanding(), 2);
    drop(probes);
    assert_eq!(breaker.outstanding(), 0);
    assert_eq!(breaker.peek(now), Ok(()));
    check(
        &heard,
        expect![[r#"
        1 closed -> open for 5s (consecutive failures)
        2 open, next call probes -> half-open (open time elapsed)
    "#]],
    );
}

#[test]
fn a_permit_dropped_by_a_panic_is_a_failure() {
    let (breaker, heard) = watched();
    let permit = breaker.try_acquire(at(0)).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _held = permit;
        resume_unwind(Box::new("the call panicked"));
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the call panicked"));
    assert_eq!(breaker.outstanding(), 0);
    check(
        &heard,
        expect![[r#"
        1 closed -> open for 5s (consecutive failures)
    "#]],
    );
}

#[test]
fn a_listener_may_use_the_breaker() {
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
fn a_listener_that_panics_harms_no_call_not_even_one_that_panics() {
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
fn a_tail_holds_no_slot_and_says_nothing_when_dropped() {
    let breaker = breaker();
    let tail = breaker.try_acquire(at(0)).unwrap().provisional(at(0));
    assert_eq!(breaker.outstanding(), 0);
    drop(tail);
    assert_eq!((breaker.state(at(0)), breaker.late_verdicts()), (State::Closed, 0));
}

#[test]
fn equal_seeds_jitter_alike_and_within_the_second_half() {
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
        let longest = Duration::from_secs(5 << step);
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
async fn a_cancelled_future_leaves_no_trace_and_reads_the_paused_clock() {
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
    fn every_permit_is_outstanding_until_it_ends_and_peek_foretells_every_answer(
        ops in vec(op(), 1..150),
    ) {
        let breaker = breaker();
        let (mut held, mut tails): (Vec<Permit>, Vec<Tail>) = (Vec::new(), Vec::new());
        let mut elapsed = 0;
        for op in ops {
            let now = virtual_time::set(elapsed);
            match op {
                Op::Acquire => {
                    let foretold = breaker.peek(now);
                    let answer = breaker.try_acquire(now);
                    prop_assert_eq!(foretold, answer.as_ref().map(|_| ()).map_err(|rejected| *rejected));
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
                        End::Provisional => tails.push(permit.provisional(now)),
                    }
                }
                Op::FailLate => {
                    if let Some(tail) = tails.pop() {
                        tail.failure(Weight::FULL, now);
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

/// A breaker that two failures open, and what its listener heard.
fn heard() -> (Breaker, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    let config = BreakerConfig { consecutive: Some(2), ..BreakerConfig::default() };
    let breaker = Breaker::new(config, virtual_time::now).unwrap().with_seed(7);
    (breaker.with_listener(Arc::new(move |event| ear.lock().push(event.reason.to_string()))), told)
}

#[test]
fn an_operator_decides_over_the_breakers_head_until_it_ends() {
    let now = at(0);
    let later = |secs| now + Duration::from_secs(secs);
    let (breaker, _) = heard();
    breaker.force(Override::new(Mode::ForcedOpen, "maintenance").until(later(10)));
    for ask in [breaker.try_acquire(now).unwrap_err(), breaker.try_bypass(now).unwrap_err()] {
        assert_eq!(ask, Rejected { retry_after: Duration::from_secs(10), reason: RejectReason::Forced });
    }
    assert_eq!(breaker.peek(later(4)).unwrap_err().retry_after, Duration::from_secs(6));
    assert_eq!(breaker.forced(now).unwrap().reason.as_ref(), "maintenance");
    assert_eq!(breaker.state(now), State::Closed, "its own state goes on beside it");
    assert_eq!((breaker.peek(later(10)), breaker.forced(later(10))), (Ok(()), None));

    breaker.force(Override::new(Mode::ForcedOpen, "for good"));
    let rejected = breaker.try_acquire(later(9_999)).unwrap_err();
    assert_eq!(rejected.retry_after, Duration::from_secs(300));
    breaker.lift();
    breaker.try_acquire(now).unwrap().success(now);
    assert_eq!(breaker.outstanding(), 0);
}

#[test]
fn what_is_forced_closed_admits_all_counts_on_and_tells_only_in_metrics_mode() {
    for (mode, expected) in [(Mode::ForcedClosed, vec![]), (Mode::MetricsOnly, vec!["consecutive failures"])]
    {
        let now = at(0);
        let (breaker, told) = heard();
        breaker.force(Override::new(mode, "trial"));
        for _ in 0..9 {
            breaker.try_acquire(now).unwrap().failure(Weight::FULL, now);
            assert_eq!(breaker.peek(now), Ok(()));
        }
        assert_eq!(*told.lock(), expected);
        assert!(matches!(breaker.state(now), State::Open { .. }), "it would have opened");
        breaker.lift();
        assert_eq!(breaker.try_acquire(now).unwrap_err().reason, RejectReason::Open);
        assert_eq!(breaker.outstanding(), 0);
    }
}

#[test]
fn every_mode_is_reached_from_every_state_and_from_itself_without_a_transition() {
    let fail = |breaker: &Breaker| breaker.try_acquire(at(0)).unwrap().failure(Weight::FULL, at(0));
    let probe = |breaker: &Breaker| drop(breaker.try_acquire(at(10_000)).unwrap());
    for failures in [0, 2] {
        for probes in [0, 1] {
            let (breaker, told) = heard();
            (0..failures).for_each(|_| fail(&breaker));
            virtual_time::set(10_000);
            (0..probes).for_each(|_| probe(&breaker));
            let (state, before) = (breaker.state(at(10_000)), told.lock().clone());
            for mode in [Mode::ForcedOpen, Mode::ForcedClosed, Mode::MetricsOnly] {
                let decision = Override::new(mode, "trial");
                (0..2).for_each(|_| breaker.force(decision.clone()));
                assert_eq!(breaker.forced(at(10_000)), Some(decision));
                assert_eq!(breaker.peek(at(10_000)).is_ok(), mode != Mode::ForcedOpen);
            }
            breaker.lift();
            assert_eq!((breaker.state(at(10_000)), &*told.lock()), (state, &before));
        }
    }
}

#[test]
fn what_was_half_open_probes_at_once_when_it_is_restored() {
    let (breaker, _) = heard();
    for _ in 0..2 {
        breaker.try_acquire(at(0)).unwrap().failure(Weight::FULL, at(0));
    }
    let _probe = breaker.try_acquire(virtual_time::set(10_000)).unwrap();
    let kept = breaker.snapshot(at(10_000));
    assert_eq!(kept, Snapshot { open_for: Some(Duration::ZERO), escalation: 1, forced: None });
    let (again, told) = heard();
    again.restore(&kept, at(0));
    again.try_acquire(at(0)).unwrap().success(at(0));
    assert_eq!((again.state(at(0)), &*told.lock()), (State::HalfOpen, &vec!["open time elapsed".to_owned()]));
}

#[test]
fn a_snapshot_keeps_what_is_left_and_not_when() {
    let now = at(0);
    let (breaker, _) = heard();
    assert_eq!(breaker.snapshot(now), Snapshot::default());
    for _ in 0..2 {
        breaker.try_acquire(now).unwrap().failure(Weight::FULL.with_hint(Duration::from_secs(40)), now);
    }
    breaker.force(Override::new(Mode::MetricsOnly, "trial").until(now + Duration::from_secs(20)));
    let kept = breaker.snapshot(now + Duration::from_secs(15));
    let forced =
        Forced { mode: Mode::MetricsOnly, reason: "trial".to_owned(), left: Some(Duration::from_secs(5)) };
    assert_eq!(
        kept,
        Snapshot { open_for: Some(Duration::from_secs(25)), escalation: 1, forced: Some(forced) }
    );

    // Another process, whose clock says something else.
    let now = now + Duration::from_secs(5_000);
    let (again, told) = heard();
    let before = again.try_acquire(now).unwrap();
    again.restore(&kept, now);
    before.failure(Weight::FULL, now);
    assert_eq!(again.late_verdicts(), 1);
    assert_eq!(again.snapshot(now), kept);
    assert_eq!(again.peek(now + Duration::from_secs(4)), Ok(()), "metrics only");
    let rejected = again.try_acquire(now + Duration::from_secs(6)).unwrap_err();
    assert_eq!(rejected.retry_after, Duration::from_secs(19));
    again.try_acquire(now + Duration::from_secs(25)).unwrap().failure(Weight::FULL, now);
    assert_eq!(again.snapshot(now).escalation, 2, "it goes on from where it was");
    assert_eq!(*told.lock(), ["open time elapsed", "probes failed"]);
}

#[test]
fn the_classic_preset_opens_for_a_minute_after_five_failures_and_closes_after_two_successes() {
    let now = at(0);
    let breaker = Breaker::new(BreakerConfig::classic(), virtual_time::now).unwrap();
    for _ in 0..5 {
        assert_eq!(breaker.state(now), State::Closed);
        breaker.try_acquire(now).unwrap().failure(Weight::FULL, now);
    }
    let State::Open { reopens_in } = breaker.state(now) else { panic!("not open") };
    assert!((30..=60).contains(&reopens_in.as_secs()), "{reopens_in:?}: a minute, the second half random");
    let at = now + reopens_in;
    let probes: Vec<Permit> = (0..3).map(|_| breaker.try_acquire(at).unwrap()).collect();
    assert_eq!(breaker.try_acquire(at).unwrap_err().reason, RejectReason::HalfOpenFull);
    for probe in probes.into_iter().take(2) {
        probe.success(at);
    }
    assert_eq!(breaker.state(at), State::Closed);
}
