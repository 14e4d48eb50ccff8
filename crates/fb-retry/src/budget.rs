//! How many retries there may be among all calls.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::InvalidConfig;

/// As finagle and tower.
const RATIO: f64 = 0.2;
/// As finagle and tower.
const WINDOW: Duration = Duration::from_secs(10);
/// One in five seconds; the 10 a second of finagle and tower would be no limit for calls as slow as these.
const PER_SECOND: f64 = 0.2;
/// One bad request with all its retries, and one more.
const BURST: u32 = 3;
/// Its slots must be longer than nothing.
const LEAST_WINDOW: Duration = Duration::from_millis(1);
const MOST_WINDOW: Duration = Duration::from_secs(3_600);
/// A retry, in the unit of the bucket.
const RETRY: u64 = 1_000;
const SLOTS: usize = 10;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// How many retries a group of targets may make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// Retries allowed per first attempt, 0 to 10; 0.2. Exact to a thousandth.
    pub ratio: f64,
    /// How long an unused allowance counts, 1 ms to an hour; 10 s.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// Retries allowed per second whatever the traffic, so that a quiet caller may retry at all, 0 to 1000;
    /// 0.2. Exact to a thousandth.
    pub per_second: f64,
    /// Most retries that the allowance per second saves up, and what there is at the start; 3. With 0 there is
    /// no such allowance.
    pub burst: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { ratio: RATIO, window: WINDOW, per_second: PER_SECOND, burst: BURST }
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
    per_second: u64,
    burst: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Allowance by age, the youngest at `head`.
    slots: [u64; SLOTS],
    head: usize,
    head_began: Option<Instant>,
    /// The allowance that time alone gives.
    steady: u64,
    /// What it has of the next unit, in billionths of one: nothing is lost however often it is asked.
    steady_rest: u128,
    /// Until when `steady` is counted.
    steadied: Option<Instant>,
}

impl RetryBudget {
    /// A budget with its burst full.
    ///
    /// # Errors
    /// Names the setting no budget could work with.
    pub fn new(config: &BudgetConfig) -> Result<Self, InvalidConfig> {
        let ratio = thousandths("ratio", config.ratio, 10.0, "0 to 10")?;
        let per_second = thousandths("per_second", config.per_second, 1_000.0, "0 to 1000")?;
        if !(LEAST_WINDOW..=MOST_WINDOW).contains(&config.window) {
            let value = format!("{:?}", config.window);
            return Err(InvalidConfig { field: "window", value, expected: "1 ms to an hour" });
        }
        let burst = u64::from(config.burst) * RETRY;
        let slots = u32::try_from(SLOTS).unwrap_or(u32::MAX);
        let state = State {
            slots: [0; SLOTS],
            head: 0,
            head_began: None,
            steady: burst,
            steady_rest: 0,
            steadied: None,
        };
        Ok(Self { ratio, slot: config.window / slots, per_second, burst, state: Mutex::new(state) })
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

    /// Lets time pass: old allowance expires, the steady one grows. A clock that steps back changes nothing.
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
        let nanos = now.saturating_duration_since(last).as_nanos();
        let grown = nanos.saturating_mul(u128::from(self.per_second)).saturating_add(state.steady_rest);
        let whole = u64::try_from(grown / NANOS_PER_SECOND).unwrap_or(u64::MAX);
        state.steady = state.steady.saturating_add(whole).min(self.burst);
        // A full bucket saves up no fraction either.
        state.steady_rest = if state.steady == self.burst { 0 } else { grown % NANOS_PER_SECOND };
        state.steadied = Some(now.max(last));
    }
}

fn thousandths(
    field: &'static str,
    value: f64,
    most: f64,
    expected: &'static str,
) -> Result<u64, InvalidConfig> {
    if !(0.0..=most).contains(&value) {
        return Err(InvalidConfig { field, value: value.to_string(), expected });
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0 to 1000")]
    let thousandths = (value * 1_000.0).round() as u64;
    Ok(thousandths)
}

#[cfg(test)]
mod tests;
