use std::{collections::BTreeMap, time::Duration};

use fb_breaker::BreakerConfig;
use fb_cache::Windows;
use fb_core::{Capabilities, FailureKind, Json, Overlay, Price};
use fb_health::HealthConfig;
use fb_quality::QualityConfig;
use fb_retry::RetryConfig;
use fb_router::{
    ClassRoutes, HedgeConfig, RaceConfig, RouterConfig, Rules as Complexities, StickyConfig, Strategy,
};
use serde::{Deserialize, Deserializer, de::Error};

use crate::{LadderConfig, Rung};

/// A named virtual model: targets, a strategy, and how long one request may take.
///
/// The same type is the config table `[routes.NAME]` and the value given to [`Builder::route`](crate::Builder).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What callers put into `model`. In a config: the table's key.
    #[serde(skip)]
    pub name: String,
    /// Other names of the route.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Which target is tried when.
    #[serde(default)]
    pub strategy: Strategy,
    /// Settings of the strategy `race`.
    #[serde(default)]
    pub race: RaceConfig,
    /// Settings of the strategy `hedged`.
    #[serde(default)]
    pub hedge: HedgeConfig,
    /// Settings of the strategy `sticky`.
    #[serde(default)]
    pub sticky: StickyConfig,
    /// The routes that simple, moderate and complex requests go to instead; none unless set.
    #[serde(default)]
    pub classes: ClassRoutes,
    /// What makes a request simple or complex, for `classes`.
    #[serde(default)]
    pub complexity: Complexities,
    /// How long a request may take: a plain one in all, a streamed one until its first output.
    /// Default: 60 s, or the sum of the targets' timeouts when that is more.
    #[serde(default, with = "humantime_serde")]
    pub deadline: Option<Duration>,
    /// Most calls for one request, retries included, 1 to 100. Default 6.
    #[serde(default = "default_attempts")]
    pub max_attempts: u32,
    /// How long a committed stream may send nothing at all. Default 30 s.
    #[serde(default = "default_idle", with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long a committed stream may send signs of life but no output. Default 120 s.
    #[serde(default = "default_gap", with = "humantime_serde")]
    pub semantic_gap: Duration,
    /// How long a committed stream may take in all. Default 10 min.
    #[serde(default = "default_stream_total", with = "humantime_serde")]
    pub stream_total: Duration,
    /// Whether a stream of text that breaks goes on with what another target writes from where it stopped, said in the
    /// stream. Default false: it ends with an error.
    #[serde(default)]
    pub resume: bool,
    /// How long a request waits for a target to reopen when none can be called. Default 10 s.
    #[serde(default = "default_last_resort", with = "humantime_serde")]
    pub last_resort_wait: Duration,
    /// What happens when no target reopens within that time.
    #[serde(default)]
    pub when_all_unavailable: Unavailable,
    /// What is kept of its answers; nothing unless set.
    #[serde(default)]
    pub cache: RouteCache,
    /// The route that requests go to instead whose tenant has used most of its budget; none unless set.
    #[serde(default)]
    pub downshift: Option<String>,
    /// What an answer must hold to be good enough; anything is unless set.
    #[serde(default)]
    pub quality: QualityConfig,
    /// Whether a target is refused that did not answer the route's golden cases well enough; false.
    #[serde(default)]
    pub require_eval: bool,
    /// What is given when no target can give a whole answer; an error unless set.
    #[serde(default)]
    pub ladder: LadderConfig,
    /// Who answers, in order of preference.
    pub targets: Vec<Target>,
}

const fn default_attempts() -> u32 {
    6
}

const fn default_idle() -> Duration {
    Duration::from_secs(30)
}

const fn default_gap() -> Duration {
    Duration::from_secs(120)
}

const fn default_stream_total() -> Duration {
    Duration::from_secs(600)
}

const fn default_last_resort() -> Duration {
    Duration::from_secs(10)
}

/// The least a route's default deadline is.
const MIN_DEADLINE: Duration = Duration::from_secs(60);

