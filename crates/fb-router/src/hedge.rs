//! When a second target is started beside a slow first one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Candidate, Facts, InvalidConfig, RouterConfig};

/// Less is within the noise of a network round trip.
const MIN: Duration = Duration::from_millis(50);
/// One in twenty: what lies beyond the 95th percentile.
const BUDGET: f64 = 0.05;
/// A 95th percentile of fewer samples rests on less than five of them.
const WARM_UP: u64 = 100;
/// A hedge, in the unit of the bucket: shares are exact to a millionth.
const HEDGE: u64 = 1_000_000;
/// Hedges a quiet time may save up; more would let a burst of slow answers double the load.
const SAVED: u64 = 10;

/// When a second target is started beside a slow first one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HedgeConfig {
    /// How long the first target has: `"p95"` for the time that 95 of its 100 latest calls took to their first token,
    /// or a time; p95. At most an hour.
    pub after: HedgeAfter,
    /// The least that `p95` may come to; 50 ms. At most an hour.
    #[serde(with = "humantime_serde")]
    pub min: Duration,
    /// Most hedges per request, 0 to 1; 0.05. Exact to a millionth.
    pub budget: f64,
    /// Calls to measure before `p95` is believed; 100. Until then nothing is hedged.
    pub warm_up: u64,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self { after: HedgeAfter::default(), min: MIN, budget: BUDGET, warm_up: WARM_UP }
    }
}

/// How long the first target has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"p95\" or a time such as \"800ms\"")]
pub enum HedgeAfter {
    /// As long as 95 of its 100 latest calls took to their first token.
    #[default]
    #[serde(with = "p95")]
    P95,
    /// So long.
    Time(#[serde(with = "humantime_serde")] Duration),
}

impl HedgeAfter {
    /// The time, or nothing for `p95`.
    pub(crate) const fn time(self) -> Duration {
        match self {
            Self::P95 => Duration::ZERO,
            Self::Time(time) => time,
        }
    }
}

/// The word `p95`.
mod p95 {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        P95,
    }

    pub(super) fn serialize<S: Serializer>(to: S) -> Result<S::Ok, S::Error> {
        Word::P95.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
        Word::deserialize(from).map(|Word::P95| ())
    }
}

impl HedgeConfig {
    /// How long the first target has; `None` while too few of its calls are measured.
    pub fn delay(&self, p95: Option<Duration>, samples: u64) -> Option<Duration> {
        match self.after {
            HedgeAfter::Time(time) => Some(time),
            HedgeAfter::P95 if samples < self.warm_up => None,
            HedgeAfter::P95 => p95.map(|p95| p95.max(self.min)),
        }
    }
}

/// Whether the target may be the second of a hedge: what is not sent twice is a request with tools that the provider
/// runs, and no second call goes to a target that is being tried out or may not be called.
pub fn admissible_as_hedge(facts: &Facts<'_>, candidate: &Candidate<'_>) -> bool {
    !facts.server_tools && !candidate.half_open && candidate.eligibility.is_usable()
}

/// A bucket that every request fills a little and every hedge empties by one.
///
/// Starts empty and saves up ten at most, so at any time there were no more hedges than the configured share of the
/// requests so far.
#[derive(Debug)]
pub struct HedgeBudget {
    /// Millionths of a hedge that a request earns.
    share: u64,
    saved: AtomicU64,
}

impl HedgeBudget {
    /// An empty bucket.
    ///
    /// # Errors
    /// When the share is not between 0 and 1.
    pub fn new(config: &HedgeConfig) -> Result<Self, InvalidConfig> {
        RouterConfig { hedge: config.clone(), ..RouterConfig::default() }.validate()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "checked to be 0 to 1"
        )]
        let share = (config.budget * HEDGE as f64).round() as u64;
        Ok(Self { share, saved: AtomicU64::new(0) })
    }

    /// Notes a request.
    pub fn deposit(&self) {
        let add = |saved: u64| Some((saved + self.share).min(SAVED * HEDGE));
        let _before = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes one hedge, if there is one.
    pub fn try_withdraw(&self) -> bool {
        let take = |saved: u64| saved.checked_sub(HEDGE);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests;
