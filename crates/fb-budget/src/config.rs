//! What a tenant may use, as it stands in a config.

use std::collections::BTreeMap;

use fb_core::{InvalidConfig, Money};
use serde::{Deserialize, Serialize};

/// Time to react before calls are refused.
const WARN_AT: f64 = 0.8;
/// What no price and no limit passes; its nano-dollars stay far below the largest `u64`.
pub(crate) const MOST_USD: f64 = 1e9;

/// What one tenant may use. A limit that is not set is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests per minute, 1 or more; no limit. A tenant that was quiet for a minute may send as many at once.
    pub requests_per_minute: Option<u32>,
    /// Tokens in any 60 s, input and output, 1 or more; no limit.
    pub tokens_per_minute: Option<u64>,
    /// US dollars per day of UTC, 0 to 10⁹; no limit.
    pub usd_per_day: Option<f64>,
    /// US dollars per month of UTC, 0 to 10⁹; no limit.
    pub usd_per_month: Option<f64>,
    /// Share of any limit on tokens or money from which the tenant's requests go to a cheaper route, above 0 and at
    /// most 1; 0.8.
    pub warn_at: f64,
    /// Whether requests leave the primary from `warn_at` on; "standard".
    pub tier: Tier,
    /// Where the tenant's requests may be computed; anywhere.
    pub regions: Option<Vec<String>>,
    /// The class of the tenant's data, which a target must be approved for; none.
    pub data_class: Option<String>,
    /// The targets that may see the tenant's requests, each a `PROVIDER` or a `PROVIDER/MODEL`; all.
    pub allowed: Option<Vec<String>>,
    /// What each of the tenant's keys may use of that, by the key's name; none.
    pub keys: BTreeMap<String, KeyLimits>,
}

/// What one key of a tenant may use, within what the tenant may. A limit that is not set is none of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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

/// What happens to a tenant's requests when much of its budget is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// They go to a cheaper route.
    #[default]
    Standard,
    /// They keep the primary until a limit is reached.
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
    /// Whether accounts can be made of it: that of the tenant, and one for each of its keys.
    pub(crate) fn validate(&self, tenant: &str) -> Result<(), InvalidConfig> {
        check_name(&format!("tenants.{tenant}"), tenant)?;
        self.check(tenant)?;
        for name in self.keys.keys() {
            let at = format!("{tenant}.keys.{name}");
            check_name(&format!("tenants.{at}"), name)?;
            self.of_key(name).check(&at)?;
        }
        Ok(())
    }

    /// The limits of the account of a key: its own numbers, in all else the tenant's.
    pub(crate) fn of_key(&self, name: &str) -> Self {
        let KeyLimits { requests_per_minute, tokens_per_minute, usd_per_day, usd_per_month } =
            self.keys.get(name).cloned().unwrap_or_default();
        let keys = BTreeMap::new();
        Self { requests_per_minute, tokens_per_minute, usd_per_day, usd_per_month, keys, ..self.clone() }
    }

    fn check(&self, tenant: &str) -> Result<(), InvalidConfig> {
        let check = |holds: bool, field: &str, value: String, range: &str| {
            if holds {
                return Ok(());
            }
            Err(InvalidConfig::expecting(format!("tenants.{tenant}.{field}"), value, range))
        };
        check(self.requests_per_minute != Some(0), "requests_per_minute", "0".to_owned(), "1 or more")?;
        check(self.tokens_per_minute != Some(0), "tokens_per_minute", "0".to_owned(), "1 or more")?;
        for (field, usd) in [("usd_per_day", self.usd_per_day), ("usd_per_month", self.usd_per_month)] {
            if let Some(usd) = usd {
                check((0.0..=MOST_USD).contains(&usd), field, usd.to_string(), "0 to 1000000000")?;
            }
        }
        let usable = self.warn_at > 0.0 && self.warn_at <= 1.0;
        check(usable, "warn_at", self.warn_at.to_string(), "above 0, at most 1")
    }
}

/// A tenant and its key are one name in ledgers and statistics, `TENANT/KEY`.
fn check_name(field: &str, name: &str) -> Result<(), InvalidConfig> {
    if !name.is_empty() && !name.contains('/') {
        return Ok(());
    }
    Err(InvalidConfig::expecting(field, format!("{name:?}"), "a name without `/`"))
}

/// US dollars in whole nano-dollars, rounded half up.
pub(crate) fn money(usd: f64) -> Money {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the caller checked it to be 0 to 10⁹"
    )]
    Money::from_nanos((usd * 1e9).round() as u64)
}

#[cfg(test)]
mod tests;