/// What a route keeps of its answers: in memory, for each tenant apart. Nothing unless it says so.
///
/// Only complete answers are kept, nothing blocked, cut short or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteCache {
    /// How long an answer is as good as a new one: then the same request is answered without a call. `true` is 10 min.
    /// Only for requests with a `temperature` of 0 or a `seed`, unless [`any_temperature`](Self::any_temperature).
    #[serde(deserialize_with = "fresh_window")]
    pub fresh: Option<Duration>,
    /// How long after that it is better than none: when every target failed, or could not be called, for want of
    /// availability. `true` is 24 h. At any temperature.
    #[serde(deserialize_with = "stale_window")]
    pub stale_if_error: Option<Duration>,
    /// Whether requests that ask for variety may be given the same answer while it is fresh; false.
    pub any_temperature: bool,
    /// Whether answers that call tools are kept; false: to call a tool again may not be the same.
    pub tool_calls: bool,
}

impl RouteCache {
    /// Keeps deterministic answers for 10 minutes, and all for another 24 hours in case no target can answer.
    pub fn usual() -> Self {
        let Windows { fresh, stale_if_error } = Windows::default();
        Self { fresh: Some(fresh), stale_if_error: Some(stale_if_error), ..Self::default() }
    }
}

/// `true`, `false` or a time.
#[derive(Deserialize)]
#[serde(untagged)]
enum Window {
    Switch(bool),
    Time(#[serde(with = "humantime_serde")] Duration),
}

impl Window {
    fn read<'de, D: Deserializer<'de>>(from: D, usual: Duration) -> Result<Option<Duration>, D::Error> {
        let expected = |_untold| D::Error::custom("expected true, false or a time such as \"10m\"");
        Ok(match Self::deserialize(from).map_err(expected)? {
            Self::Switch(on) => on.then_some(usual),
            Self::Time(time) => Some(time),
        })
    }
}

fn fresh_window<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Window::read(from, Windows::default().fresh)
}

fn stale_window<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Window::read(from, Windows::default().stale_if_error)
}

/// What happens when every target is cooling or open for longer than a request waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// One call at a time is let through to a target, in case it healed early.
    #[default]
    TryAnyway,
    /// The request fails.
    Fail,
}

impl Route {
    /// A route that tries its targets one after the other.
    pub fn priority(name: impl Into<String>, targets: impl IntoIterator<Item = Target>) -> Self {
        Self::new(name, Strategy::Priority, targets)
    }

