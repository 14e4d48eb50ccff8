use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use fb_breaker::Breaker;
use fb_budget::{AccountStats, Allowances, LedgerError, Standing};
use fb_cache::{Purge, Stats as CacheStats};
use fb_core::{ChatRequest, Eligibility, Event, Level, Observer, RequestId, TargetId};
use fb_health::{Prober, Status as HealthStatus};
use fb_providers::IntoProvider;

use crate::{
    Answer, Change, ChangeError, ChatStream, Config, Destination, Error, KeyStatus, Plan, Record, Route,
    RouteLevel, Stats,
    clock::now,
    engine::{Engine, Mode, Response},
};

/// A handle to the whole stack: routes, targets and all their mechanisms.
///
/// Cloning is cheap. All clones share breakers, cache, budgets and statistics.
///
/// # Examples
///
/// A chain of two providers, plain and streamed:
///
/// ```no_run
/// use fb::{
///     ChatRequest, Client, Route, Target,
///     providers::{Anthropic, OpenAi},
/// };
///
/// # async fn example() -> Result<(), fb::Error> {
/// let client = Client::builder()
///     .provider("openai", OpenAi::from_env()?)
///     .provider("anthropic", Anthropic::from_env()?)
///     .route(Route::priority(
///         "default",
///         [Target::new("openai", "gpt-6.1-sol"), Target::new("anthropic", "claude-sonnet-4-6")],
///     ))
///     .build()?;
///
/// let answer = client.chat(ChatRequest::user("Hello!")).await?;
/// println!("{} (from {})", answer.text(), answer.served_by());
///
/// let answer = client.stream(ChatRequest::user("Hello!")).await?.collect().await?;
/// println!("{}", answer.trace());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) engine: Arc<Engine>,
}

