use std::collections::BTreeMap;

use fb_breaker::{BreakerConfig, OpenConfig};
use fb_budget::{Book, LedgerConfig, PriceBook, PriceConfigs};
use fb_cache::CacheConfig;
use fb_core::{InvalidConfig, ProviderId, preset_or_table};
use fb_health::{HealthConfig, OutlierConfig};
use fb_providers::ProviderConfig;
use fb_retry::{BudgetConfig, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

pub(crate) mod check;
mod file;
mod tenant;

pub use self::tenant::{Tenant, TenantKey};
use crate::{
    Evaluations, Route, Target, TracesConfig,
    clock::now,
    evaluations::check_evaluations,
    mechanisms::{Mechanisms, Overrides},
};

/// Providers, routes, tenants and the settings of the mechanisms: everything in a config file except the server.
///
/// [`from_toml`](Self::from_toml) reads one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Provider accounts, by name.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Routes, by the name that callers put into `model`.
    #[serde(deserialize_with = "named_routes")]
    pub routes: BTreeMap<String, Route>,
    /// The circuit breaker of every target, or a preset: `"classic"`, `"classic-30s"`, `"classic-single"`. Providers and
    /// targets can override its settings.
    #[serde(deserialize_with = "preset_or_table")]
    pub breaker: BreakerConfig,
    /// Backoff between attempts at one target, or a preset: `"classic"`, `"backoff"`, `"rate_limit"`, `"timeout"`.
    #[serde(deserialize_with = "preset_or_table")]
    pub retry: RetryConfig,
    /// Limits the retries of all calls to one provider together.
    pub retry_budget: BudgetConfig,
    /// Free probes of providers, and the comparison of each target with its peers; or a preset: `"recovery"`.
    #[serde(deserialize_with = "preset_or_table")]
    pub health: HealthConfig,
    /// Capacity of the answer cache. Each route decides which answers are cached.
    pub cache: CacheConfig,
    /// Number of recent requests that are kept with their decisions, for inspection.
    pub traces: TracesConfig,
    /// Model prices, by `PROVIDER/MODEL`. A target's own price takes precedence over them, and they take precedence over
    /// the built-in price list.
    pub prices: BTreeMap<String, PriceConfigs>,
    /// Tenants, by name, with their API keys and limits. Callers that belong to none of them are the tenant `default`.
    pub tenants: BTreeMap<String, Tenant>,
    /// The file that keeps the spending of tenants across restarts; none unless set.
    pub ledger: Option<LedgerConfig>,
    /// The targets that passed the golden cases of each route. Not part of a config file.
    #[serde(skip)]
    pub evaluations: Evaluations,
}

impl Config {
    /// Returns every problem that would prevent a client from being built; empty for a valid configuration.
    pub fn problems(&self) -> Vec<InvalidConfig> {
        let mut problems = Vec::new();
        let providers: Vec<&str> = self.providers.keys().map(String::as_str).collect();
        for (name, provider) in &self.providers {
            if let Err(error) = ProviderId::new(name) {
                problems.push(InvalidConfig::new(format!("providers.{name}"), name, error.to_string()));
            }
            if let Err(error) = provider.build() {
                problems.push(error.within(&format!("providers.{name}")));
            }
        }
        let routes: Vec<&Route> = self.routes.values().collect();
        let overrides = self.overrides();
        check::check_mechanisms(&self.mechanisms(), &self.retry_budget, &overrides, &routes, &mut problems);
        check::check_cache(&self.cache, &mut problems);
        check::check_traces(&self.traces, &mut problems);
        check::check_routes(&routes, &providers, &mut problems);
        check_evaluations(&self.evaluations, &routes, &mut problems);
        self.check_tenants(&mut problems);
        if let Some(Err(error)) = self.ledger.as_ref().map(LedgerConfig::validate) {
            problems.push(error);
        }
        if let Err(error) = PriceBook::new(&self.prices) {
            problems.push(error);
        }
        problems
    }

    /// Returns the settings of a valid configuration that do not have their full effect.
    pub fn warnings(&self) -> Vec<InvalidConfig> {
        let routes: Vec<&Route> = self.routes.values().collect();
        let effective = self.effective_mechanisms(&routes);
        let mut warnings = check::waits_beyond_deadline(&effective);
        warnings.extend(check::retries_beyond_attempts(&routes, &effective));
        warnings.extend(check::settings_without_effect(&routes));
        warnings
    }

