//! Generates and checks the state table in the module documentation: every input in every state.

use std::collections::BTreeMap;

use expect_test::expect_file;

use super::*;

type Arrange = fn(&mut World);
type Input = fn(&mut Step<'_>, &Calls) -> Option<Result<Pass, Rejected>>;

/// The calls that an input may refer to.
struct Calls {
    /// A call of the current generation.
    own: Pass,
    /// A call of the current generation that was settled as a success.
    provisional: Pass,
    /// A call of an earlier generation.
    earlier: Pass,
}

const INPUTS: [(&str, Input); 16] = [
    ("acquire", |step, _| Some(step.acquire())),
    ("bypass", |step, _| Some(step.bypass())),
    ("own: success", |step, calls| settle(step, calls.own, Verdict::Success)),
    ("own: failure", |step, calls| settle(step, calls.own, Verdict::Failure(Weight::FULL))),
    ("own: throttled", |step, calls| settle(step, calls.own, Verdict::Failure(THROTTLED))),
    ("own: harmless failure", |step, calls| settle(step, calls.own, Verdict::Failure(HARMLESS))),
    ("own: neutral", |step, calls| settle(step, calls.own, Verdict::Neutral)),
    ("own: dropped", |step, calls| settle(step, calls.own, Verdict::Abandoned)),
    ("own: late failure", |step, calls| fail_late(step, calls.provisional)),
    ("own: end of a provisional success", |step, calls| {
        step.confirm(calls.provisional);
        None
    }),
    ("earlier: success", |step, calls| settle(step, calls.earlier, Verdict::Success)),
    ("earlier: failure", |step, calls| settle(step, calls.earlier, Verdict::Failure(Weight::FULL))),
    ("earlier: neutral", |step, calls| settle(step, calls.earlier, Verdict::Neutral)),
    ("earlier: dropped", |step, calls| settle(step, calls.earlier, Verdict::Abandoned)),
    ("earlier: late failure", |step, calls| fail_late(step, calls.earlier)),
    ("reset", |step, _| {
        step.reset();
        None
    }),
];

fn settle(step: &mut Step<'_>, pass: Pass, verdict: Verdict) -> Option<Result<Pass, Rejected>> {
    step.settle(pass, verdict);
    None
}

fn fail_late(step: &mut Step<'_>, pass: Pass) -> Option<Result<Pass, Rejected>> {
    step.late_failure(pass, Weight::FULL);
    None
}

const STATES: [(&str, Arrange); 8] = [
    ("closed", |_| {}),
    ("closed, a failure short", |world| world.settle(Verdict::Failure(Weight::FULL))),
    ("open, own is a bypass", World::open),
    ("open, time elapsed, own is a bypass", |world| {
        world.open();
        world.now += 5_000;
    }),
    ("half-open", World::half_open),
    ("half-open, full", |world| {
        world.half_open();
        world.acquire();
    }),
    ("half-open, full, own is a bypass", |world| {
        world.half_open();
        world.acquire();
        world.own = world.step().bypass().ok();
    }),
    ("half-open, each verdict short by one", |world| {
        world.half_open();
        world.settle(Verdict::Success);
        world.settle(Verdict::Failure(Weight::FULL));
        (0..5).for_each(|_| world.settle(Verdict::Abandoned));
    }),
];

struct World {
    machine: Machine,
    config: BreakerConfig,
    now: u64,
    own: Option<Pass>,
    provisional: Option<Pass>,
}

impl World {
    fn step(&mut self) -> Step<'_> {
        self.machine.step(&self.config, 1.0, at(self.now))
    }

    fn acquire(&mut self) -> Pass {
        self.step().acquire().unwrap()
    }

    fn settle(&mut self, verdict: Verdict) {
        let pass = self.acquire();
        self.step().settle(pass, verdict);
    }

    fn open(&mut self) {
        (0..2).for_each(|_| self.settle(Verdict::Failure(Weight::FULL)));
        self.own = self.step().bypass().ok();
        self.provisional = self.own;
    }

    fn half_open(&mut self) {
        (0..2).for_each(|_| self.settle(Verdict::Failure(Weight::FULL)));
        self.now += 5_000;
        let probe = self.acquire();
        self.provisional = Some(self.step().settle(probe, Verdict::Provisional));
        self.own = Some(self.acquire());
    }

    /// Returns all counts that a verdict can change, by name.
    fn counts(&self) -> BTreeMap<&'static str, u64> {
        let of_phase = match &self.machine.phase {
            Phase::Closed(closed) => {
                let (calls, failed) = closed.window.counts();
                vec![("streak", closed.streak.into()), ("calls", calls), ("failed", failed)]
            }
            Phase::Open { .. } => vec![],
            Phase::HalfOpen(half_open) => vec![
                ("slots", half_open.slots.len() as u64),
                ("successes", half_open.successes.into()),
                ("failures", half_open.failures.into()),
                ("abandoned", half_open.abandoned.into()),
                ("confirmed", half_open.confirmed.into()),
            ],
        };
        let always = [
            ("late", self.machine.late_verdicts),
            ("bypasses", self.machine.bypass.is_some().into()),
            ("generation", self.machine.generation),
        ];
        of_phase.into_iter().chain(always).collect()
    }
}

