//! Hedging: the delay before a second call, and the budget for such calls.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};

/// Shorter delays are within the noise of a network round trip.
const MIN: Duration = Duration::from_millis(50);
/// One in twenty: the share of calls beyond the 95th percentile.
const BUDGET: f64 = 0.05;
/// With fewer samples, fewer than five of them lie beyond the 95th percentile.
const WARM_UP: u64 = 100;
/// One hedge in units of the bucket, so that shares are exact to a millionth.
const HEDGE: u64 = 1_000_000;
/// The capacity of the bucket in hedges; a larger burst of hedges would double the load of a slow target group.
const CAPACITY: u64 = 10;
/// The longest time that a setting may specify.
const MAX_TIME: Duration = Duration::from_secs(3_600);

/// The settings of hedging: a second call to another target while the first is slow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HedgeConfig {
    /// The delay before the second call: `"p95"` for the 95th percentile of the first target's time to the first token,
    /// or a time. At most an hour. Defaults to "p95".
    pub after: HedgeAfter,
    /// The lower bound of the `p95` delay. At most an hour. Defaults to 50 ms.
    #[serde(with = "humantime_serde")]
    pub min: Duration,
    /// The maximum number of hedges per request, 0 to 1. Exact to a millionth. Defaults to 0.05.
    pub budget: f64,
    /// The number of measured calls before `p95` is used. Until then nothing is hedged. Defaults to 100.
    pub warm_up: u64,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self { after: HedgeAfter::default(), min: MIN, budget: BUDGET, warm_up: WARM_UP }
    }
}

/// The delay before the second call of a hedge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"p95\" or a time such as \"800ms\"")]
#[non_exhaustive]
pub enum HedgeAfter {
    /// The 95th percentile of the first target's time to the first token.
    #[default]
    #[serde(with = "p95")]
    P95,
    /// A fixed time.
    Time(#[serde(with = "humantime_serde")] Duration),
}

impl HedgeAfter {
    /// Returns the fixed time, or zero for `p95`.
    const fn fixed(self) -> Duration {
        match self {
            Self::P95 => Duration::ZERO,
            Self::Time(time) => time,
        }
    }
}

/// Serializes the variant as the string `p95`.
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
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        if !(0.0..=1.0).contains(&self.budget) {
            return Err(InvalidConfig::expecting("hedge.budget", self.budget, "0 to 1"));
        }
        for (field, time) in [("hedge.after", self.after.fixed()), ("hedge.min", self.min)] {
            if time > MAX_TIME {
                return Err(InvalidConfig::expecting(field, format!("{time:?}"), "at most an hour"));
            }
        }
        Ok(())
    }

    /// Returns the delay before the second call, or `None` if too few calls of the first target are measured.
    pub fn delay(&self, p95: Option<Duration>, samples: u64) -> Option<Duration> {
        match self.after {
            HedgeAfter::Time(time) => Some(time),
            HedgeAfter::P95 if samples < self.warm_up => None,
            HedgeAfter::P95 => p95.map(|p95| p95.max(self.min)),
        }
    }
}

/// A token bucket that limits hedges to a share of the requests.
///
/// Every request deposits its share of a hedge, and every hedge withdraws a whole one. The bucket starts empty and
/// holds at most ten hedges, so at any time the number of hedges is at most the configured share of the requests so
/// far.
///
/// # Examples
///
/// ```
/// use fb_router::{HedgeBudget, HedgeConfig};
///
/// let budget = HedgeBudget::new(&HedgeConfig::with(|config| config.budget = 0.5))?;
/// budget.deposit();
/// assert!(!budget.try_withdraw());
/// budget.deposit();
/// assert!(budget.try_withdraw());
/// # Ok::<(), fb_core::InvalidConfig>(())
/// ```
#[derive(Debug)]
pub struct HedgeBudget {
    /// Millionths of a hedge that a request deposits.
    share: u64,
    balance: AtomicU64,
}

impl HedgeBudget {
    /// Creates an empty bucket.
    ///
    /// # Errors
    /// Returns the first invalid setting of `config`.
    pub fn new(config: &HedgeConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "validated to be 0 to 1"
        )]
        let share = (config.budget * HEDGE as f64).round() as u64;
        Ok(Self { share, balance: AtomicU64::new(0) })
    }

    /// Deposits the share of one request.
    pub fn deposit(&self) {
        let add = |balance: u64| Some((balance + self.share).min(CAPACITY * HEDGE));
        let _previous = self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Withdraws one hedge and returns true, or returns false if the balance is too low.
    pub fn try_withdraw(&self) -> bool {
        let take = |balance: u64| balance.checked_sub(HEDGE);
        self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

fb_core::with_changes!(HedgeConfig);

#[cfg(test)]
mod tests;
