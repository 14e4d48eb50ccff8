use std::{collections::BTreeMap, fmt, time::Duration};

use fb_breaker::BreakerConfig;
use fb_budget::{Book, KeyLimits, LedgerConfig, Limits, PriceBook, PriceConfigs, Tier};
use fb_cache::{Cache, CacheConfig};
use fb_core::{FailureKind, ProviderId};
use fb_health::HealthConfig;
use fb_providers::{ProviderConfig, Secret};
use fb_quality::Gates;
use fb_retry::{BudgetConfig, RetryBudget, RetryConfig};
use fb_router::{Candidate, ClassRoutes, Router, Strategy};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    Evaluations, LadderConfig, Route, Target, TracesConfig,
    engine::now,
    evaluations::check_evaluations,
    mechanisms::{Mechanisms, Own},
};

/// Providers, routes and the settings of their mechanisms: everything of a config file that is not the server's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Accounts at upstreams, by name.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Virtual models, by name.
    pub routes: BTreeMap<String, Route>,
    /// The circuit breaker of every target; a provider and a target may have settings of their own.
    pub breaker: BreakerConfig,
    /// Backoff between attempts at one target.
    pub retry: RetryConfig,
    /// How many retries the calls to one provider may make together.
    pub retry_budget: BudgetConfig,
    /// Free probes of providers, and how targets fare beside their peers.
    pub health: HealthConfig,
    /// How much the cache of answers may hold. What is kept is for each route to say.
    pub cache: CacheConfig,
    /// How many requests are remembered with what was decided for them.
    pub traces: TracesConfig,
    /// What models cost, by `PROVIDER/MODEL`; a target's own price goes before, the built-in list after.
    pub prices: BTreeMap<String, PriceConfigs>,
    /// Who calls, by name, and what each may use; a caller that is none of them is `default`.
    pub tenants: BTreeMap<String, Tenant>,
    /// The file that keeps what tenants spent over restarts; none unless set.
    pub ledger: Option<LedgerConfig>,
    /// Which targets passed the golden cases of which routes; no part of a config's text.
    #[serde(skip)]
    pub evaluations: Evaluations,
}

/// A tenant: its key, and what it may use. A limit that is not set is none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// The key its callers show, as `Authorization: Bearer KEY`; none unless set. The server's matter.
    #[serde(default)]
    pub key: Option<Secret>,
    /// Requests per minute, 1 or more; a tenant that was quiet for a minute may send as many at once. No limit unless set.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Tokens in any 60 s, input and output, 1 or more. No limit unless set.
    #[serde(default)]
    pub tokens_per_minute: Option<u64>,
    /// US dollars per day of UTC. No limit unless set.
    #[serde(default)]
    pub usd_per_day: Option<f64>,
    /// US dollars per month of UTC. No limit unless set.
    #[serde(default)]
    pub usd_per_month: Option<f64>,
    /// Share of a limit on tokens or money from which its requests go to the `downshift` of their route. Default 0.8.
    #[serde(default = "default_warn_at")]
    pub warn_at: f64,
    /// Whether its requests leave their route from `warn_at` on. Default "standard".
    #[serde(default)]
    pub tier: Tier,
    /// The regions its requests may be computed in. Anywhere unless set.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
    /// The class of its data, which a target must be approved for. None unless set.
    #[serde(default)]
    pub data_class: Option<String>,
    /// The targets that may see its requests, each a `PROVIDER` or a `PROVIDER/MODEL`. All unless set.
    #[serde(default)]
    pub allowed: Option<Vec<String>>,
    /// More keys, by name, each with limits of its own within the tenant's.
    #[serde(default)]
    pub keys: BTreeMap<String, TenantKey>,
}

