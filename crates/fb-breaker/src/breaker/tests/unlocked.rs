//! Calls that take no lock are equivalent to calls that do.

use std::sync::Barrier;

use crate::gate::Counted;

use crate::config::{SlowConfig, WindowConfig};

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Acquire,
    Enter,
    Bypass,
    End(usize, End),
    FailLate,
    Advance(u64),
    StepBack(u64),
    Reset,
    Force(Mode, Option<u64>),
    Lift,
    Restore,
    Look,
}

fn op() -> impl Strategy<Value = Op> {
    let end = prop_oneof![
        12 => Just(End::Success),
        3 => Just(End::Failure),
        2 => Just(End::Neutral),
        2 => Just(End::Drop),
        2 => Just(End::Provisional),
    ];
    let mode = prop_oneof![Just(Mode::ForcedOpen), Just(Mode::ForcedClosed), Just(Mode::MetricsOnly)];
    prop_oneof![
        8 => Just(Op::Acquire),
        8 => Just(Op::Enter),
        1 => Just(Op::Bypass),
        20 => (any::<usize>(), end).prop_map(|(which, end)| Op::End(which, end)),
        1 => Just(Op::FailLate),
        4 => prop_oneof![0_u64..400, 1_000_u64..3_000, 3_000_u64..12_000].prop_map(Op::Advance),
        1 => (0_u64..2_000).prop_map(Op::StepBack),
        1 => Just(Op::Reset),
        1 => (mode, proptest::option::of(0_u64..3_000)).prop_map(|(mode, lasts)| Op::Force(mode, lasts)),
        2 => Just(Op::Lift),
        1 => Just(Op::Restore),
        3 => Just(Op::Look),
    ]
}

prop_compose! {
    fn config()(
        consecutive in proptest::option::of(1_u32..4),
        min_calls in 1_u32..8,
        buckets in 1_u32..5,
        calls in prop_oneof![4 => Just(None), 1 => (1_u32..9).prop_map(Some)],
        slow_rate in 0.1..1.0,
    ) -> BreakerConfig {
        let span = Duration::from_secs(10);
        let [first, total] = [1, 2].map(|secs| Some(Duration::from_secs(secs)));
        let slow = SlowConfig { first, total, rate: slow_rate };
        let window = WindowConfig { span, buckets, calls };
        BreakerConfig { consecutive, window, min_calls, slow, ..BreakerConfig::default() }
    }
}

/// A breaker and the transitions passed to its listener.
struct Watched {
    breaker: Breaker,
    log: Arc<Mutex<Vec<Transition>>>,
}

impl Watched {
    fn new(config: &BreakerConfig) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let breaker = Breaker::new(config.clone(), virtual_time::now).unwrap().with_seed(7);
        Self { breaker: breaker.with_listener(Arc::new(move |event| sink.lock().push(*event))), log }
    }

    /// Returns a breaker whose calls all take the lock: the origin of its gate is later than any call, so it never opens.
    fn locked(config: &BreakerConfig) -> Self {
        let mut watched = Self::new(config);
        Arc::get_mut(&mut watched.breaker.shared).unwrap().gate = Gate::new(at(u64::from(u32::MAX)));
        watched
    }

    /// Returns the state visible without closing the gate.
    fn glance(&self, now: Instant) -> impl PartialEq + fmt::Debug + use<> {
        let breaker = &self.breaker;
        let verdicts = (breaker.late_verdicts(), breaker.consecutive_failures());
        let state = (breaker.state(now), breaker.share(now), breaker.is_closed());
        (
            verdicts,
            state,
            breaker.peek(now),
            breaker.snapshot(now),
            breaker.forced(now),
            self.log.lock().clone(),
        )
    }

    /// Returns the full state, including the machine and its window.
    fn look(&self, now: Instant) -> impl PartialEq + fmt::Debug + use<> {
        (
            self.breaker.outstanding(),
            self.breaker.is_idle(now),
            format!("{:?}", self.breaker),
            self.glance(now),
        )
    }
}

