use std::{collections::BTreeMap, sync::Arc};

use fb_breaker::BreakerConfig;
use fb_budget::{LedgerConfig, Limits, PriceBook};
use fb_cache::CacheConfig;
use fb_core::{Observer, Overlay, Provider, ProviderId};
use fb_health::HealthConfig;
use fb_quality::Gate;
use fb_retry::{BudgetConfig, RetryConfig};
use fb_router::Classifier;

use crate::{
    Client, Config, Evaluations, Route, TracesConfig,
    config::{Problem, check_cache, check_mechanisms, check_routes, check_traces},
    engine::Engine,
    error::BuildError,
    evaluations::check_evaluations,
    mechanisms::{Mechanisms, Own},
};

/// Collects providers and routes; [`Client::builder`] begins one.
#[must_use]
#[derive(Default)]
pub struct Builder {
    pub(crate) providers: BTreeMap<String, Arc<dyn Provider>>,
    /// Model names a bare `model` may use, by provider.
    pub(crate) models: BTreeMap<String, Vec<String>>,
    pub(crate) routes: Vec<Route>,
    pub(crate) mechanisms: Mechanisms,
    /// What providers have of their own.
    pub(crate) own: BTreeMap<String, Own>,
    pub(crate) retry_budget: BudgetConfig,
    pub(crate) cache: CacheConfig,
    pub(crate) traces: TracesConfig,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Checks of the program's own, by route.
    pub(crate) gates: BTreeMap<String, Vec<Box<dyn Gate>>>,
    pub(crate) prices: PriceBook,
    /// Kinds of providers, which the built-in price list knows.
    pub(crate) kinds: BTreeMap<String, String>,
    pub(crate) tenants: BTreeMap<String, Limits>,
    pub(crate) ledger: Option<LedgerConfig>,
    pub(crate) evaluations: Evaluations,
    pub(crate) classifier: Option<Arc<dyn Classifier>>,
    pub(crate) seed: Option<u64>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("providers", &self.providers.keys())
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Adds a provider under a name that targets use.
    pub fn provider(mut self, name: impl Into<String>, provider: impl Provider) -> Self {
        self.providers.insert(name.into(), Arc::new(provider));
        self
    }

    /// Lists models of a provider that a request may name without the provider.
    pub fn models(mut self, provider: impl Into<String>, models: impl IntoIterator<Item = String>) -> Self {
        self.models.entry(provider.into()).or_default().extend(models);
        self
    }

    /// Adds a route.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Sets the circuit breaker of every target.
    pub fn breaker(mut self, config: BreakerConfig) -> Self {
        self.mechanisms.breaker = config;
        self
    }

    /// Sets the backoff between attempts at one target.
    pub fn retry(mut self, config: RetryConfig) -> Self {
        self.mechanisms.retry = config;
        self
    }

    /// Sets how health is found out.
    pub fn health(mut self, config: HealthConfig) -> Self {
        self.mechanisms.health = config;
        self
    }

    /// Gives the targets of a provider circuit breakers with settings of their own.
    pub fn breaker_of(mut self, provider: impl Into<String>, config: &BreakerConfig) -> Self {
        self.own.entry(provider.into()).or_default().breaker = Some(Overlay::of(config));
        self
    }

    /// Gives the targets of a provider waits between attempts of their own.
    pub fn retry_of(mut self, provider: impl Into<String>, config: &RetryConfig) -> Self {
        self.own.entry(provider.into()).or_default().retry = Some(Overlay::of(config));
        self
    }

    /// Gives the health of a provider and its targets settings of their own.
    pub fn health_of(mut self, provider: impl Into<String>, config: &HealthConfig) -> Self {
        self.own.entry(provider.into()).or_default().health = Some(Overlay::of(config));
        self
    }

    /// Sets how many retries the calls to one provider may make together.
    pub const fn retry_budget(mut self, config: BudgetConfig) -> Self {
        self.retry_budget = config;
        self
    }

    /// Sets how much the cache of answers may hold. What is kept is for each [`Route`] to say.
    pub const fn cache(mut self, config: CacheConfig) -> Self {
        self.cache = config;
        self
    }

    /// Adds a check of the program's own to a route: after those of its [quality](Route::quality), in the order they are
    /// added. A closure `Fn(&Chat, &Reply) -> Result<(), Defect>` is one.
    pub fn gate(mut self, route: impl Into<String>, gate: impl Gate + 'static) -> Self {
        self.gates.entry(route.into()).or_default().push(Box::new(gate));
        self
    }

