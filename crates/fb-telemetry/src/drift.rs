//! A CUSUM test for a rising share: the log likelihood ratio of recent observations after a shift and before it.

use std::time::Instant;

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};

fb_core::with_changes!(DriftConfig);

#[cfg(test)]
mod tests;

/// The sensitivity of the drift alarm.
///
/// The test is Page's CUSUM (Continuous Inspection Schemes, Biometrika 41, 1954) for a share, in the form of Reynolds
/// and Stoumbos (Journal of Quality Technology 31, 1999): every positive observation adds `ln(p1 / p0)` to a sum, every
/// negative one subtracts `ln((1 - p0) / (1 - p1))`, and the sum never falls below 0. `p0` is the baseline and
/// `p1 = p0 + shift`. Up to a constant factor this is the sum of `x - p0 - k`. The slack `k` is half of the shift if the
/// variance is the same before and after it, and smaller if the variance grows: with a shift of 0.2 it is 0.07 at a
/// baseline of 2 %, and 0.1 at 40 %.
///
/// The threshold is `h = ln(run_length)`. With a known baseline, the mean run to a false alarm is then at least
/// `run_length`, independently of the baseline (Lorden, Annals of Mathematical Statistics 42, 1971).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DriftConfig {
    /// Number of requests from which the baseline is learned, 50 to 100,000. There is no alarm during that time.
    /// Defaults to 200.
    pub warm_up: u32,
    /// The rise of the share for which detection is fastest, 0.01 to 0.9. A rise below the slack is not detected, nor
    /// is a rise from a baseline to which the shift cannot be added without exceeding 1. Defaults to 0.2.
    pub shift: f64,
    /// Minimum mean number of requests between two false alarms, 100 to 1e9. Defaults to 1e5.
    pub run_length: f64,
}

impl Default for DriftConfig {
    /// 200 requests, 0.2, 100,000 requests. Of 100 steady streams of 10,000 requests, fewer than 10 raise an alarm. A
    /// rise from 2 % to 30 % is detected after 26 requests on average, and after 75 in the worst of 200 simulated
    /// streams.
    fn default() -> Self {
        Self { warm_up: 200, shift: 0.2, run_length: 1e5 }
    }
}

impl DriftConfig {
    fn check(&self) -> Result<(), InvalidConfig> {
        let invalid = |field, value, range| Err(InvalidConfig::expecting(field, value, range));
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

/// An alarm: the share has risen.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Drifted {
    /// The learned share, 0 to 1.
    pub baseline: f64,
    /// The share since the estimated start of the rise, 0 to 1.
    pub rate: f64,
    /// Number of requests since then.
    pub requests: u32,
    /// The estimated start of the rise.
    pub since: Instant,
}

/// Detects a rise of one share, in constant memory.
///
/// After an alarm the baseline is learned again, so a lasting change raises one alarm. A fall raises no alarm, but the
/// baseline is learned again as well, so that the next rise is measured from the lower share.
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
    /// Creates a detector that starts to learn its baseline.
    ///
    /// # Errors
    /// Names the first setting that is out of its range.
    pub fn new(config: DriftConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        Ok(Self { config, phase: NEW })
    }

    /// Records the next request, and returns an alarm if its observation crosses the threshold.
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
        // Two of each are added (Agresti and Coull, The American Statistician 52, 1998). This raises a low baseline from
        // few requests, where false alarms are most likely, and keeps it away from 0 and 1.
        let baseline = (f64::from(yes) + 2.0) / (f64::from(seen) + 4.0);
        let risen = baseline + shift;
        let rise = (risen < 1.0).then(|| Cusum::new(baseline, risen));
        Self::Watching { baseline, rise, fall: Cusum::new(baseline, baseline / 2.0) }
    }
}

/// The sum of log likelihood ratios, never below 0, and the observations since it was last 0.
#[derive(Debug, Clone)]
struct Cusum {
    yes_weight: f64,
    no_weight: f64,
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
            yes_weight: (after / before).ln(),
            no_weight: ((1.0 - after) / (1.0 - before)).ln(),
            sum: 0.0,
            run: None,
        }
    }

    /// Adds an observation, and returns the run since the sum was last 0 if the sum is above the threshold.
    fn add(&mut self, yes: bool, now: Instant, threshold: f64) -> Option<Run> {
        self.sum += if yes { self.yes_weight } else { self.no_weight };
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