    /// A route of any strategy.
    pub fn new(
        name: impl Into<String>,
        strategy: Strategy,
        targets: impl IntoIterator<Item = Target>,
    ) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            strategy,
            race: RaceConfig::default(),
            hedge: HedgeConfig::default(),
            sticky: StickyConfig::default(),
            classes: ClassRoutes::default(),
            complexity: Complexities::default(),
            deadline: None,
            max_attempts: default_attempts(),
            idle_timeout: default_idle(),
            semantic_gap: default_gap(),
            stream_total: default_stream_total(),
            resume: false,
            last_resort_wait: default_last_resort(),
            when_all_unavailable: Unavailable::default(),
            cache: RouteCache::default(),
            downshift: None,
            quality: QualityConfig::default(),
            require_eval: false,
            ladder: LadderConfig::default(),
            targets: targets.into_iter().collect(),
        }
    }

    /// Sets the deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how many targets a race starts at once.
    #[must_use]
    pub const fn race(mut self, race: RaceConfig) -> Self {
        self.race = race;
        self
    }

    /// Sets when a second target is started beside a slow first one.
    #[must_use]
    pub const fn hedge(mut self, hedge: HedgeConfig) -> Self {
        self.hedge = hedge;
        self
    }

    /// Sets what requests stick by.
    #[must_use]
    pub fn sticky(mut self, sticky: StickyConfig) -> Self {
        self.sticky = sticky;
        self
    }

    /// Sets where simple, moderate and complex requests go instead.
    #[must_use]
    pub fn classes(mut self, classes: ClassRoutes) -> Self {
        self.classes = classes;
        self
    }

    /// Lets streams of text that break go on with what another target writes.
    #[must_use]
    pub const fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Sets what is kept of its answers.
    #[must_use]
    pub const fn cache(mut self, cache: RouteCache) -> Self {
        self.cache = cache;
        self
    }

    /// Sets what an answer must hold to be good enough.
    #[must_use]
    pub fn quality(mut self, quality: QualityConfig) -> Self {
        self.quality = quality;
        self
    }

    /// Sets what is given when no target can give a whole answer.
    #[must_use]
    pub fn ladder(mut self, ladder: LadderConfig) -> Self {
        self.ladder = ladder;
        self
    }

    /// Adds another name.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// The targets of the route and of its ladder, each with its place in the route, such as `targets[0]`.
    pub fn every_target(&self) -> impl Iterator<Item = (String, &Target)> {
        fn of(rung: Option<&Rung>) -> &[Target] {
            rung.map_or(&[], |rung| &rung.targets)
        }
        let LadderConfig { reduced, minimal, .. } = &self.ladder;
        let lists = [
            ("targets", &self.targets[..]),
            ("ladder.reduced.targets", of(reduced.as_ref())),
            ("ladder.minimal.targets", of(minimal.as_ref())),
        ];
        lists.into_iter().flat_map(|(list, targets)| {
            targets.iter().enumerate().map(move |(index, target)| (format!("{list}[{index}]"), target))
        })
    }

    pub(crate) fn router(&self) -> RouterConfig {
        RouterConfig {
            strategy: self.strategy,
            race: self.race,
            hedge: self.hedge.clone(),
            sticky: self.sticky.clone(),
        }
    }

    /// The deadline in force.
    pub(crate) fn effective_deadline(&self) -> Duration {
        let enabled = self.targets.iter().filter(|target| target.enabled);
        let sum = enabled.fold(Duration::ZERO, |sum, target| sum.saturating_add(target.timeout));
        self.deadline.unwrap_or_else(|| sum.max(MIN_DEADLINE))
    }
}

/// A provider's model and the policy for calling it.
///
/// The same type is the config table `[[routes.NAME.targets]]` and the value given to [`Route::priority`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of a configured provider.
    pub provider: String,
    /// The model's name at that provider.
    pub model: String,
    /// Its share of the requests under `weighted` and `sticky`, beside the weights of the route's other targets; above 0
    /// and at most 1,000,000. Default 1.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// Lower is tried first; targets of one priority in the order of the list. Default: the place in the list.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Retries at this target after the first attempt, 0 to 20; a failure's kind may allow fewer. Default 1.
    #[serde(default = "default_retries")]
    pub max_retries: u32,
    /// How long one attempt may take: a plain one in all, a streamed one until its first output. Default 30 s.
    #[serde(default = "default_timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// Most calls to it at one time, over all routes, at least 1; a request beyond that goes to the next target.
    /// Default: no limit. The first route that names a target decides.
    #[serde(default)]
    pub max_in_flight: Option<u32>,
    /// The failure kinds after which the next target is tried; any other is surfaced at once.
    /// Default: the kinds another target may survive.
    #[serde(default)]
    pub trigger_on: Option<Vec<String>>,
    /// Whether it is used at all. Default true.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// USD per million tokens, to tell what an answer cost.
    #[serde(default)]
    pub price: Option<Price>,
    /// Where it computes, for requests that may not be computed everywhere. Unknown unless set.
    #[serde(default)]
    pub region: Option<String>,
    /// The classes of data it is approved for. None unless set.
    #[serde(default)]
    pub data_classes: Vec<String>,
    /// Most tokens of one answer; a request that asks for more goes to another target. Unknown unless set.
    #[serde(default)]
    pub max_output: Option<u64>,
    /// What its model can do, where it is not what fb knows of it.
    #[serde(default)]
    pub capabilities: TargetCapabilities,
    /// Top-level fields of the provider's own dialect to set, whatever the caller asked: `set = { temperature = 0 }`.
    #[serde(default, deserialize_with = "json_fields")]
    pub set: BTreeMap<String, Json>,
    /// Settings of its circuit breaker that differ from its provider's. A target of several routes has one breaker and
    /// one health, with the settings of the first route that names it.
    #[serde(default)]
    pub breaker: Option<Overlay>,
    /// The same for the waits between its attempts.
    #[serde(default)]
    pub retry: Option<Overlay>,
    /// The same for its health.
    #[serde(default)]
    pub health: Option<Overlay>,
}