    /// Sets what a tenant may use, and who may answer it. Tenants that are not named are `default`.
    pub fn tenant(mut self, name: impl Into<String>, limits: Limits) -> Self {
        self.tenants.insert(name.into(), limits);
        self
    }

    /// Sets what models cost; a target's own price goes before, the built-in list after.
    pub fn prices(mut self, prices: PriceBook) -> Self {
        self.prices = prices;
        self
    }

    /// Keeps what tenants spent in a file, over restarts.
    pub fn ledger(mut self, ledger: LedgerConfig) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// Sets which targets passed the golden cases of their routes, for routes with
    /// [`require_eval`](Route::require_eval).
    pub fn evaluations(mut self, evaluations: Evaluations) -> Self {
        self.evaluations = evaluations;
        self
    }

    /// Sets who tells how hard a request is, in place of the rules of its route; heard where a route has
    /// [classes](Route::classes).
    pub fn classifier(mut self, classifier: Arc<dyn Classifier>) -> Self {
        self.classifier = Some(classifier);
        self
    }

    /// Sets how many requests are remembered with what was decided for them.
    pub const fn traces(mut self, config: TracesConfig) -> Self {
        self.traces = config;
        self
    }

    /// Sets who hears of every step.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Fixes the seed of jitter, so that a run can be repeated.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Adds everything a configuration names.
    ///
    /// # Errors
    /// Every error of meaning in the configuration.
    pub fn config(mut self, config: &Config) -> Result<Self, BuildError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        for (name, provider) in &config.providers {
            let built = provider.build().map_err(|error| BuildError {
                problems: vec![Problem::new(
                    format!("providers.{name}.{}", error.field),
                    error.value,
                    error.expected,
                )],
            })?;
            self.providers.insert(name.clone(), built);
        }
        Ok(self.settings(config))
    }

    /// Adds everything a configuration names but its providers: they are the caller's to add, under the same names.
    /// What is wrong in it is found by [`Builder::build`].
    pub fn settings(mut self, config: &Config) -> Self {
        for (name, provider) in &config.providers {
            self.models.insert(name.clone(), provider.models.clone());
            self.own.insert(name.clone(), Own::from(provider));
        }
        self.routes.extend(config.routes.values().cloned());
        self.mechanisms = config.mechanisms();
        self.retry_budget = config.retry_budget.clone();
        self.cache = config.cache.clone();
        self.traces = config.traces.clone();
        self.ledger.clone_from(&config.ledger);
        self.evaluations.clone_from(&config.evaluations);
        self.tenants.extend(config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.limits())));
        self.kinds.extend(config.providers.iter().map(|(name, has)| (name.clone(), has.kind.clone())));
        // What is wrong with them is among the problems of the configuration.
        self.prices = PriceBook::new(&config.prices).unwrap_or_default();
        self
    }

    /// Checks everything and builds the client.
    ///
    /// # Errors
    /// Every problem, each with its place, value and what was expected.
    pub fn build(self) -> Result<Client, BuildError> {
        let mut problems = Vec::new();
        let names: Vec<&str> = self.providers.keys().map(String::as_str).collect();
        for name in &names {
            if let Err(error) = ProviderId::new(name) {
                problems.push(Problem::new(format!("providers.{name}"), *name, error.to_string()));
            }
        }
        let mut seen = Vec::new();
        for route in &self.routes {
            if seen.contains(&&route.name) {
                let field = format!("routes.{}", route.name);
                problems.push(Problem::new(field, &route.name, "expected every route to have its own name"));
            }
            seen.push(&route.name);
        }
        for name in self.gates.keys().filter(|name| !seen.contains(name)) {
            let expected = "expected the name of a route: its check would never run";
            problems.push(Problem::new("gate", name, expected));
        }
        let routes: Vec<&Route> = self.routes.iter().collect();
        check_mechanisms(&self.mechanisms, &self.retry_budget, &self.own, &routes, &mut problems);
        check_cache(&self.cache, &mut problems);
        check_traces(&self.traces, &mut problems);
        check_routes(&routes, &names, &mut problems);
        check_evaluations(&self.evaluations, &routes, &mut problems);
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        Engine::new(self).map(Client::new)
    }
}
