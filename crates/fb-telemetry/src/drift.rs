//! CUSUM: how much likelier the latest answers are after a shift than before it.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// When a share of yes has drifted.
///
/// The test is Page's (Continuous Inspection Schemes, Biometrika 41, 1954) for a share, as Reynolds and Stoumbos have
/// it (Journal of Quality Technology 31, 1999): every yes adds `ln(p1 / p0)` to a sum, every no takes
/// `ln((1 - p0) / (1 - p1))` from it, and the sum stays at 0 or above. `p0` is the baseline, `p1 = p0 + shift`. Divided
/// by what a yes and a no differ by, this is the sum of `x - p0 - k`. The slack `k` is half of the shift where shares vary
/// alike before and after it, as for a shifted mean, and less where they vary more after it: with a shift of 0.2 it is
/// 0.07 at a baseline of 2 %, and 0.1 at 40 %.
///
/// The threshold is `h = ln(run_length)`: with a known baseline the mean run to a false alarm is then at least
/// `run_length`, whatever the baseline (Lorden, Annals of Mathematical Statistics 42, 1971).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DriftConfig {
    /// Requests from which the baseline is learned, 50 to 100,000; 200. No alarm while it is.
    pub warm_up: u32,
    /// The rise of the share that is to be found soonest, 0.01 to 0.9; 0.2. A rise that stays below the slack is not to be
    /// found, and none from a baseline that has no room for it.
    pub shift: f64,
    /// Requests between two false alarms, on average and at least, 100 to 1e9. Default 1e5.
    pub run_length: f64,
}

impl Default for DriftConfig {
    /// 200 requests, 0.2, 100,000 requests: of 100 steady streams of 10,000 requests fewer than 10 raise an alarm, and a
    /// rise from 2 % to 30 % is told after 26 requests on average, and after 75 in the worst of 200 simulated streams.
    fn default() -> Self {
        Self { warm_up: 200, shift: 0.2, run_length: 1e5 }
    }
}

/// A setting with which nothing could work.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{field}: {value}, expected {expected}")]
pub struct InvalidConfig {
    /// The field, such as `drift.shift`.
    pub field: &'static str,
    /// What it was.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

impl DriftConfig {
    fn check(&self) -> Result<(), InvalidConfig> {
        let invalid = |field, value, expected| Err(InvalidConfig { field, value, expected });
        if !(50..=100_000).contains(&self.warm_up) {
            return invalid("drift.warm_up", self.warm_up.to_string(), "50 to 100000");
        }
        if !(0.01..=0.9).contains(&self.shift) {
            return invalid("drift.shift", self.shift.to_string(), "0.01 to 0.9");
        }
        if !(1e2..=1e9).contains(&self.run_length) {
            return invalid("drift.run_length", self.run_length.to_string(), "100 to 1e9");
        }
        Ok(())
    }
}

/// An alarm: the share of yes has risen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drifted {
    /// The share that was learned, 0 to 1.
    pub baseline: f64,
    /// The share since the rise seems to have begun, 0 to 1.
    pub rate: f64,
    /// Requests since then.
    pub requests: u32,
    /// When that was.
    pub since: Instant,
}

/// Watches one share of yes and no for a rise, in constant memory.
///
/// After an alarm it learns the baseline anew, so that a lasting change is told once. A fall is not told, but learned
/// from too: the next rise is measured from the lower share.
#[derive(Debug, Clone)]
pub struct Drift {
    config: DriftConfig,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Phase {
    Learning { seen: u32, yes: u32 },
    Watching { baseline: f64, rise: Option<Cusum>, fall: Cusum },
}

const NEW: Phase = Phase::Learning { seen: 0, yes: 0 };

impl Drift {
    /// Begins to learn.
    ///
    /// # Errors
    /// When a number is out of its range; names the field.
    pub fn new(config: DriftConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self { config, phase: NEW })
    }

    /// Takes in what the next request did; an alarm, if this one tips the scale.
    pub fn observe(&mut self, fell_back: bool, now: Instant) -> Option<Drifted> {
        match &mut self.phase {
            Phase::Learning { seen, yes } => {
                *seen += 1;
                *yes += u32::from(fell_back);
                if *seen >= self.config.warm_up {
                    self.phase = Phase::watching(*seen, *yes, self.config.shift);
                }
                None
            }
            Phase::Watching { baseline, rise, fall } => {
                let threshold = self.config.run_length.ln();
                let rise = rise.as_mut().and_then(|rise| rise.add(fell_back, now, threshold));
                let fall = fall.add(fell_back, now, threshold);
                let alarm = rise.map(|run| run.drifted(*baseline));
                if rise.or(fall).is_some() {
                    self.phase = NEW;
                }
                alarm
            }
        }
    }
}

impl Phase {
    fn watching(seen: u32, yes: u32, shift: f64) -> Self {
        // Two of each are added (Agresti and Coull, The American Statistician 52, 1998): a baseline from few requests is
        // taken as higher than seen when it is low, where a false alarm would come soonest, and it is never 0 or 1.
        let baseline = (f64::from(yes) + 2.0) / (f64::from(seen) + 4.0);
        let risen = baseline + shift;
        let rise = (risen < 1.0).then(|| Cusum::new(baseline, risen));
        Self::Watching { baseline, rise, fall: Cusum::new(baseline, baseline / 2.0) }
    }
}

/// The sum of log likelihood ratios, never below 0, and what happened since it was last 0.
#[derive(Debug, Clone)]
struct Cusum {
    yes_weighs: f64,
    no_weighs: f64,
    sum: f64,
    run: Option<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    since: Instant,
    seen: u32,
    yes: u32,
}

impl Cusum {
    fn new(before: f64, after: f64) -> Self {
        Self {
            yes_weighs: (after / before).ln(),
            no_weighs: ((1.0 - after) / (1.0 - before)).ln(),
            sum: 0.0,
            run: None,
        }
    }

    /// What happened since the sum was last 0, if it is now above the threshold.
    fn add(&mut self, yes: bool, now: Instant, threshold: f64) -> Option<Run> {
        self.sum += if yes { self.yes_weighs } else { self.no_weighs };
        if self.sum <= 0.0 {
            (self.sum, self.run) = (0.0, None);
            return None;
        }
        let run = self.run.get_or_insert(Run { since: now, seen: 0, yes: 0 });
        run.seen = run.seen.saturating_add(1);
        run.yes = run.yes.saturating_add(u32::from(yes));
        self.run.filter(|_| self.sum > threshold)
    }
}

impl Run {
    fn drifted(self, baseline: f64) -> Drifted {
        let rate = f64::from(self.yes) / f64::from(self.seen);
        Drifted { baseline, rate, requests: self.seen, since: self.since }
    }
}
