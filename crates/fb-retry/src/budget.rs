//! The retry budget: limits retries to a share of all calls.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::InvalidConfig;

/// As in finagle and tower.
const RATIO: f64 = 0.2;
/// As in finagle and tower.
const WINDOW: Duration = Duration::from_secs(10);
/// One in five seconds. The 10 per second of finagle and tower would not limit calls as slow as LLM calls.
const PER_SECOND: f64 = 0.2;
/// One failing request with all its retries, and one more.
const BURST: u32 = 3;
/// A slot must not be empty.
const MIN_WINDOW: Duration = Duration::from_millis(1);
const MAX_WINDOW: Duration = Duration::from_secs(3_600);
/// One retry, in the unit of the bucket.
const RETRY: u64 = 1_000;
const SLOTS: usize = 10;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The limits of a retry budget.
///
/// Validated by [`RetryBudget::new`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct BudgetConfig {
    /// Retries allowed per first attempt, 0 to 10. Exact to one thousandth. Defaults to 0.2.
    pub ratio: f64,
    /// Lifetime of an unused allowance, 1 ms to an hour. Defaults to 10 s.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub window: Duration,
    /// Retries allowed per second at any traffic, so that callers with few requests may retry at all, 0 to 1000. Exact
    /// to one thousandth. Defaults to 0.2.
    pub per_second: f64,
    /// Maximum number of retries accumulated from the allowance per second, and the number at the start. 0 disables
    /// that allowance. Defaults to 3.
    pub burst: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { ratio: RATIO, window: WINDOW, per_second: PER_SECOND, burst: BURST }
    }
}

/// A token bucket that limits retries to a share of all calls: every first attempt adds a fraction of a token, every retry
/// takes one.
///
/// Share one budget among all calls to the same server, so that an outage does not multiply its traffic. Tokens are counted
/// in thousandths under one lock, so the limit is exact to one call. The unused allowance of first attempts expires after
/// the window, in steps of a tenth of it.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
///
/// use fb_retry::{BudgetConfig, RetryBudget};
///
/// let budget = RetryBudget::new(&BudgetConfig::with(|config| config.burst = 1))?;
/// let now = Instant::now();
/// budget.deposit(now); // a first attempt
/// assert!(budget.try_withdraw(now), "the burst allows one retry");
/// assert!(!budget.try_withdraw(now));
/// # Ok::<(), fb_retry::InvalidConfig>(())
/// ```
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
    /// The allowance of first attempts by age, the newest at `head`.
    slots: [u64; SLOTS],
    head: usize,
    head_start: Option<Instant>,
    /// The allowance per second.
    steady: u64,
    /// The fraction of the next unit of `steady`, in billionths, so that frequent calls lose nothing.
    steady_fraction: u128,
    /// The time up to which `steady` is counted.
    steady_until: Option<Instant>,
}

impl RetryBudget {
    /// Creates a budget with a full burst.
    ///
    /// # Errors
    /// [`InvalidConfig`], naming the first invalid setting.
    pub fn new(config: &BudgetConfig) -> Result<Self, InvalidConfig> {
        let ratio = thousandths("ratio", config.ratio, 10.0, "0 to 10")?;
        let per_second = thousandths("per_second", config.per_second, 1_000.0, "0 to 1000")?;
        if !(MIN_WINDOW..=MAX_WINDOW).contains(&config.window) {
            let value = format!("{:?}", config.window);
            return Err(InvalidConfig { field: "window", value, expected: "1 ms to an hour" });
        }
        let burst = u64::from(config.burst) * RETRY;
        let slots = u32::try_from(SLOTS).unwrap_or(u32::MAX);
        let state = State {
            slots: [0; SLOTS],
            head: 0,
            head_start: None,
            steady: burst,
            steady_fraction: 0,
            steady_until: None,
        };
        Ok(Self { ratio, slot: config.window / slots, per_second, burst, state: Mutex::new(state) })
    }

    /// Records a first attempt.
    pub fn deposit(&self, now: Instant) {
        let mut state = self.state.lock();
        self.advance(&mut state, now);
        let head = state.head;
        state.slots[head] = state.slots[head].saturating_add(self.ratio);
    }

    /// Takes one retry from the budget. Returns `false` if there is none.
    pub fn try_withdraw(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        self.advance(&mut state, now);
        let saved: u64 = state.slots.iter().fold(0, |sum, slot| sum.saturating_add(*slot));
        if saved.saturating_add(state.steady) < RETRY {
            return false;
        }
        let mut due = RETRY;
        // Take the oldest allowance first, because it expires first.
        for age in (0..SLOTS).rev() {
            let index = (state.head + SLOTS - age) % SLOTS;
            let taken = state.slots[index].min(due);
            state.slots[index] -= taken;
            due -= taken;
        }
        state.steady -= due;
        true
    }

    /// Advances the time: old allowance expires, and the allowance per second grows. A clock that steps back has no effect.
    fn advance(&self, state: &mut State, now: Instant) {
        let start = *state.head_start.get_or_insert(now);
        let elapsed = now.saturating_duration_since(start);
        let steps = elapsed.as_nanos() / self.slot.as_nanos().max(1);
        let turns = usize::try_from(steps).unwrap_or(SLOTS).min(SLOTS);
        for _ in 0..turns {
            state.head = (state.head + 1) % SLOTS;
            let head = state.head;
            state.slots[head] = 0;
        }
        if steps > 0 {
            let whole = u32::try_from(steps).map_or(now, |steps| start + self.slot * steps);
            state.head_start = Some(whole);
        }

        let last = *state.steady_until.get_or_insert(now);
        let nanos = now.saturating_duration_since(last).as_nanos();
        let grown = nanos.saturating_mul(u128::from(self.per_second)).saturating_add(state.steady_fraction);
        let whole = u64::try_from(grown / NANOS_PER_SECOND).unwrap_or(u64::MAX);
        state.steady = state.steady.saturating_add(whole).min(self.burst);
        // A full bucket accumulates no fraction either.
        state.steady_fraction = if state.steady == self.burst { 0 } else { grown % NANOS_PER_SECOND };
        state.steady_until = Some(now.max(last));
    }
}

fn thousandths(
    field: &'static str,
    value: f64,
    max: f64,
    expected: &'static str,
) -> Result<u64, InvalidConfig> {
    if !(0.0..=max).contains(&value) {
        return Err(InvalidConfig { field, value: value.to_string(), expected });
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0 to 1000")]
    let thousandths = (value * 1_000.0).round() as u64;
    Ok(thousandths)
}

crate::with::with_changes!(BudgetConfig);

#[cfg(test)]
mod tests;