    /// Returns the settings that are at a default which differs from that of version 0.1, each with its default then. For
    /// a setting of targets, providers or routes, at least one enabled target has the default in effect.
    pub fn changed_defaults(&self) -> Vec<(&'static str, &'static str)> {
        let routes: Vec<&Route> = self.routes.values().collect();
        let mut effective = self.effective_mechanisms(&routes);
        effective.retain(|(_, target, _)| target.enabled);
        let (open, outlier) = (OpenConfig::default(), OutlierConfig::default());
        let any = |applies: &dyn Fn(&Target, &Mechanisms) -> bool| {
            effective.iter().any(|(_, target, mechanisms)| applies(target, mechanisms))
        };
        let any_outlier = |applies: &dyn Fn(&OutlierConfig) -> bool| {
            any(&|_, Mechanisms { health, .. }| health.outlier.enabled && applies(&health.outlier))
        };
        let is_unlimited = |target: &Target| {
            target.timeout.is_none() && (target.total.is_none() || target.first_output.is_none())
        };
        let changed = [
            ("breaker.open.max", "5m", any(&|_, set| set.breaker.open.max == open.max)),
            ("breaker.slow.first", "20s", any(&|_, set| set.breaker.slow.first.is_none())),
            ("breaker.slow.total", "2m", any(&|_, set| set.breaker.slow.total.is_none())),
            ("health.outlier.base", "30s", any_outlier(&|set| set.base == outlier.base)),
            ("health.outlier.max", "5m", any_outlier(&|set| set.max == outlier.max)),
            (
                "routes.NAME.deadline",
                "30s per target, at least 60s",
                routes.iter().any(|route| route.deadline.is_none()),
            ),
            (
                "routes.NAME.targets.max_retries",
                "1",
                any(&|target, set| target.retry_config(&set.retry).max_retries.is_none()),
            ),
            ("routes.NAME.targets.timeout", "30s", any(&|target, _| is_unlimited(target))),
        ];
        changed
            .into_iter()
            .filter(|(.., applies)| *applies)
            .map(|(setting, then, _)| (setting, then))
            .collect()
    }

    /// Returns every target with its route and its settings in effect.
    fn effective_mechanisms<'a>(&self, routes: &[&'a Route]) -> Vec<check::Effective<'a>> {
        check::effective_mechanisms(&self.mechanisms(), &self.overrides(), routes, &mut Vec::new())
    }

    /// Returns the mechanism settings of the providers.
    fn overrides(&self) -> BTreeMap<String, Overrides> {
        self.providers.iter().map(|(name, config)| (name.clone(), Overrides::from(config))).collect()
    }

    /// Checks the limits of the tenants, and that every API key can be resolved and is unique.
    fn check_tenants(&self, problems: &mut Vec<InvalidConfig>) {
        for (name, _) in self.tenants.iter().filter(|(name, tenant)| tenant.anonymous && *name != "default") {
            let field = format!("tenants.{name}.anonymous");
            problems.push(InvalidConfig::new(field, "true", "expected it only at tenants.default"));
        }
        let limits = self.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.limits())).collect();
        if let Err(error) = Book::new(&limits, now()) {
            problems.push(error);
        }
        let secrets = self.tenants.iter().flat_map(|(name, tenant)| {
            tenant.all_keys().map(move |(_, path, secret)| (format!("tenants.{name}.{path}"), secret))
        });
        let mut keys: Vec<(String, SecretString)> = Vec::new();
        for (field, secret) in secrets {
            match secret.resolve(&field) {
                Ok(key) => {
                    let is_equal =
                        |(_, other): &&(String, SecretString)| other.expose_secret() == key.expose_secret();
                    if let Some((other, _)) = keys.iter().find(is_equal) {
                        let expected = format!("the same as {other}; expected a different key");
                        problems.push(InvalidConfig::new(&field, "(a key)", expected));
                    }
                    keys.push((field, key));
                }
                Err(error) => problems.push(error),
            }
        }
    }

    pub(crate) fn mechanisms(&self) -> Mechanisms {
        Mechanisms { breaker: self.breaker.clone(), retry: self.retry.clone(), health: self.health.clone() }
    }

    /// Sets the name of every route to its key in [`routes`](Self::routes). A config that was deserialized has them.
    #[must_use]
    pub fn with_route_names(mut self) -> Self {
        set_names(&mut self.routes);
        self
    }
}

fn named_routes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Route>, D::Error> {
    let mut routes = BTreeMap::deserialize(deserializer)?;
    set_names(&mut routes);
    Ok(routes)
}

fn set_names(routes: &mut BTreeMap<String, Route>) {
    for (name, route) in routes {
        route.name.clone_from(name);
    }
}

fb_core::with_changes!(Config);