enum Held<'a> {
    Owned(Permit),
    Borrowed(Permit<&'a Breaker>),
}

impl Held<'_> {
    fn end(self, end: &End, now: Instant) -> Option<ProvisionalPermit> {
        match (self, end) {
            (Self::Owned(permit), End::Success) => permit.success(now),
            (Self::Owned(permit), End::Failure) => permit.failure(Weight::FULL, now),
            (Self::Owned(permit), End::Neutral) => permit.neutral(now),
            (Self::Owned(permit), End::Provisional) => return Some(permit.provisional(now)),
            (Self::Borrowed(permit), End::Success) => permit.success(now),
            (Self::Borrowed(permit), End::Failure) => permit.failure(Weight::FULL, now),
            (Self::Borrowed(permit), End::Neutral | End::Provisional) => permit.neutral(now),
            (permit, End::Drop) => drop(permit),
        }
        None
    }
}

/// A caller of one of the breakers.
struct Caller<'a> {
    breaker: &'a Breaker,
    held: Vec<Held<'a>>,
    provisional: Vec<ProvisionalPermit>,
}

impl<'a> Caller<'a> {
    fn new(breaker: &'a Breaker) -> Self {
        Self { breaker, held: Vec::new(), provisional: Vec::new() }
    }

    /// Returns the rejection, if there was one.
    fn run(&mut self, op: &Op, now: Instant) -> Option<Rejected> {
        let breaker = self.breaker;
        let answer = match op {
            Op::Acquire => breaker.try_acquire(now).map(Held::Owned),
            Op::Enter => breaker.try_acquire_borrowed(now).map(Held::Borrowed),
            Op::Bypass => breaker.try_bypass(now).map(Held::Owned),
            _ => {
                self.act(op, now);
                return None;
            }
        };
        let rejected = answer.as_ref().err().copied();
        self.held.extend(answer);
        rejected
    }