impl Client {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine: Arc::new(engine) }
    }

    /// Sends a request and returns the complete answer.
    ///
    /// The targets of the request's route are tried until one of them answers, the deadline passes, or a failure occurs
    /// that no other target may hide: a content-policy block or an invalid request.
    ///
    /// If no target can be called, such as the only one after its breaker has opened, the request waits for the first one
    /// to become callable: several seconds by default, up to [`Route::last_resort_wait`].
    ///
    /// # Errors
    /// See [`Error`]. Every error that involved a target carries the report.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call to the provider. Its breaker permit is released, and the breaker records no
    /// outcome.
    pub async fn chat(&self, request: ChatRequest) -> Result<Answer, Error> {
        match self.engine.serve(&request, Mode::Plain).await? {
            Response::Plain(answer) => Ok(*answer),
            Response::Stream(stream) => stream.collect().await,
        }
    }

    /// Sends a request and returns a stream as soon as its first output has arrived.
    ///
    /// Failures before the first output are handled as in [`Client::chat`]. A failure after it ends the stream with
    /// [`Error::Interrupted`], unless the route [resumes](crate::Route::resume) broken streams.
    ///
    /// # Errors
    /// See [`Error`]. Every error that involved a target carries the report.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream cancels the call to the provider and releases its breaker permit.
    pub async fn stream(&self, request: ChatRequest) -> Result<ChatStream, Error> {
        match self.engine.serve(&request, Mode::Stream).await? {
            Response::Plain(answer) => Ok(ChatStream::from_answer(*answer)),
            Response::Stream(stream) => Ok(*stream),
        }
    }

    /// Adds a provider, or replaces the one of that name, for instance with a new key. The settings of its name stay:
    /// listed models, breaker, retry and health. Routes can use it from then on: [`Client::update_route`].
    ///
    /// This and the next two methods are short for [`Client::apply`] with one edit.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] if the name is not valid; nothing is changed then.
    pub fn add_provider(
        &self,
        name: impl Into<String>,
        provider: impl IntoProvider,
    ) -> Result<(), ChangeError> {
        self.apply(&Change::new().provider(name, provider))
    }

    /// Removes a provider with its listed models.
    ///
    /// # Errors
    /// [`ChangeError::ProviderInUse`] while a route uses it, [`ChangeError::UnknownProvider`] if there is none of this
    /// name; nothing is changed then.
    pub fn remove_provider(&self, name: impl Into<String>) -> Result<(), ChangeError> {
        self.apply(&Change::new().remove_provider(name))
    }

    /// Replaces the route of the same name, or adds one.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with every problem of the route; nothing is changed then.
    pub fn update_route(&self, route: Route) -> Result<(), ChangeError> {
        self.apply(&Change::new().route(route))
    }

    /// Changes providers and routes while requests are served: the whole change, or nothing if it is not valid.
    ///
    /// Requests and streams in flight end with the providers and routes that they began with; requests that begin
    /// afterwards use the new ones. A target that stays, by the names of its provider and its model, keeps its breaker,
    /// health, cool-down, quality score and statistics; changed settings apply to it at once. Replacing a provider ends
    /// what concerned its key: its rejection and its cool-down. Cached answers stay: see [`Client::purge_cache`].
    ///
    /// # Errors
    /// See [`ChangeError`]; nothing is changed then.
    pub fn apply(&self, change: &Change) -> Result<(), ChangeError> {
        self.engine.apply(change)
    }

    /// Replaces everything that came from a config by another one while requests are served: providers, routes, tenants and
    /// the settings of the mechanisms. The whole config applies, or nothing if it is not valid.
    ///
    /// What keeps its identity keeps its state, as with [`apply`](Self::apply): a target its breaker, health, quality score and
    /// statistics; a tenant what it used, whatever its limits are now; a provider with the same connection its keys. The cache
    /// stays. Providers, routes and tenants that the program added itself stay too. The settings of `cache` and `ledger` cannot
    /// change.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with every problem; nothing is changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use fb::{Client, Config};
    ///
    /// let config = |model: &str| {
    ///     let target = format!("targets = [{{ provider = \"local\", model = \"{model}\" }}]");
    ///     Config::from_toml(&format!("providers.local.kind = \"ollama\"\n[routes.default]\n{target}"))
    /// };
    /// let client = Client::builder().config(&config("llama3.2")?)?.build()?;
    /// client.reload(&config("qwen3")?)?;
    /// assert_eq!(client.models(), ["default", "local/qwen3"]);
    /// # Ok::<(), fb::Error>(())
    /// ```
    pub fn reload(&self, config: &Config) -> Result<(), ChangeError> {
        self.engine.reload(config)
    }

    /// Returns the names of the providers, in order.
    pub fn providers(&self) -> Vec<String> {
        self.engine.provider_names()
    }

    /// Returns the names of the routes, in order.
    pub fn routes(&self) -> Vec<String> {
        self.engine.route_names()
    }

    /// Returns the counts since the client was built, in total and per target.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Returns every target with its current eligibility for calls, in order of name.
    pub fn targets(&self) -> Vec<(TargetId, Eligibility)> {
        self.engine.eligibility()
    }

    /// Ends whatever keeps calls from a target: a forced or open breaker of the target and of its provider, the cool-downs of
    /// both, the rejection of the provider's key, which is read again, the ejection of the target, and the unhealthy condition
    /// of its provider. Counts of failures begin anew. Returns false if there is no such target.
    pub async fn reset(&self, target: &TargetId) -> bool {
        self.engine.reset(target).await
    }

    /// Returns every target with its circuit breaker, in order of name. Breakers can be inspected, forced open or
    /// closed, and reset.
    pub fn breakers(&self) -> Vec<(TargetId, Breaker)> {
        self.engine.breakers()
    }

    /// Returns every provider with the circuit breaker that all its targets share, in order of name. Failures to connect
    /// open it, or all failures with [`BreakerConfig::shared`](fb_breaker::BreakerConfig::shared).
    pub fn provider_breakers(&self) -> Vec<(String, Breaker)> {
        self.engine.provider_breakers()
    }

    /// Returns the health of every target, in order of name.
    pub fn health(&self) -> Vec<(TargetId, HealthStatus)> {
        self.engine.health()
    }

    /// Returns the status of the API keys of every target, in order of name; of providers with several keys only.
    pub fn keys(&self) -> Vec<(TargetId, Vec<KeyStatus>)> {
        self.engine.keys()
    }

    /// Returns the quality score of every target, in order of name: the share of its answers that passed the quality
    /// gates, 0 to 1. An answer counts half after ten minutes; a target without checked answers has a score of 1.
    pub fn quality(&self) -> Vec<(TargetId, f64)> {
        self.engine.quality()
    }

    /// Returns the targets that can be called now, in order of name.
    pub fn healthy_targets(&self) -> Vec<TargetId> {
        let usable = |(id, eligibility): (TargetId, Eligibility)| eligibility.is_usable().then_some(id);
        self.targets().into_iter().filter_map(usable).collect()
    }

    /// Returns the targets that can be called now, those with the lowest mean latency first. Targets without calls in the
    /// last ten minutes come last.
    pub fn fastest_targets(&self) -> Vec<TargetId> {
        let latency: BTreeMap<TargetId, Duration> =
            self.health().into_iter().filter_map(|(id, status)| Some((id, status.latency?.mean))).collect();
        let mut targets = self.healthy_targets();
        targets.sort_by_key(|id| latency.get(id).copied().unwrap_or(Duration::MAX));
        targets
    }

    /// Adds an observer of the requests that begin from now on.
    pub fn add_observer(&self, observer: Arc<dyn Observer>) {
        self.engine.observers.add(observer);
    }

    /// Starts to probe the providers in the background until the prober is shut down or dropped. Probes cost nothing,
    /// unless a provider has [completions](fb_health::ProbeKind::Completion) as probes. Without a prober only the
    /// outcomes of ordinary calls decide the health of a target.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its timer enabled.
    #[must_use = "dropping a prober stops it"]
    pub fn probe(&self) -> Prober {
        self.engine.probe()
    }

    /// Probes every provider once, and returns when each has answered or timed out. A provider with completions as probes is
    /// left out within the interval of its last one. While a [prober](Self::probe) runs,
    /// its own `check_now` does the same without a second probe.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the probes.
    pub async fn check_now(&self) {
        let prober = self.probe();
        prober.check_now().await;
        prober.shutdown().await;
    }

    /// Returns the route that serves a request, and the complexity class that selects it.
    ///
    /// # Errors
    /// As for [`Client::plan`].
    pub fn destination(&self, request: &ChatRequest) -> Result<Destination, Error> {
        self.engine.destination(request)
    }

    /// Returns the order in which the targets would be tried for a request now, with the reason for each position and
    /// each exclusion. Makes no call and leaves the state of strategies and breakers unchanged.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] or [`Error::InvalidRequest`] when the request names no route, or prefers a target that
    /// does not exist.
    pub fn plan(&self, request: &ChatRequest) -> Result<Plan, Error> {
        self.engine.plan(request)
    }

    /// Moves the weights of a route's targets halfway to their shares of the summed success rates, and returns the new
    /// weights: 0.6 and 0.4 for targets with the weights 0.7 and 0.3 that answered every request. They sum to 1, and
    /// none is below 0.01. Returns `None` if the route does not exist.
    pub fn adjust_weights(&self, route: &str) -> Option<Vec<(TargetId, f64)>> {
        self.engine.adjust_weights(route)
    }

    /// Returns the record of a request by the id in its [report](fb_core::Report); `None` if the request is still
    /// running or its record has been evicted.
    pub fn trace(&self, id: RequestId) -> Option<Arc<Record>> {
        self.engine.trace(id)
    }

    /// Returns up to `most` records of the latest requests, newest first.
    pub fn traces(&self, most: usize) -> Vec<Arc<Record>> {
        self.engine.traces(most)
    }

    /// Returns the usage of every tenant and its standing against its limits, in order of name; empty if no tenant has
    /// limits.
    pub fn tenants(&self) -> Vec<(String, AccountStats, Standing)> {
        self.engine.tenants()
    }

    /// Returns what is left of the limits per minute of a tenant, or of one of its keys within those of the tenant. Without a
    /// tenant, those of `default`.
    pub fn allowances(&self, tenant: Option<&str>, key: Option<&str>) -> Allowances {
        self.engine.allowances(tenant, key)
    }

    /// Writes what tenants spent to the ledger and closes it, so that nothing is written later, wherever the last clone is
    /// dropped. Call it at the end of a program. Without a [ledger](crate::Builder::ledger) it does nothing.
    ///
    /// Requests are still served, under the limits as counted in memory; what calls in flight have reserved counts as spent. A
    /// ledger that another client of the process shares stays open for that client.
    ///
    /// # Errors
    /// The error of the last commit.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// The ledger is closed even if the future is dropped.
    pub async fn close(&self) -> Result<(), Arc<LedgerError>> {
        self.engine.close().await
    }

    /// Returns the reason why the ledger cannot be written at present, if there is one. Requests are served meanwhile,
    /// and writing is retried.
    pub fn ledger_failure(&self) -> Option<String> {
        self.engine.ledger_failure()
    }

    /// Returns the level at which the requests of each route start, in order of name.
    pub fn levels(&self) -> Vec<RouteLevel> {
        self.engine.levels()
    }

    /// Forces the level at which the requests of a route start, for a time or until it is changed again. `route: None`
    /// applies to all routes; `decision: None` returns the choice to the route. Returns false if the route does not
    /// exist.
    pub fn set_level(&self, route: Option<&str>, decision: Option<(Level, Option<Duration>)>) -> bool {
        self.engine.set_level(route, decision)
    }

    /// Returns the counters and the size of the answer cache.
    pub fn cache_stats(&self) -> CacheStats {
        self.engine.cache().stats()
    }

    /// Removes the matching answers from the cache and returns their number. Takes time linear in the size of the
    /// cache.
    pub fn purge_cache(&self, purge: &Purge) -> u64 {
        self.engine.cache().purge(purge, now())
    }

    /// Returns every valid value of `model`: routes, then aliases, then `PROVIDER/MODEL` of every target.
    pub fn models(&self) -> Vec<String> {
        self.engine.models()
    }

    /// Returns the values of `model` with a target that the tenant may call. Without budgets all are returned.
    pub fn models_of(&self, tenant: &str) -> Vec<String> {
        self.engine.models_of(tenant)
    }

    /// Returns true if a route has this name or alias, and false for the name of a target.
    pub fn has_route(&self, name: &str) -> bool {
        self.engine.has_route(name)
    }

    /// Returns the settings of a route; `None` if no route has this name.
    pub fn route(&self, name: &str) -> Option<Route> {
        self.engine.route(name)
    }

    /// Sends an event to the observers, for a server in front of the client that has events of its own, such as
    /// [`Event::Rejected`].
    pub fn publish(&self, event: &Event<'_>) {
        self.engine.observers.publish(event);
    }

    /// Returns the number of breaker permits in use; 0 when no request is in flight.
    pub fn outstanding_permits(&self) -> u32 {
        self.engine.outstanding_permits()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("models", &self.models()).finish_non_exhaustive()
    }
}
