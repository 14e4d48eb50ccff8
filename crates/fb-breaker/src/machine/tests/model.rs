//! Random interleavings, with invariants checked after every operation.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Acquire,
    Bypass,
    Settle(usize, Verdict),
    FailLate(usize),
    Confirm(usize),
    Advance(u64),
    Reset,
}

fn op() -> impl Strategy<Value = Op> {
    let verdict = prop_oneof![
        2 => Just(Verdict::Success),
        1 => Just(Verdict::Provisional),
        4 => Just(Verdict::Failure(Weight::FULL)),
        1 => Just(Verdict::Failure(THROTTLED)),
        1 => Just(Verdict::Failure(HARMLESS)),
        1 => (0_u64..20_000).prop_map(|ms| Verdict::Failure(Weight::FULL.with_retry_after(Duration::from_millis(ms)))),
        1 => Just(Verdict::Neutral),
        3 => Just(Verdict::Abandoned),
    ];
    prop_oneof![
        8 => Just(Op::Acquire),
        2 => Just(Op::Bypass),
        8 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Op::Settle(which, verdict)),
        1 => any::<usize>().prop_map(Op::FailLate),
        1 => any::<usize>().prop_map(Op::Confirm),
        3 => prop_oneof![0_u64..3_000, 4_000_u64..12_000, 50_000_u64..70_000].prop_map(Op::Advance),
        1 => Just(Op::Reset),
    ]
}

prop_compose! {
    fn config()(
        consecutive in proptest::option::of(1_u32..4),
        min_calls in 1_u32..5,
        (permits, successes, failures) in (1_u32..4, 1_u32..4, 1_u32..3),
    ) -> BreakerConfig {
        let half_open = HalfOpenConfig { permits, successes, failures, ..HalfOpenConfig::default() };
        BreakerConfig { consecutive, min_calls, half_open, ..BreakerConfig::default() }
    }
}

/// A call in flight.
struct Call {
    pass: Pass,
    leased_until: u64,
    bypass: bool,
}

struct Model {
    machine: Machine,
    config: BreakerConfig,
    now: u64,
    calls: Vec<Call>,
    provisional: Vec<Pass>,
}

impl Model {
    fn run(&mut self, op: &Op, jitter: f64) {
        let before = self.machine.clone();
        let now = at(self.now);
        let mut step = self.machine.step(&self.config, jitter, now);
        match op {
            Op::Acquire => {
                let result = step.acquire();
                self.admitted(result, false);
            }
            Op::Bypass => {
                let ordinary = before.clone().step(&self.config, jitter, now).acquire();
                let result = step.bypass();
                if ordinary.is_ok() {
                    assert_eq!(result, ordinary);
                }
                self.admitted(result, ordinary.is_err());
            }
            Op::Settle(_, _) if self.calls.is_empty() => {}
            Op::Settle(which, verdict) => {
                let call = self.calls.swap_remove(which % self.calls.len());
                let after = step.settle(call.pass, *verdict);
                if matches!(verdict, Verdict::Success | Verdict::Provisional) {
                    self.provisional.push(after);
                }
                self.check_late(before.clone(), call.pass);
            }
            Op::Confirm(_) | Op::FailLate(_) if self.provisional.is_empty() => {}
            Op::Confirm(which) => {
                let pass = self.provisional.swap_remove(which % self.provisional.len());
                step.confirm(pass);
                self.check_late(before.clone(), pass);
            }
            Op::FailLate(which) => {
                let pass = self.provisional.swap_remove(which % self.provisional.len());
                step.late_failure(pass, Weight::FULL);
                self.check_late(before.clone(), pass);
            }
            Op::Advance(millis) => self.now += millis,
            Op::Reset => step.reset(),
        }
        let event = self.machine.take_event();
        let quiet_reset = matches!((op, &before.phase), (Op::Reset, Phase::Closed(_)));
        assert_eq!(event.is_some(), self.machine.generation > before.generation && !quiet_reset);
        self.check_invariants();
    }

    fn admitted(&mut self, result: Result<Pass, Rejected>, bypass: bool) {
        match result {
            Ok(pass) => {
                assert_eq!(pass.generation, self.machine.generation);
                self.calls.push(Call { pass, leased_until: self.now + 60_000, bypass });
            }
            Err(rejected) => {
                assert!(!rejected.retry_after.is_zero());
                let later = at(self.now) + rejected.retry_after;
                let again = self.machine.clone().step(&self.config, 0.0, later).bypass();
                // The expiry of a lease may also reopen a half-open breaker.
                assert!(again.is_ok() || matches!(self.machine.phase, Phase::HalfOpen(_)), "{rejected}");
            }
        }
    }

    fn check_late(&self, mut before: Machine, pass: Pass) {
        if pass.generation != before.generation {
            before.outstanding = self.machine.outstanding;
            before.late_verdicts = self.machine.late_verdicts;
            before.bypass = self.machine.bypass;
            assert_eq!(before, self.machine);
        }
    }

    fn check_invariants(&self) {
        let machine = &self.machine;
        assert_eq!(machine.outstanding as usize, self.calls.len());
        let leased = |call: &&Call| call.leased_until > self.now;
        let bypasses = self.calls.iter().filter(leased).filter(|call| call.bypass).count();
        assert!(bypasses <= 1);
        if let Phase::HalfOpen(half_open) = &machine.phase {
            let own = |call: &&Call| !call.bypass && call.pass.generation == machine.generation;
            let probes = self.calls.iter().filter(leased).filter(own).count();
            assert!(probes <= self.config.half_open.permits as usize);
            assert!(half_open.slots.len() <= self.config.half_open.permits as usize);
            assert!(half_open.successes < self.config.half_open.successes);
            assert!(half_open.failures < self.config.half_open.failures);
        }
    }

    /// Checks that successful calls close the breaker from any state.
    fn check_recovery(&mut self) {
        while !self.calls.is_empty() {
            self.run(&Op::Settle(0, Verdict::Abandoned), 1.0);
        }
        assert_eq!(self.machine.outstanding, 0);
        self.run(&Op::Advance(1_000_000), 1.0);
        for _ in 0..self.config.half_open.successes {
            self.run(&Op::Acquire, 1.0);
            assert_eq!(self.calls.len(), 1, "{:?}", self.machine);
            self.run(&Op::Settle(0, Verdict::Success), 1.0);
        }
        assert_eq!(self.machine.state(at(self.now)), State::Closed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_for_every_interleaving(
        config in config(),
        ops in vec((op(), 0.0..=1.0), 1..120),
    ) {
        let machine = Machine::new(&config, at(0));
        let mut model = Model { machine, config, now: 0, calls: Vec::new(), provisional: Vec::new() };
        for (op, jitter) in &ops {
            model.run(op, *jitter);
        }
        model.check_recovery();
    }
}