/// One of several keys of a tenant, and what may be used with it. A limit that is not set is none of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantKey {
    /// The key its callers show, as `Authorization: Bearer KEY`. The server's matter.
    pub key: Secret,
    /// Requests per minute, 1 or more. No limit of its own unless set.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Tokens in any 60 s, input and output, 1 or more. No limit of its own unless set.
    #[serde(default)]
    pub tokens_per_minute: Option<u64>,
    /// US dollars per day of UTC. No limit of its own unless set.
    #[serde(default)]
    pub usd_per_day: Option<f64>,
    /// US dollars per month of UTC. No limit of its own unless set.
    #[serde(default)]
    pub usd_per_month: Option<f64>,
}

impl TenantKey {
    fn limits(&self) -> KeyLimits {
        KeyLimits {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            usd_per_day: self.usd_per_day,
            usd_per_month: self.usd_per_month,
        }
    }
}

fn default_warn_at() -> f64 {
    Limits::default().warn_at
}

impl Tenant {
    /// What it may use.
    pub fn limits(&self) -> Limits {
        Limits {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            usd_per_day: self.usd_per_day,
            usd_per_month: self.usd_per_month,
            warn_at: self.warn_at,
            tier: self.tier,
            regions: self.regions.clone(),
            data_class: self.data_class.clone(),
            allowed: self.allowed.clone(),
            keys: self.keys.iter().map(|(name, key)| (name.clone(), key.limits())).collect(),
        }
    }

    /// Every key of the tenant: the name it has among them, its place in the tenant's table, and itself.
    pub fn every_key(&self) -> impl Iterator<Item = (Option<&str>, String, &Secret)> {
        let own = self.key.iter().map(|key| (None, "key".to_owned(), key));
        let more =
            self.keys.iter().map(|(name, key)| (Some(name.as_str()), format!("keys.{name}.key"), &key.key));
        own.chain(more)
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `routes.default.targets[1].provider`.
    pub field: String,
    /// What stands there, shortened; never a secret.
    pub value: String,
    /// What was expected, and perhaps what was meant.
    pub expected: String,
}

impl Problem {
    /// Names the place, what stands there and what was expected.
    pub fn new(field: impl Into<String>, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: field.into(), value: value.into(), expected: expected.into() }
    }

    /// Says of a time that is 0 or longer than a day that it may be neither.
    #[must_use]
    pub fn of_time(field: &str, time: Duration) -> Option<Self> {
        let expected = "expected a time above 0 and up to a day, such as \"30s\"";
        (time.is_zero() || time > MAX_TIME).then(|| Self::new(field, format!("{time:?}"), expected))
    }
}

impl From<fb_budget::InvalidConfig> for Problem {
    fn from(error: fb_budget::InvalidConfig) -> Self {
        Self::new(error.field, error.value, format!("expected {}", error.expected))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.field, self.value, self.expected)
    }
}

/// Longest time that any setting may name: a day.
const MAX_TIME: Duration = Duration::from_secs(86_400);
/// Longest time that an answer is kept.
const MAX_WINDOW: Duration = Duration::from_secs(30 * 86_400);
/// Most targets of a route.
const MAX_TARGETS: usize = 64;

