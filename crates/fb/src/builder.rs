use std::{collections::BTreeSet, fmt, sync::Arc};

use fb_breaker::BreakerConfig;
use fb_budget::{LedgerConfig, Limits, PriceBook};
use fb_cache::CacheConfig;
use fb_core::{InvalidConfig, Observer, Overlay, Provider};
use fb_health::HealthConfig;
use fb_providers::IntoProvider;
use fb_quality::Gate;
use fb_retry::{BudgetConfig, RetryConfig};
use fb_router::Classifier;

use crate::{
    Client, Config, Evaluations, Route, TracesConfig,
    catalog::Catalog,
    config::check::{check_cache, check_traces},
    engine::Engine,
    error::BuildError,
    parts::Parts,
};

/// Builds a [`Client`] from providers, routes and the settings of their mechanisms.
///
/// # Examples
///
/// Every problem is reported, not only the first one:
///
/// ```
/// use fb::{Client, Route, Target, providers::Ollama};
///
/// let builder = Client::builder().provider("local", Ollama::local()).route(Route::priority(
///     "default",
///     [Target::new("lcal", "llama3.2"), Target::new("local", "llama3.2").timeout_secs(0)],
/// ));
/// let problems = builder.build().unwrap_err().problems;
/// let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
/// assert_eq!(fields, ["routes.default.targets[0].provider", "routes.default.targets[1].timeout"]);
/// ```
#[must_use]
#[derive(Default)]
pub struct Builder {
    catalog: Catalog,
    parts: Parts,
    /// The problems of the providers.
    problems: Vec<InvalidConfig>,
    /// The names of the providers with invalid settings.
    unbuilt: BTreeSet<String>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("providers", &self.catalog.providers.keys())
            .field("routes", &self.catalog.routes)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a builder without providers and routes.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Adds a provider, or the settings of one, under the name by which targets refer to it. [`build`](Self::build) reports
    /// invalid settings, and a name that is used twice.
    pub fn provider(mut self, name: impl Into<String>, provider: impl IntoProvider) -> Self {
        self.add_provider(name.into(), provider.into_provider());
        self
    }

    fn add_provider(&mut self, name: String, provider: Result<Arc<dyn Provider>, InvalidConfig>) {
        let field = format!("providers.{name}");
        match provider {
            Ok(provider) if !self.catalog.providers.contains_key(&name) => {
                self.catalog.providers.insert(name, provider);
            }
            Ok(_) => {
                let expected = "the name of another provider too; expected a unique name for every provider";
                self.problems.push(InvalidConfig::quoted(field, &name, expected));
            }
            Err(problem) => {
                self.problems.push(problem.within(&field));
                self.unbuilt.insert(name);
            }
        }
    }

    /// Adds models of a provider that a request may name without the provider.
    pub fn models(mut self, provider: impl Into<String>, models: impl IntoIterator<Item = String>) -> Self {
        self.catalog.models.entry(provider.into()).or_default().extend(models);
        self
    }

    /// Adds a route.
    pub fn route(mut self, route: Route) -> Self {
        self.catalog.routes.push(route);
        self
    }

    /// Sets the circuit breaker configuration of all targets.
    pub fn breaker(mut self, config: BreakerConfig) -> Self {
        self.catalog.mechanisms.breaker = config;
        self
    }

    /// Sets the backoff between attempts at one target.
    pub fn retry(mut self, config: RetryConfig) -> Self {
        self.catalog.mechanisms.retry = config;
        self
    }

    /// Sets the health configuration: probes and the comparison of each target with its peers.
    pub fn health(mut self, config: HealthConfig) -> Self {
        self.catalog.mechanisms.health = config;
        self
    }

    /// Sets the circuit breaker configuration of one provider's targets, in place of the global one.
    pub fn provider_breaker(mut self, provider: impl Into<String>, config: &BreakerConfig) -> Self {
        self.catalog.overrides.entry(provider.into()).or_default().breaker =
            Some(Overlay::from_settings(config));
        self
    }

    /// Sets the retry configuration of one provider's targets, in place of the global one.
    pub fn provider_retry(mut self, provider: impl Into<String>, config: &RetryConfig) -> Self {
        self.catalog.overrides.entry(provider.into()).or_default().retry =
            Some(Overlay::from_settings(config));
        self
    }

    /// Sets the health configuration of one provider and its targets, in place of the global one.
    pub fn provider_health(mut self, provider: impl Into<String>, config: &HealthConfig) -> Self {
        self.catalog.overrides.entry(provider.into()).or_default().health =
            Some(Overlay::from_settings(config));
        self
    }