/// Brings a breaker into a state, applies an input and describes the effect.
fn cell(arrange: Arrange, input: Input) -> String {
    let config = BreakerConfig {
        consecutive: Some(2),
        failure_rate: 0.6,
        min_calls: 2,
        half_open: HalfOpenConfig { successes: 3, failures: 2, ..HalfOpenConfig::default() },
        ..BreakerConfig::default()
    };
    let machine = Machine::new(&config, at(0));
    let mut world = World { machine, config, now: 0, own: None, provisional: None };
    let earlier = world.acquire();
    world.step().reset();
    let first = world.acquire();
    world.provisional = Some(world.step().settle(first, Verdict::Provisional));
    world.own = Some(world.acquire());
    arrange(&mut world);
    world.machine.take_event();

    let calls = Calls { own: world.own.unwrap(), provisional: world.provisional.unwrap(), earlier };
    let (before, outstanding) = (world.counts(), world.machine.outstanding);
    let result = input(&mut world.step(), &calls);
    let after = world.counts();

    let mut effects = Vec::new();
    match result {
        Some(Ok(pass)) => {
            effects.push("admitted".to_owned());
            assert_eq!((pass.generation, world.machine.outstanding), (after["generation"], outstanding + 1));
        }
        Some(Err(rejected)) => {
            effects.push(format!("refused: {}", rejected.reason));
            assert!(!rejected.retry_after.is_zero());
        }
        None => {}
    }
    let event = world.machine.take_event();
    if let Some(event) = event {
        assert_eq!(event.generation, before["generation"] + 1);
        effects.push(format!("**{}** ({})", event.to, event.reason));
    }
    for (name, now) in &after {
        // A transition replaces all counts; only the bypass is independent of it.
        let shown = event.is_none() || result.is_none() && *name == "bypasses";
        if let Some(was) = before.get(name).filter(|was| shown && *was != now) {
            effects.push(format!("{name} {was} → {now}"));
        }
    }
    if effects.is_empty() { "·".to_owned() } else { effects.join(", ") }
}

#[test]
fn state_table_is_complete_and_current() {
    let row = |name: &str, cells: Vec<String>| format!("| {name} | {} |\n", cells.join(" | "));
    let mut table = row("", STATES.map(|(state, _)| state.to_owned()).into());
    table.push_str(&row("---", vec!["---".to_owned(); STATES.len()]));
    for (name, input) in INPUTS {
        table.push_str(&row(name, STATES.map(|(_, arrange)| cell(arrange, input)).into()));
    }
    expect_file!["../table.md"].assert_eq(&table);
}