impl Config {
    /// Every error of meaning; empty when the configuration can be built.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let names: Vec<&str> = self.providers.keys().map(String::as_str).collect();
        for (name, provider) in &self.providers {
            if let Err(error) = ProviderId::new(name) {
                found.push(Problem::new(format!("providers.{name}"), name, error.to_string()));
            }
            if let Err(error) = provider.build() {
                let field = format!("providers.{name}.{}", error.field);
                found.push(Problem::new(field, error.value, error.expected));
            }
        }
        let routes: Vec<&Route> = self.routes.values().collect();
        let own = self.providers.iter().map(|(name, provider)| (name.clone(), Own::from(provider))).collect();
        check_mechanisms(&self.mechanisms(), &self.retry_budget, &own, &routes, &mut found);
        check_cache(&self.cache, &mut found);
        check_traces(&self.traces, &mut found);
        check_routes(&routes, &names, &mut found);
        check_evaluations(&self.evaluations, &routes, &mut found);
        self.check_money(&mut found);
        found
    }

    fn check_money(&self, found: &mut Vec<Problem>) {
        let tenants = self.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.limits())).collect();
        if let Err(error) = Book::new(&tenants, now()) {
            found.push(error.into());
        }
        let mut keys: Vec<(String, SecretString)> = Vec::new();
        let all = self.tenants.iter().flat_map(|(name, tenant)| {
            tenant.every_key().map(move |(_, place, key)| (format!("tenants.{name}.{place}"), key))
        });
        for (field, key) in all {
            match key.resolve(&field) {
                Ok(key) => {
                    let same =
                        |(_, other): &&(String, SecretString)| other.expose_secret() == key.expose_secret();
                    if let Some((other, _)) = keys.iter().find(same) {
                        let expected = format!("the same as {other}; expected one of its own");
                        found.push(Problem::new(&field, "(a key)", expected));
                    }
                    keys.push((field, key));
                }
                Err(error) => found.push(Problem::new(error.field, error.value, error.expected)),
            }
        }
        if let Some(Err(error)) = self.ledger.as_ref().map(LedgerConfig::validate) {
            found.push(error.into());
        }
        if let Err(error) = PriceBook::new(&self.prices) {
            found.push(error.into());
        }
    }

    pub(crate) fn mechanisms(&self) -> Mechanisms {
        Mechanisms { breaker: self.breaker.clone(), retry: self.retry.clone(), health: self.health.clone() }
    }

    /// Gives every route its table's key as name; a parser calls it after reading.
    #[must_use]
    pub fn with_names(mut self) -> Self {
        for (name, route) in &mut self.routes {
            route.name.clone_from(name);
        }
        self
    }
}

/// Checks the settings of the mechanisms, for all and where providers and targets have their own.
pub(crate) fn check_mechanisms(
    all: &Mechanisms,
    budget: &BudgetConfig,
    providers: &BTreeMap<String, Own>,
    routes: &[&Route],
    found: &mut Vec<Problem>,
) {
    all.check("", found);
    if let Err(error) = RetryBudget::new(budget) {
        found.push(Problem::new(format!("retry_budget.{}", error.field), error.value, error.expected));
    }
    let narrowed: BTreeMap<&str, Mechanisms> = providers
        .iter()
        .map(|(name, own)| (name.as_str(), all.narrowed(own, &format!("providers.{name}"), found)))
        .collect();
    for route in routes {
        for (place, target) in route.every_target() {
            let wider = narrowed.get(target.provider.as_str()).unwrap_or(all);
            wider.narrowed(&Own::from(target), &format!("routes.{}.{place}", route.name), found);
        }
    }
}

/// Checks the settings of the cache.
pub(crate) fn check_cache(config: &CacheConfig, found: &mut Vec<Problem>) {
    if let Err(error) = Cache::<()>::new(config.clone()) {
        found.push(Problem::new(format!("cache.{}", error.field), error.value, error.expected));
    }
}

pub(crate) fn check_traces(config: &TracesConfig, found: &mut Vec<Problem>) {
    if config.keep > TracesConfig::MOST {
        let expected = format!("expected at most {}", TracesConfig::MOST);
        found.push(Problem::new("traces.keep", config.keep.to_string(), expected));
    }
}

