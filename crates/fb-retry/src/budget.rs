use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::InvalidConfig;

/// How many retries a group of targets may make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// Retries allowed per first attempt, 0 to 10; 0.2. Exact to a thousandth.
    pub ratio: f64,
    /// How long an unused allowance counts; 10 s.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// Retries allowed per second whatever the traffic, so that a quiet caller may retry at all; 0.2.
    pub per_second: f64,
    /// Most retries that the second allowance saves up; 3.
    pub burst: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { ratio: 0.2, window: Duration::from_secs(10), per_second: 0.2, burst: 3 }
    }
}

/// A bucket that every first attempt fills a little and every retry empties by one.
///
/// Counts in thousandths of a retry under one lock, so it is exact to one call and never overshoots. Unused
/// allowance of first attempts expires after the window, in tenths of it.
#[derive(Debug)]
pub struct RetryBudget {
    ratio: u64,
    slot: Duration,
    per_second: f64,
    burst: u64,
    state: Mutex<State>,
}

/// A retry, in the unit of the bucket.
const RETRY: u64 = 1_000;
const SLOTS: usize = 10;

#[derive(Debug)]
struct State {
    /// Allowance by age, the youngest at `head`.
    slots: [u64; SLOTS],
    head: usize,
    head_began: Option<Instant>,
    /// The allowance that time alone gives.
    steady: u64,
    steadied: Option<Instant>,
}

impl RetryBudget {
    /// A budget with its burst full.
    ///
    /// # Errors
    /// Names the setting no budget could work with.
    pub fn new(config: &BudgetConfig) -> Result<Self, InvalidConfig> {
        let share = |field, value: f64, most: f64, expected| {
            if (0.0..=most).contains(&value) {
                Ok(())
            } else {
                Err(InvalidConfig { field, value: value.to_string(), expected })
            }
        };
        share("ratio", config.ratio, 10.0, "0 to 10")?;
        share("per_second", config.per_second, 1_000.0, "0 to 1000")?;
        if config.window.is_zero() || config.window > Duration::from_secs(3_600) {
            let value = format!("{:?}", config.window);
            return Err(InvalidConfig { field: "window", value, expected: "above 0 and at most an hour" });
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0 to 10")]
        let ratio = (config.ratio * 1_000.0).round() as u64;
        let burst = u64::from(config.burst) * RETRY;
        let slots = u32::try_from(SLOTS).unwrap_or(u32::MAX);
        let state = State { slots: [0; SLOTS], head: 0, head_began: None, steady: burst, steadied: None };
        Ok(Self {
            ratio,
            slot: config.window / slots,
            per_second: config.per_second,
            burst,
            state: Mutex::new(state),
        })
    }

    /// Notes a first attempt.
    pub fn deposit(&self, now: Instant) {
        let mut state = self.state.lock();
        self.pass(&mut state, now);
        let head = state.head;
        state.slots[head] = state.slots[head].saturating_add(self.ratio);
    }

    /// Takes one retry, if the budget has it.
    pub fn try_withdraw(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        self.pass(&mut state, now);
        let saved: u64 = state.slots.iter().fold(0, |sum, slot| sum.saturating_add(*slot));
        if saved.saturating_add(state.steady) < RETRY {
            return false;
        }
        let mut due = RETRY;
        // The oldest allowance first: it expires first.
        for age in (0..SLOTS).rev() {
            let index = (state.head + SLOTS - age) % SLOTS;
            let taken = state.slots[index].min(due);
            state.slots[index] -= taken;
            due -= taken;
        }
        state.steady -= due;
        true
    }

    /// Lets time pass: old allowance expires, the steady one grows.
    fn pass(&self, state: &mut State, now: Instant) {
        let began = *state.head_began.get_or_insert(now);
        let elapsed = now.saturating_duration_since(began);
        let steps = elapsed.as_nanos() / self.slot.as_nanos().max(1);
        let turns = usize::try_from(steps).unwrap_or(SLOTS).min(SLOTS);
        for _ in 0..turns {
            state.head = (state.head + 1) % SLOTS;
            let head = state.head;
            state.slots[head] = 0;
        }
        if steps > 0 {
            let whole = u32::try_from(steps).map_or(now, |steps| began + self.slot * steps);
            state.head_began = Some(whole);
        }
        let last = *state.steadied.get_or_insert(now);
        let seconds = now.saturating_duration_since(last).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float above u64 becomes the largest u64, which the burst then limits"
        )]
        let grown = (seconds * self.per_second * 1_000.0) as u64;
        if grown > 0 {
            state.steady = state.steady.saturating_add(grown).min(self.burst);
            state.steadied = Some(now);
        }
    }
}

#[cfg(test)]
mod tests;
