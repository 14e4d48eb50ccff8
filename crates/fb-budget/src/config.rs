//! The configuration of tenants and keys.

use std::collections::BTreeMap;

use fb_core::{InvalidConfig, Money};
use serde::{Deserialize, Serialize};

/// Leaves time to react before calls are refused.
const WARN_AT: f64 = 0.8;
/// The upper bound of all prices and limits; its nano-dollars stay far below the largest `u64`.
pub(crate) const MAX_USD: f64 = 1e9;

/// The limits of one tenant. A limit that is not set does not apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Requests per minute, 1 or more; no limit. After a quiet minute, the tenant may send that many at once.
    pub requests_per_minute: Option<u32>,
    /// Tokens in any 60 s, input and output, 1 or more; no limit.
    pub tokens_per_minute: Option<u64>,
    /// US dollars per day of UTC, 0 to 10⁹; no limit.
    pub usd_per_day: Option<f64>,
    /// US dollars per month of UTC, 0 to 10⁹; no limit.
    pub usd_per_month: Option<f64>,
    /// The share of any limit on tokens or money from which requests take a cheaper route, above 0 and at most 1.
    /// Defaults to 0.8.
    pub warn_at: f64,
    /// The tier, which decides whether requests take a cheaper route from `warn_at` on. Defaults to "standard".
    pub tier: Tier,
    /// The regions in which the tenant's requests may be computed; anywhere.
    pub regions: Option<Vec<String>>,
    /// The class of the tenant's data, for which a target must be approved; none.
    pub data_class: Option<String>,
    /// The targets that may see the tenant's requests, each a `PROVIDER` or a `PROVIDER/MODEL`; all.
    pub allowed: Option<Vec<String>>,
    /// The limits of the tenant's keys within those of the tenant, by key name; none.
    pub keys: BTreeMap<String, KeyLimits>,
}

/// The limits of one key of a tenant, within those of the tenant. A limit that is not set does not apply to the key
/// itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KeyLimits {
    /// Requests per minute, as [`Limits::requests_per_minute`].
    pub requests_per_minute: Option<u32>,
    /// Tokens in any 60 s, as [`Limits::tokens_per_minute`].
    pub tokens_per_minute: Option<u64>,
    /// US dollars per day of UTC, as [`Limits::usd_per_day`].
    pub usd_per_day: Option<f64>,
    /// US dollars per month of UTC, as [`Limits::usd_per_month`].
    pub usd_per_month: Option<f64>,
}

/// The treatment of a tenant's requests from `warn_at` on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tier {
    /// Requests take a cheaper route.
    #[default]
    Standard,
    /// Requests keep the primary route until a limit is reached.
    Premium,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            tokens_per_minute: None,
            usd_per_day: None,
            usd_per_month: None,
            warn_at: WARN_AT,
            tier: Tier::Standard,
            regions: None,
            data_class: None,
            allowed: None,
            keys: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// Checks the limits of the tenant and of all its keys.
    pub(crate) fn validate(&self, tenant: &str) -> Result<(), InvalidConfig> {
        check_name(&format!("tenants.{tenant}"), tenant)?;
        self.check(tenant)?;
        for name in self.keys.keys() {
            let at = format!("{tenant}.keys.{name}");
            check_name(&format!("tenants.{at}"), name)?;
            self.for_key(name).check(&at)?;
        }
        Ok(())
    }

    /// Returns the limits for the account of a key: its own numbers, and all other settings of the tenant.
    pub(crate) fn for_key(&self, name: &str) -> Self {
        let KeyLimits { requests_per_minute, tokens_per_minute, usd_per_day, usd_per_month } =
            self.keys.get(name).cloned().unwrap_or_default();
        let keys = BTreeMap::new();
        Self { requests_per_minute, tokens_per_minute, usd_per_day, usd_per_month, keys, ..self.clone() }
    }

    fn check(&self, tenant: &str) -> Result<(), InvalidConfig> {
        let check = |is_valid: bool, field: &str, value: String, expected| {
            if is_valid {
                return Ok(());
            }
            Err(InvalidConfig::expecting(format!("tenants.{tenant}.{field}"), value, expected))
        };
        check(self.requests_per_minute != Some(0), "requests_per_minute", "0".to_owned(), "1 or more")?;
        if let Some(per_minute) = self.requests_per_minute {
            let expected = "no such limit, as the feature `rates` of fb-budget (`budget` of fb) is off";
            check(cfg!(feature = "rates"), "requests_per_minute", per_minute.to_string(), expected)?;
        }
        check(self.tokens_per_minute != Some(0), "tokens_per_minute", "0".to_owned(), "1 or more")?;
        for (field, usd) in [("usd_per_day", self.usd_per_day), ("usd_per_month", self.usd_per_month)] {
            if let Some(usd) = usd {
                check((0.0..=MAX_USD).contains(&usd), field, usd.to_string(), "0 to 1000000000")?;
            }
        }
        let is_share = self.warn_at > 0.0 && self.warn_at <= 1.0;
        check(is_share, "warn_at", self.warn_at.to_string(), "above 0, at most 1")
    }
}

/// Checks that a name is not empty and has no `/`, which separates tenant and key in account names.
fn check_name(field: &str, name: &str) -> Result<(), InvalidConfig> {
    if !name.is_empty() && !name.contains('/') {
        return Ok(());
    }
    Err(InvalidConfig::expecting(field, format!("{name:?}"), "a name without `/`"))
}

/// Converts US dollars to whole nano-dollars, rounded half up.
pub(crate) fn money(usd: f64) -> Money {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "validated by the caller to be 0 to 10⁹"
    )]
    Money::from_nanos((usd * 1e9).round() as u64)
}

fb_core::with_changes!(Limits, KeyLimits);

#[cfg(test)]
mod tests;
