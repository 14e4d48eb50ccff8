//! Scripts in virtual time: one line of input, compared with all outputs of the machine.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use expect_test::{Expect, expect};

use crate::config::{BreakerConfig, HalfOpenConfig, OpenConfig};
use crate::state::{Rejected, State};
use crate::virtual_time::at;
use crate::weight::Weight;

use super::state::Phase;

use super::*;

mod behaviours;
mod bypass;
mod late;
mod model;
mod open_time;
mod probes;
mod slow;
mod table;
mod trip;

/// Throttled: raises the failure rate, keeps the streak, fails a probe.
const THROTTLED: Weight = Weight { window: 25, streak: false, ..Weight::FULL };
/// A failure that is no evidence about the target.
const HARMLESS: Weight = Weight { window: 0, streak: false, probe: false, retry_after: None };

const DAY: Duration = Duration::from_secs(86_400);

/// Runs a script and compares its output: one line for every admission, rejection and transition.
///
/// `@5s` sets the time; `+a` acquires and names the pass; `!a` bypasses; `a:ok`, `a:fail`, `a:throttled`,
/// `a:harmless`, `a:neutral`, `a:drop`, `a:commit` settle it; `a:cut` fails it late, `a:end` ends it; `ok`, `fail` and so on
/// without a name are whole calls, and `fail*4` is four. There is no jitter: the open time is 5 s, 10 s, 20 s.
#[expect(clippy::needless_pass_by_value, reason = "`expect!` reads best as the last argument itself")]
#[track_caller]
fn check(config: &BreakerConfig, script: &str, expected: Expect) {
    let mut run = Run::new(config);
    run.script(script);
    expected.assert_eq(&run.log);
}

struct Run<'a> {
    machine: Machine,
    config: &'a BreakerConfig,
    now: u64,
    passes: HashMap<&'a str, Pass>,
    log: String,
}

impl<'a> Run<'a> {
    fn new(config: &'a BreakerConfig) -> Self {
        let machine = Machine::new(config, at(0));
        Self { machine, config, now: 0, passes: HashMap::new(), log: String::new() }
    }

    fn script(&mut self, script: &'a str) {
        for word in script.split_whitespace() {
            let (word, times) =
                word.split_once('*').map_or((word, 1), |(word, n)| (word, n.parse().unwrap()));
            (0..times).for_each(|_| self.word(word));
        }
    }

    fn word(&mut self, word: &'a str) {
        let late = self.machine.late_verdicts;
        if let Some(time) = word.strip_prefix('@') {
            let seconds: f64 = time.strip_suffix('s').unwrap().parse().unwrap();
            self.now = u64::try_from(Duration::from_secs_f64(seconds).as_millis()).unwrap();
        } else if let Some(name) = word.strip_prefix('+') {
            let result = self.step().acquire();
            self.admission(word, name, result);
        } else if let Some(name) = word.strip_prefix('!') {
            let result = self.step().bypass();
            self.admission(word, name, result);
        } else if word == "reset" {
            self.step().reset();
        } else if let Some((name, "cut")) = word.split_once(':') {
            let pass = self.passes[name];
            self.step().late_failure(pass, Weight::FULL);
        } else if let Some((name, "end")) = word.split_once(':') {
            let pass = self.passes[name];
            self.step().confirm(pass);
        } else if let Some((name, end)) = word.split_once(':') {
            let pass = self.passes[name];
            let settled = self.step().settle(pass, verdict(end));
            self.passes.insert(name, settled);
        } else {
            let pass = self.step().acquire().expect("whole calls are admitted");
            self.step().settle(pass, verdict(word));
        }
        if let Some(event) = self.machine.take_event() {
            self.line(word, event);
        }
        if self.machine.late_verdicts > late {
            self.line(word, "late");
        }
    }

    fn admission(&mut self, word: &str, name: &'a str, result: Result<Pass, Rejected>) {
        match result {
            Ok(pass) => {
                self.passes.insert(name, pass);
                self.line(word, "admitted");
            }
            Err(rejected) => self.line(word, rejected),
        }
    }

    fn line(&mut self, word: &str, output: impl Display) {
        writeln!(self.log, "{}s {word}: {output}", Duration::from_millis(self.now).as_secs_f64()).unwrap();
    }

    fn step(&mut self) -> Step<'_> {
        self.machine.step(self.config, 1.0, at(self.now))
    }
}

fn verdict(word: &str) -> Verdict {
    match word {
        "ok" => Verdict::Success,
        "commit" => Verdict::Provisional,
        "fail" => Verdict::Failure(Weight::FULL),
        "hinted" => Verdict::Failure(Weight::FULL.with_retry_after(Duration::from_secs(400))),
        "endless" => Verdict::Failure(Weight::FULL.with_retry_after(Duration::MAX)),
        "throttled" => Verdict::Failure(THROTTLED),
        "harmless" => Verdict::Failure(HARMLESS),
        "neutral" => Verdict::Neutral,
        "drop" => Verdict::Abandoned,
        other => panic!("unknown verdict {other}"),
    }
}

fn default() -> BreakerConfig {
    BreakerConfig::default()
}

fn half_open(change: impl FnOnce(&mut HalfOpenConfig)) -> BreakerConfig {
    let mut config = default();
    change(&mut config.half_open);
    config
}

fn opened(change: impl FnOnce(&mut OpenConfig)) -> BreakerConfig {
    let mut config = default();
    change(&mut config.open);
    config
}