/// Checks routes against the names of the providers there are.
pub(crate) fn check_routes(routes: &[&Route], providers: &[&str], found: &mut Vec<Problem>) {
    let mut taken: BTreeMap<&str, &str> = routes.iter().map(|r| (r.name.as_str(), "a route")).collect();
    for route in routes {
        let at = format!("routes.{}", route.name);
        if route.name.is_empty() || route.name.len() > 256 || route.name.contains(char::is_control) {
            found.push(Problem::new(&at, quote(&route.name), "expected a name of 1 to 256 characters"));
        }
        for (index, alias) in route.aliases.iter().enumerate() {
            if let Some(other) = taken.insert(alias, "an alias") {
                let expected = format!("already the name of {other}; expected a name of its own");
                found.push(Problem::new(format!("{at}.aliases[{index}]"), quote(alias), expected));
            }
        }
        if route.targets.is_empty() || route.targets.len() > MAX_TARGETS {
            let value = format!("{} targets", route.targets.len());
            found.push(Problem::new(
                format!("{at}.targets"),
                value,
                format!("expected 1 to {MAX_TARGETS} targets"),
            ));
        } else if route.targets.iter().all(|target| !target.enabled) {
            found.push(Problem::new(
                format!("{at}.targets"),
                "none enabled",
                "expected at least one enabled target",
            ));
        }
        if !(1..=100).contains(&route.max_attempts) {
            found.push(Problem::new(
                format!("{at}.max_attempts"),
                route.max_attempts.to_string(),
                "expected 1 to 100",
            ));
        }
        let times = [
            ("deadline", route.effective_deadline()),
            ("idle_timeout", route.idle_timeout),
            ("semantic_gap", route.semantic_gap),
            ("stream_total", route.stream_total),
        ];
        for (field, time) in times {
            found.extend(Problem::of_time(&format!("{at}.{field}"), time));
        }
        let windows = [("fresh", route.cache.fresh), ("stale_if_error", route.cache.stale_if_error)];
        for (field, window) in windows {
            if let Some(window) = window.filter(|window| window.is_zero() || *window > MAX_WINDOW) {
                let expected = "expected true, false, or a time above 0 and up to 30 days";
                found.push(Problem::new(format!("{at}.cache.{field}"), format!("{window:?}"), expected));
            }
        }
        for (index, target) in route.targets.iter().enumerate() {
            check_target(&format!("{at}.targets[{index}]"), target, providers, found);
        }
        check_strategy(&at, route, routes, found);
        if let Err(error) = Gates::new(route.quality.clone(), Vec::new()) {
            let expected = format!("expected {}", error.expected);
            found.push(Problem::new(format!("{at}.quality.{}", error.field), error.value, expected));
        }
        check_ladder(&format!("{at}.ladder"), &route.ladder, providers, found);
    }
}

fn check_strategy(at: &str, route: &Route, routes: &[&Route], found: &mut Vec<Problem>) {
    if let Err(error) = Router::new(route.router()) {
        let expected = format!("expected {}", error.expected);
        found.push(Problem::new(format!("{at}.{}", error.field), error.value, expected));
    }
    if let Some(cheaper) = &route.downshift
        && !routes.iter().any(|other| other.name == *cheaper)
    {
        let expected = "no such route; expected the name of a cheaper one";
        found.push(Problem::new(format!("{at}.downshift"), quote(cheaper), expected));
    }
    for (index, target) in route.targets.iter().enumerate() {
        if !(target.weight > 0.0 && target.weight <= Candidate::MAX_WEIGHT) {
            let field = format!("{at}.targets[{index}].weight");
            found.push(Problem::new(
                field,
                target.weight.to_string(),
                "expected more than 0, at most 1000000",
            ));
        }
        if route.strategy == Strategy::Cheapest && target.price.is_none() {
            let expected = "the strategy is cheapest: expected price = { input = …, output = … }";
            found.push(Problem::new(format!("{at}.targets[{index}].price"), "missing", expected));
        }
    }
    let ClassRoutes { simple, moderate, complex } = &route.classes;
    for (class, name) in [("simple", simple), ("moderate", moderate), ("complex", complex)] {
        let Some(name) = name else { continue };
        let expected = match routes.iter().find(|other| other.name == *name) {
            None => {
                let names = routes.iter().map(|route| route.name.as_str());
                match fb_providers::nearest(name, names) {
                    Some(near) => format!("no such route; did you mean {near:?}?"),
                    None => "no such route; expected the name of one".to_owned(),
                }
            }
            Some(other) if other.classes != ClassRoutes::default() => {
                "this route has classes itself; expected one that has none".to_owned()
            }
            Some(_) => continue,
        };
        found.push(Problem::new(format!("{at}.classes.{class}"), quote(name), expected));
    }
}