/// What a target's model can do, where it is not what fb knows of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetCapabilities {
    /// Whether it calls functions.
    pub tools: Option<bool>,
    /// Whether it calls several functions at once; true unless set.
    pub parallel_tools: Option<bool>,
    /// Whether it follows a JSON schema.
    pub json_schema: Option<bool>,
    /// Whether it sees pictures.
    pub vision: Option<bool>,
    /// Whether it streams; one that does not answers whole, and its answer comes as a stream of one piece.
    pub streaming: Option<bool>,
    /// Most tokens of prompt and answer together.
    pub context: Option<u64>,
    /// Largest request body in bytes.
    pub max_body: Option<u64>,
}

impl TargetCapabilities {
    /// What is known, with what is set here in its place.
    pub(crate) fn over(&self, known: Capabilities) -> Capabilities {
        Capabilities {
            tools: self.tools.unwrap_or(known.tools),
            json_schema: self.json_schema.unwrap_or(known.json_schema),
            vision: self.vision.unwrap_or(known.vision),
            streaming: self.streaming.unwrap_or(known.streaming),
            context: self.context.or(known.context),
            max_body: self.max_body.or(known.max_body),
        }
    }
}

/// Reads values of any config language as JSON.
fn json_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Json>, D::Error> {
    let fields = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let print = |(name, value)| Ok((name, Json::print(&value).map_err(D::Error::custom)?));
    fields.into_iter().map(print).collect()
}

const fn default_retries() -> u32 {
    1
}

const fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

const fn default_enabled() -> bool {
    true
}

const fn default_weight() -> f64 {
    1.0
}

impl Target {
    /// A target with the default policy.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            weight: default_weight(),
            priority: None,
            max_retries: default_retries(),
            timeout: default_timeout(),
            max_in_flight: None,
            trigger_on: None,
            enabled: true,
            price: None,
            region: None,
            data_classes: Vec::new(),
            max_output: None,
            capabilities: TargetCapabilities::default(),
            set: BTreeMap::new(),
            breaker: None,
            retry: None,
            health: None,
        }
    }

    /// Who it is, as `PROVIDER/MODEL`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }

    /// Sets its share of the requests, beside the weights of the route's other targets.
    #[must_use]
    pub const fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Sets where it computes.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the priority; lower is tried first.
    #[must_use]
    pub const fn priority(mut self, priority: u32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Sets the retries after the first attempt.
    #[must_use]
    pub const fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets how long one attempt may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long one attempt may take, in seconds.
    #[must_use]
    pub const fn timeout_secs(self, secs: u64) -> Self {
        self.timeout(Duration::from_secs(secs))
    }

    /// Sets the most calls at one time.
    #[must_use]
    pub const fn max_in_flight(mut self, calls: u32) -> Self {
        self.max_in_flight = Some(calls);
        self
    }

    /// Sets the failure kinds after which the next target is tried.
    #[must_use]
    pub fn trigger_on(mut self, kinds: impl IntoIterator<Item = FailureKind>) -> Self {
        self.trigger_on = Some(kinds.into_iter().map(|kind| kind.name().to_owned()).collect());
        self
    }

    /// Sets whether it is used at all.
    #[must_use]
    pub const fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Gives it a circuit breaker with settings of its own.
    #[must_use]
    pub fn breaker(mut self, config: &BreakerConfig) -> Self {
        self.breaker = Some(Overlay::of(config));
        self
    }

    /// Gives it waits between attempts of its own.
    #[must_use]
    pub fn retry(mut self, config: &RetryConfig) -> Self {
        self.retry = Some(Overlay::of(config));
        self
    }

    /// Gives its health settings of their own.
    #[must_use]
    pub fn health(mut self, config: &HealthConfig) -> Self {
        self.health = Some(Overlay::of(config));
        self
    }

    /// Sets what its tokens cost.
    #[must_use]
    pub const fn price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }
}
