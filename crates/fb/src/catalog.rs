use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fb_budget::{Limits, PriceBook};
use fb_core::{InvalidConfig, Provider, ProviderId};
use fb_providers::ProviderConfig;
use fb_quality::Gate;
use fb_retry::BudgetConfig;

use crate::{
    BuildError, Config, Evaluations, Route,
    config::check::{check_mechanisms, check_routes},
    evaluations::check_evaluations,
    mechanisms::{Mechanisms, Overrides},
};

/// The providers and routes of a client with their settings: everything that may change while it runs.
#[derive(Clone, Default)]
pub(crate) struct Catalog {
    pub(crate) providers: BTreeMap<String, Arc<dyn Provider>>,
    /// Models that a request may name without their provider, by provider.
    pub(crate) models: BTreeMap<String, Vec<String>>,
    /// Mechanism settings of single providers.
    pub(crate) overrides: BTreeMap<String, Overrides>,
    /// Kinds of the providers, by which the built-in price list finds their models.
    pub(crate) kinds: BTreeMap<String, String>,
    pub(crate) routes: Vec<Route>,
    pub(crate) mechanisms: Mechanisms,
    pub(crate) retry_budget: BudgetConfig,
    /// Quality gates of the program, by route.
    pub(crate) gates: BTreeMap<String, Vec<Arc<dyn Gate>>>,
    pub(crate) prices: PriceBook,
    pub(crate) evaluations: Evaluations,
    pub(crate) tenants: BTreeMap<String, Limits>,
    /// The parts that are those of a config.
    configured: Configured,
}

/// The parts of a catalog that came from a config, and that the next one replaces.
#[derive(Clone, Default)]
struct Configured {
    /// The settings of the providers that were built from them.
    providers: BTreeMap<String, ProviderConfig>,
    routes: BTreeSet<String>,
    tenants: BTreeSet<String>,
}

impl Catalog {
    /// Sets everything in a config except the providers themselves. The routes and the tenants of the previous config are
    /// removed.
    pub(crate) fn set_config(&mut self, config: &Config) {
        for (name, provider) in &config.providers {
            self.set_provider_config(name, provider);
        }
        let Configured { routes, tenants, .. } = &self.configured;
        self.routes.retain(|route| !routes.contains(&route.name));
        self.tenants.retain(|name, _| !tenants.contains(name));
        self.routes.extend(config.routes.values().cloned());
        self.tenants.extend(config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.limits())));
        self.configured.routes = config.routes.keys().cloned().collect();
        self.configured.tenants = config.tenants.keys().cloned().collect();
        self.mechanisms = config.mechanisms();
        self.retry_budget = config.retry_budget.clone();
        self.evaluations.clone_from(&config.evaluations);
        // `Config::problems` reports invalid prices.
        self.prices = PriceBook::new(&config.prices).unwrap_or_default();
    }

    /// Returns the catalog with the parts of another config. A provider of the previous one stays if it is built in the same
    /// way, and one that the program added stays in any case.
    pub(crate) fn with_config(mut self, config: &Config) -> Result<Self, BuildError> {
        let gone = |name: &&String| !config.providers.contains_key(*name);
        for name in self.configured.providers.keys().filter(gone).cloned().collect::<Vec<_>>() {
            self.remove_provider(&name);
        }
        for (name, settings) in &config.providers {
            let is_same = match self.configured.providers.get(name) {
                Some(previous) => is_built_alike(previous, settings),
                None => self.providers.contains_key(name),
            };
            if !is_same {
                let provider = settings.build();
                let provider =
                    provider.map_err(|error| BuildError::new(error.within(&format!("providers.{name}"))))?;
                self.providers.insert(name.clone(), provider);
                self.record_built(name, settings);
            }
        }
        self.set_config(config);
        Ok(self)
    }

    /// Records the settings from which a provider was built.
    pub(crate) fn record_built(&mut self, name: &str, config: &ProviderConfig) {
        self.configured.providers.insert(name.to_owned(), config.clone());
    }

    /// Records that the program added a provider itself.
    pub(crate) fn record_added(&mut self, name: &str) {
        self.configured.providers.remove(name);
    }

    /// Sets everything in the configuration of a provider except the provider itself.
    pub(crate) fn set_provider_config(&mut self, name: &str, config: &ProviderConfig) {
        self.models.insert(name.to_owned(), config.models.clone());
        self.overrides.insert(name.to_owned(), Overrides::from(config));
        self.kinds.insert(name.to_owned(), config.kind.clone());
    }

    /// Removes a provider with all its settings. Returns false if there is none of this name.
    pub(crate) fn remove_provider(&mut self, name: &str) -> bool {
        self.models.remove(name);
        self.overrides.remove(name);
        self.kinds.remove(name);
        self.configured.providers.remove(name);
        self.providers.remove(name).is_some()
    }

    /// Replaces the route of the same name, or adds one.
    pub(crate) fn set_route(&mut self, route: &Route) {
        match self.routes.iter_mut().find(|known| known.name == route.name) {
            Some(known) => known.clone_from(route),
            None => self.routes.push(route.clone()),
        }
    }

    /// Removes a route. Returns false if there is none of this name.
    pub(crate) fn remove_route(&mut self, name: &str) -> bool {
        let before = self.routes.len();
        self.routes.retain(|route| route.name != name);
        self.routes.len() < before
    }

    /// Returns every problem that would prevent the routes from being assembled. Routes may use `unbuilt` providers, of
    /// which other problems are known.
    pub(crate) fn problems(&self, unbuilt: &BTreeSet<String>) -> Vec<InvalidConfig> {
        let mut problems = Vec::new();
        let providers: Vec<&str> = self.providers.keys().chain(unbuilt).map(String::as_str).collect();
        for name in &providers {
            if let Err(error) = ProviderId::new(name) {
                problems.push(InvalidConfig::new(format!("providers.{name}"), *name, error.to_string()));
            }
        }
        for (name, models) in &self.models {
            if !models.is_empty() && !providers.contains(&name.as_str()) {
                let expected = format!("no such provider; expected one of: {}", providers.join(", "));
                problems.push(InvalidConfig::quoted(format!("providers.{name}.models"), name, expected));
            }
        }
        let mut names = Vec::new();
        for route in &self.routes {
            if names.contains(&&route.name) {
                let expected = "expected a unique name for every route";
                problems.push(InvalidConfig::new(format!("routes.{}", route.name), &route.name, expected));
            }
            names.push(&route.name);
        }
        let routes: Vec<&Route> = self.routes.iter().collect();
        check_mechanisms(&self.mechanisms, &self.retry_budget, &self.overrides, &routes, &mut problems);
        check_routes(&routes, &providers, &mut problems);
        check_evaluations(&self.evaluations, &routes, &mut problems);
        problems
    }
}

/// Returns true if both settings build the same provider. The others concern its targets.
fn is_built_alike(one: &ProviderConfig, other: &ProviderConfig) -> bool {
    let ProviderConfig { models, breaker, retry, health, .. } = other.clone();
    let mut one = one.clone();
    (one.models, one.breaker, one.retry, one.health) = (models, breaker, retry, health);
    one == *other
}
