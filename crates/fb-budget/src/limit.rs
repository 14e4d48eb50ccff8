//! Limits, and the error of a call that would exceed one.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;
use thiserror::Error;

/// A limit of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// Requests per minute.
    RequestsPerMinute,
    /// Tokens in any 60 s.
    TokensPerMinute,
    /// Money per day of UTC.
    UsdPerDay,
    /// Money per month of UTC.
    UsdPerMonth,
}

impl Limit {
    /// The number of variants.
    pub(crate) const COUNT: usize = 4;

    /// Returns the name of the limit in a configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests_per_minute",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::UsdPerDay => "usd_per_day",
            Self::UsdPerMonth => "usd_per_month",
        }
    }

    /// Returns `true` for a limit on money, `false` for one on requests or tokens per minute.
    pub const fn is_money(self) -> bool {
        match self {
            Self::UsdPerDay | Self::UsdPerMonth => true,
            Self::RequestsPerMinute | Self::TokensPerMinute => false,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The refusal of a call that would exceed a limit. Nothing was reserved for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("tenant {tenant}: `{limit}` is reached")]
#[non_exhaustive]
pub struct LimitExceeded {
    /// The account of the limit: `TENANT`, or `TENANT/KEY`.
    pub tenant: Arc<str>,
    /// The limit; of several, the first in the order month, day, tokens, requests.
    pub limit: Limit,
    /// The time after which the call would fit at the latest, without other calls; `None` if the call exceeds the whole
    /// limit.
    pub resets_in: Option<Duration>,
}

impl LimitExceeded {
    /// Returns whether the limit belongs to one of the tenant's keys.
    pub fn is_key_limit(&self) -> bool {
        self.tenant.contains('/')
    }
}