fn check_ladder(at: &str, ladder: &LadderConfig, providers: &[&str], found: &mut Vec<Problem>) {
    if ladder.descend_after == 0 {
        found.push(Problem::new(format!("{at}.descend_after"), "0", "expected at least 1"));
    }
    found.extend(Problem::of_time(&format!("{at}.within"), ladder.within));
    found.extend(Problem::of_time(&format!("{at}.climb"), ladder.climb));
    for (level, rung) in [("reduced", &ladder.reduced), ("minimal", &ladder.minimal)] {
        let Some(rung) = rung else { continue };
        if rung.targets.len() > MAX_TARGETS {
            let (value, expected) =
                (format!("{} targets", rung.targets.len()), format!("expected at most {MAX_TARGETS}"));
            found.push(Problem::new(format!("{at}.{level}.targets"), value, expected));
        }
        for (index, target) in rung.targets.iter().enumerate() {
            check_target(&format!("{at}.{level}.targets[{index}]"), target, providers, found);
        }
        if rung.max_tokens == Some(0) {
            found.push(Problem::new(format!("{at}.{level}.max_tokens"), "0", "expected at least 1"));
        }
        if let Some(temperature) = rung.temperature.filter(|temperature| !(0.0..=2.0).contains(temperature)) {
            let field = format!("{at}.{level}.temperature");
            found.push(Problem::new(field, temperature.to_string(), "expected 0 to 2"));
        }
    }
}

fn check_target(at: &str, target: &Target, providers: &[&str], found: &mut Vec<Problem>) {
    if !providers.contains(&target.provider.as_str()) {
        let near = fb_providers::nearest(&target.provider, providers.iter().copied());
        let expected = match near {
            Some(near) => format!("no such provider; did you mean {near:?}?"),
            None => format!("no such provider; expected one of: {}", providers.join(", ")),
        };
        found.push(Problem::new(format!("{at}.provider"), quote(&target.provider), expected));
    }
    if target.model.is_empty() {
        found.push(Problem::new(format!("{at}.model"), quote(&target.model), "expected a model's name"));
    }
    if target.max_retries > 20 {
        found.push(Problem::new(
            format!("{at}.max_retries"),
            target.max_retries.to_string(),
            "expected 0 to 20",
        ));
    }
    if target.max_in_flight == Some(0) {
        found.push(Problem::new(format!("{at}.max_in_flight"), "0", "expected at least 1"));
    }
    found.extend(Problem::of_time(&format!("{at}.timeout"), target.timeout));
    if let Some(price) = target.price
        && !(price.input >= 0.0 && price.output >= 0.0 && price.input + price.output < 1e9)
    {
        let value = format!("{} / {}", price.input, price.output);
        found.push(Problem::new(format!("{at}.price"), value, "expected USD per million tokens, 0 or more"));
    }
    for (index, kind) in target.trigger_on.iter().flatten().enumerate() {
        let field = format!("{at}.trigger_on[{index}]");
        if ["block", "blocked", "content_filter", "content_policy", "refusal"].contains(&kind.as_str()) {
            let expected = "a content-policy block is surfaced and never sent to another target; remove it";
            found.push(Problem::new(field, quote(kind), expected));
        } else if let Err(error) = kind.parse::<FailureKind>() {
            found.push(Problem::new(field, quote(kind), error.to_string()));
        }
    }
}

/// A value for a message: quoted, at most 64 characters.
pub(crate) fn quote(text: &str) -> String {
    format!("{:?}", text.chars().take(64).collect::<String>())
}