    fn act(&mut self, op: &Op, now: Instant) {
        match op {
            Op::End(which, end) if !self.held.is_empty() => {
                let held = self.held.swap_remove(which % self.held.len());
                self.provisional.extend(held.end(end, now));
            }
            Op::FailLate => {
                if let Some(provisional) = self.provisional.pop() {
                    provisional.failure(Weight::FULL, now);
                }
            }
            Op::Reset => self.breaker.reset(now),
            Op::Force(mode, lasts) => {
                let until = lasts.map(|lasts| now + Duration::from_millis(lasts));
                self.breaker.force(Override { mode: *mode, reason: "trial".into(), until });
            }
            Op::Lift => self.breaker.lift(),
            Op::Restore => self.breaker.restore(&self.breaker.snapshot(now), now),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The full state moves the counts of the gate to the machine, so it is not compared at every step.
    #[test]
    fn lock_free_calls_are_equivalent_to_locked_calls(
        config in config(),
        ops in vec(op(), 1..120),
    ) {
        virtual_time::set(0);
        let (one, other) = (Watched::new(&config), Watched::locked(&config));
        let (mut caller, mut locked) = (Caller::new(&one.breaker), Caller::new(&other.breaker));
        let mut elapsed = 0_u64;
        for op in ops.iter().chain([&Op::Look]) {
            match op {
                Op::Advance(millis) => elapsed += millis,
                Op::StepBack(millis) => elapsed = elapsed.saturating_sub(*millis),
                _ => {}
            }
            let now = virtual_time::set(elapsed);
            prop_assert_eq!(caller.run(op, now), locked.run(op, now));
            prop_assert_eq!(one.glance(now), other.glance(now));
            if matches!(op, Op::Look) {
                prop_assert_eq!(one.look(now), other.look(now));
            }
        }
        prop_assert_eq!(other.breaker.shared.gate.admit(), None, "it takes the lock");
    }
}

#[test]
fn lock_free_path_requires_a_call_without_side_effects() {
    #[track_caller]
    fn check(breaker: &Breaker, now: Instant, expected: Option<Counted>) {
        breaker.try_acquire_borrowed(now).unwrap().success(now);
        breaker.try_acquire(now).unwrap().success(now);
        drop(breaker.try_acquire_borrowed(now).unwrap());
        let counted = breaker.shared.gate.close();
        assert_eq!(counted, expected);
        if let Some(counted) = counted {
            breaker.shared.core.lock().machine.add_counted(counted);
        }
        drop(breaker.shared.lock());
    }
    let breaker = breaker();
    check(&breaker, at(0), Some(Counted { outstanding: 0, successes: 2 }));
    check(&breaker, at(5_000), Some(Counted { outstanding: 0, successes: 1 }));
    breaker.force(Override::new(Mode::MetricsOnly, "trial"));
    check(&breaker, at(5_000), None);
    breaker.lift();
    breaker.try_acquire_borrowed(at(0)).unwrap().failure(Weight::FULL, at(0));
    assert_eq!(breaker.shared.gate.close(), None, "a success would end the streak");
    let window = WindowConfig { calls: Some(100), ..WindowConfig::default() };
    let config = BreakerConfig { window, ..BreakerConfig::default() };
    check(&Breaker::new(config, virtual_time::now).unwrap(), at(0), None);
}

fn spacious() -> Breaker {
    let window = WindowConfig { span: Duration::from_secs(1_000), buckets: 1_000, calls: None };
    let config = BreakerConfig { consecutive: None, min_calls: u32::MAX, window, ..BreakerConfig::default() };
    Breaker::new(config, virtual_time::now).unwrap()
}

#[test]
fn concurrent_calls_are_all_counted() {
    const THREADS: u64 = 4;
    const CALLS: u64 = 20_000;
    let breaker = spacious();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                // One bucket per second, so each is the newest for a thousand calls of a thread.
                for call in 0..CALLS {
                    let permit = breaker.try_acquire_borrowed(at(call)).unwrap();
                    match call % 100 {
                        0 => permit.failure(Weight::FULL, at(call)),
                        1 => permit.neutral(at(call)),
                        _ => permit.success(at(call)),
                    }
                }
            });
        }
        for _ in 0..500 {
            breaker.force(Override::new(Mode::ForcedClosed, "trial"));
            assert!(u64::from(breaker.outstanding()) <= THREADS);
            breaker.lift();
        }
    });
    let failed = THREADS * CALLS / 100;
    let core = breaker.shared.lock();
    assert_eq!(core.machine.counts(), Some((THREADS * CALLS - failed, 100 * failed)));
    assert_eq!((core.machine.outstanding(), core.machine.late_verdicts()), (0, 0));
}

#[test]
fn trip_keeps_permits_and_ignores_their_verdicts() {
    const THREADS: u32 = 4;
    let breaker = breaker();
    let (entered, tripped) = (Barrier::new(THREADS as usize + 1), Barrier::new(THREADS as usize + 1));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let permit = breaker.try_acquire(at(0)).unwrap();
                entered.wait();
                tripped.wait();
                permit.success(at(0));
            });
        }
        entered.wait();
        assert_eq!(breaker.outstanding(), THREADS);
        for _ in 0..5 {
            breaker.try_acquire_borrowed(at(0)).unwrap().failure(Weight::FULL, at(0));
        }
        breaker.reset(at(0));
        drop(breaker.try_acquire_borrowed(at(0)).unwrap());
        assert_eq!(breaker.outstanding(), THREADS);
        tripped.wait();
    });
    assert_eq!((breaker.outstanding(), breaker.late_verdicts()), (0, u64::from(THREADS)));
    assert_eq!(breaker.shared.lock().machine.counts(), Some((0, 0)));
}

#[test]
fn concurrent_resets_leak_no_permit() {
    let breaker = breaker();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    breaker.try_acquire_borrowed(at(0)).unwrap().success(at(0));
                }
            });
        }
        for _ in 0..2_000 {
            breaker.reset(at(0));
        }
    });
    assert_eq!(breaker.outstanding(), 0);
}
