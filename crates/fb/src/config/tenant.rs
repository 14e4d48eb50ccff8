use std::collections::BTreeMap;

use fb_budget::{KeyLimits, Limits, Tier};
use fb_providers::Secret;
use serde::Deserialize;

/// A tenant: its API keys, limits and data rules. A limit that is not set does not apply.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tenant {
    /// The API key of its callers, sent as `Authorization: Bearer KEY`. None unless set. Only the server reads it.
    #[serde(default)]
    pub key: Option<Secret>,
    /// Accepts requests without an API key although some tenant has one; only for the tenant `default`, to which they belong.
    /// Only the server reads it. Defaults to false.
    #[serde(default)]
    pub anonymous: bool,
    /// Requests per minute, 1 or more; after a quiet minute as many may arrive at once. No limit unless set.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Tokens in any 60 s, input and output, 1 or more. No limit unless set.
    #[serde(default)]
    pub tokens_per_minute: Option<u64>,
    /// US dollars per UTC day. No limit unless set.
    #[serde(default)]
    pub usd_per_day: Option<f64>,
    /// US dollars per UTC month. No limit unless set.
    #[serde(default)]
    pub usd_per_month: Option<f64>,
    /// Fraction of a token or money limit from which requests move to the `downshift` of their route. Defaults to 0.8.
    #[serde(default = "default_warn_at")]
    pub warn_at: f64,
    /// Decides between moving to the `downshift` route from `warn_at` on and staying on the route until a limit is
    /// reached. Defaults to "standard".
    #[serde(default)]
    pub tier: Tier,
    /// The regions in which its requests may be processed. Any region unless set.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
    /// The class of its data; requests are sent only to targets approved for it. None unless set.
    #[serde(default)]
    pub data_class: Option<String>,
    /// The targets that may receive its requests, each a `PROVIDER` or a `PROVIDER/MODEL`. All unless set.
    #[serde(default)]
    pub allowed: Option<Vec<String>>,
    /// Further API keys, by name, each with its own limits within those of the tenant.
    #[serde(default)]
    pub keys: BTreeMap<String, TenantKey>,
}

/// One of several API keys of a tenant, with its limits. A limit that is not set does not apply to the key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TenantKey {
    /// The API key of its callers, sent as `Authorization: Bearer KEY`. Only the server reads it.
    pub key: Secret,
    /// Requests per minute, 1 or more. No limit for the key unless set.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Tokens in any 60 s, input and output, 1 or more. No limit for the key unless set.
    #[serde(default)]
    pub tokens_per_minute: Option<u64>,
    /// US dollars per UTC day. No limit for the key unless set.
    #[serde(default)]
    pub usd_per_day: Option<f64>,
    /// US dollars per UTC month. No limit for the key unless set.
    #[serde(default)]
    pub usd_per_month: Option<f64>,
}

impl TenantKey {
    fn limits(&self) -> KeyLimits {
        KeyLimits::with(|limits| {
            limits.requests_per_minute = self.requests_per_minute;
            limits.tokens_per_minute = self.tokens_per_minute;
            limits.usd_per_day = self.usd_per_day;
            limits.usd_per_month = self.usd_per_month;
        })
    }
}

fn default_warn_at() -> f64 {
    Limits::default().warn_at
}

impl Tenant {
    /// Returns the limits and data rules, without the API keys.
    pub fn limits(&self) -> Limits {
        Limits::with(|value| {
            value.requests_per_minute = self.requests_per_minute;
            value.tokens_per_minute = self.tokens_per_minute;
            value.usd_per_day = self.usd_per_day;
            value.usd_per_month = self.usd_per_month;
            value.warn_at = self.warn_at;
            value.tier = self.tier;
            value.regions.clone_from(&self.regions);
            value.data_class.clone_from(&self.data_class);
            value.allowed.clone_from(&self.allowed);
            value.keys = self.keys.iter().map(|(name, key)| (name.clone(), key.limits())).collect();
        })
    }

    /// Iterates over all API keys: the name of the key (`None` for the tenant's own), its path in the tenant's table,
    /// and its secret.
    pub fn all_keys(&self) -> impl Iterator<Item = (Option<&str>, String, &Secret)> {
        let own = self.key.iter().map(|key| (None, "key".to_owned(), key));
        let named =
            self.keys.iter().map(|(name, key)| (Some(name.as_str()), format!("keys.{name}.key"), &key.key));
        own.chain(named)
    }
}