    /// Limits the retries of all calls to one provider together.
    pub const fn retry_budget(mut self, config: BudgetConfig) -> Self {
        self.catalog.retry_budget = config;
        self
    }

    /// Sets the capacity of the answer cache. Each [`Route`] decides which answers are cached.
    pub const fn cache(mut self, config: CacheConfig) -> Self {
        self.parts.cache = config;
        self
    }

    /// Adds a quality gate to a route. Gates run in the order in which they are added, after those of
    /// [`Route::quality`]. A closure `Fn(&Chat, &Reply) -> Result<(), Defect>` is a gate.
    pub fn gate(mut self, route: impl Into<String>, gate: impl Gate + 'static) -> Self {
        self.catalog.gates.entry(route.into()).or_default().push(Arc::new(gate));
        self
    }

    /// Sets the limits and data rules of a tenant. Requests without a tenant, or of one that is not configured, belong
    /// to the tenant `default`.
    pub fn tenant(mut self, name: impl Into<String>, limits: Limits) -> Self {
        self.catalog.tenants.insert(name.into(), limits);
        self
    }

    /// Sets the prices of models. A target's own price takes precedence over them, and they take precedence over the
    /// built-in price list.
    pub fn prices(mut self, prices: PriceBook) -> Self {
        self.catalog.prices = prices;
        self
    }

    /// Keeps the spending of tenants in a file, so that limits hold across restarts.
    pub fn ledger(mut self, ledger: LedgerConfig) -> Self {
        self.parts.ledger = Some(ledger);
        self
    }

    /// Sets the targets that passed the golden cases of their routes, for routes with
    /// [`require_eval`](Route::require_eval).
    pub fn evaluations(mut self, evaluations: Evaluations) -> Self {
        self.catalog.evaluations = evaluations;
        self
    }

    /// Sets the classifier of requests, in place of the complexity rules of each route. It runs for routes with
    /// [classes](Route::classes).
    pub fn classifier(mut self, classifier: Arc<dyn Classifier>) -> Self {
        self.parts.classifier = Some(classifier);
        self
    }

    /// Sets the number of recent requests that are kept with their decisions, for inspection.
    pub const fn traces(mut self, config: TracesConfig) -> Self {
        self.parts.traces = config;
        self
    }

    /// Adds an observer of all events. Observers are called in the order in which they are added.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.parts.observers.push(observer);
        self
    }

    /// Sets the seed of all random choices, which makes a run reproducible.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.parts.seed = Some(seed);
        self
    }

    /// Adds everything in a configuration.
    ///
    /// # Errors
    /// Every [problem](Config::problems) of the configuration.
    pub fn config(mut self, config: &Config) -> Result<Self, BuildError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        for (name, provider) in &config.providers {
            self.add_provider(name.clone(), provider.build());
            self.catalog.record_built(name, provider);
        }
        Ok(self.config_without_providers(config))
    }

    /// Adds everything in a configuration except the providers, which the caller adds under the same names.
    /// [`Builder::build`] reports the problems of the configuration.
    pub fn config_without_providers(mut self, config: &Config) -> Self {
        let Self { catalog, parts, .. } = &mut self;
        catalog.set_config(config);
        parts.cache = config.cache.clone();
        parts.traces = config.traces.clone();
        parts.ledger.clone_from(&config.ledger);
        self
    }

    /// Checks all settings and builds the client.
    ///
    /// # Errors
    /// Every problem found, each with the path of the setting, its value and the expected values.
    pub fn build(self) -> Result<Client, BuildError> {
        let Self { catalog, parts, mut problems, unbuilt } = self;
        problems.extend(catalog.problems(&unbuilt));
        if catalog.routes.is_empty() && catalog.models.values().all(Vec::is_empty) {
            let expected = "expected at least one route, or models of a provider";
            problems.push(InvalidConfig::new("routes", "(none)", expected));
        }
        let is_route = |name: &str| catalog.routes.iter().any(|route| route.name == name);
        for name in catalog.gates.keys().filter(|name| !is_route(name)) {
            let expected = "expected the name of a route; no route would run this gate";
            problems.push(InvalidConfig::new("gate", name, expected));
        }
        check_cache(&parts.cache, &mut problems);
        check_traces(&parts.traces, &mut problems);
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        Engine::new(catalog, parts).map(Client::new)
    }
}
