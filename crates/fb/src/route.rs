use std::time::Duration;

use fb_core::preset_or_table;
use fb_quality::QualityConfig;
use fb_router::{
    ClassRoutes, HedgeConfig, RaceConfig, RouterConfig, Rules as ComplexityRules, StickyConfig, Strategy,
};
use serde::Deserialize;

mod cache;

pub(crate) use self::cache::MAX_WINDOW as MAX_CACHE_WINDOW;
pub use self::cache::{CacheKey, RouteCache};
use crate::{
    LadderConfig, Rung, Target,
    thinking::{is_thinking_model, set_effort, thinks},
    time_limits::{CallShape, TargetTimes, default_deadline},
};

/// A named virtual model: its targets, the strategy that orders them, and the limits of one request.
///
/// The same type is the config table `[routes.NAME]` and the value given to
/// [`Builder::route`](crate::Builder::route).
///
/// # Examples
///
/// Seven of ten requests go to the first target; the second one answers when it fails, and the other way round:
///
/// ```
/// use std::time::Duration;
///
/// use fb::{Route, Strategy, Target};
///
/// let targets = [
///     Target::new("openai", "gpt-6.1-sol").weight(7.0),
///     Target::new("anthropic", "claude-sonnet-4-6").weight(3.0),
/// ];
/// let route = Route::new("default", Strategy::Weighted, targets)
///     .alias("gpt-4o")
///     .deadline(Duration::from_secs(20));
/// assert_eq!(route.aliases, ["gpt-4o"]);
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The name that callers put into `model`. In a config file: the key of the table.
    #[serde(skip)]
    pub name: String,
    /// Further names of the route.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The strategy that orders the targets for a request.
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
    /// The routes that serve simple, moderate and complex requests instead of this one; none unless set.
    #[serde(default)]
    pub classes: ClassRoutes,
    /// The rules that classify a request as simple or complex, for `classes`; or a preset: `"brief"`.
    #[serde(default, deserialize_with = "preset_or_table")]
    pub complexity: ComplexityRules,
    /// Time limit of a request: of a plain one in all, of a streamed one until its first output. Defaults to the sum of
    /// the targets' time limits, but at least 60 s.
    #[serde(default, with = "humantime_serde")]
    pub deadline: Option<Duration>,
    /// The most calls for one request, retries included, 1 to 100. Retries beyond it are not made, of which
    /// [`Config::warnings`](crate::Config::warnings) warns. Defaults to 6.
    #[serde(default = "default_attempts")]
    pub max_attempts: u32,
    /// Longest silence of a stream after its first output. Defaults to 30 s.
    #[serde(default = "default_idle", with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Longest time without output in a stream after its first output, even if keep-alives arrive. Defaults to 120 s.
    #[serde(default = "default_gap", with = "humantime_serde")]
    pub semantic_gap: Duration,
    /// Time limit of a whole stream, from its first output on. Defaults to 10 min.
    #[serde(default = "default_stream_total", with = "humantime_serde")]
    pub stream_total: Duration,
    /// Continues a broken stream of text at another target, from the point where it stopped; the stream marks the
    /// change. Requests with tools or a format are not resumed. Defaults to false: a broken stream ends with an error.
    #[serde(default)]
    pub resume: bool,
    /// Longest time that a request waits for a target to become callable when none is. Defaults to 10 s.
    #[serde(default = "default_last_resort", with = "humantime_serde")]
    pub last_resort_wait: Duration,
    /// The policy for requests that find no target callable within that time.
    #[serde(default)]
    pub when_all_unavailable: UnavailablePolicy,
    /// Caching of the route's answers; off unless set. Or a preset: `"simple"`.
    #[serde(default, deserialize_with = "preset_or_table")]
    pub cache: RouteCache,
    /// The cheaper route that serves the requests of tenants that have used most of their budget; none unless set.
    #[serde(default)]
    pub downshift: Option<String>,
    /// Quality checks that every answer must pass; none unless set.
    #[serde(default)]
    pub quality: QualityConfig,
    /// Rejects targets that did not pass the route's golden cases. Defaults to false.
    #[serde(default)]
    pub require_eval: bool,
    /// The degradation ladder: lower levels of service when no target gives a full answer; none unless set. Or a preset:
    /// `"classic"`.
    #[serde(default, deserialize_with = "preset_or_table")]
    pub ladder: LadderConfig,
    /// The targets, in order of preference.
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

/// The policy when every target of a request is cooling down or open for longer than the request waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnavailablePolicy {
    /// One request at a time calls a target anyway, in case it has recovered early.
    #[default]
    TryAnyway,
    /// The request fails.
    Fail,
}

impl Route {
    /// Creates a route that tries its targets one after the other.
    pub fn priority(name: impl Into<String>, targets: impl IntoIterator<Item = Target>) -> Self {
        Self::new(name, Strategy::Priority, targets)
    }

    /// Creates a route with any strategy.
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
            complexity: ComplexityRules::default(),
            deadline: None,
            max_attempts: default_attempts(),
            idle_timeout: default_idle(),
            semantic_gap: default_gap(),
            stream_total: default_stream_total(),
            resume: false,
            last_resort_wait: default_last_resort(),
            when_all_unavailable: UnavailablePolicy::default(),
            cache: RouteCache::default(),
            downshift: None,
            quality: QualityConfig::default(),
            require_eval: false,
            ladder: LadderConfig::default(),
            targets: targets.into_iter().collect(),
        }
    }

    /// Sets the deadline of a request.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the most calls for one request, retries included.
    #[must_use]
    pub const fn max_attempts(mut self, calls: u32) -> Self {
        self.max_attempts = calls;
        self
    }

    /// Sets the longest silence of a stream after its first output.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Sets the longest time without output in a stream after its first output.
    #[must_use]
    pub const fn semantic_gap(mut self, limit: Duration) -> Self {
        self.semantic_gap = limit;
        self
    }

    /// Sets the time limit of a whole stream, from its first output on.
    #[must_use]
    pub const fn stream_total(mut self, limit: Duration) -> Self {
        self.stream_total = limit;
        self
    }

    /// Sets the longest time that a request waits for a target to become callable when none is: with one target, until
    /// its open breaker admits a probe. By default a request waits up to 10 s, which suits callers that need an answer;
    /// [`Duration::ZERO`] returns the error at once, for callers with a fallback of their own.
    #[must_use]
    pub const fn last_resort_wait(mut self, limit: Duration) -> Self {
        self.last_resort_wait = limit;
        self
    }

    /// Sets the policy for requests that find no target callable within that time. By default one request at a time
    /// calls a target anyway.
    #[must_use]
    pub const fn when_all_unavailable(mut self, policy: UnavailablePolicy) -> Self {
        self.when_all_unavailable = policy;
        self
    }

    /// Sets the cheaper route for the requests of tenants that have used most of their budget.
    #[must_use]
    pub fn downshift(mut self, route: impl Into<String>) -> Self {
        self.downshift = Some(route.into());
        self
    }

    /// Rejects targets that did not pass the route's [golden cases](crate::Builder::evaluations).
    #[must_use]
    pub const fn require_eval(mut self) -> Self {
        self.require_eval = true;
        self
    }

    /// Configures how many targets a race starts at once.
    #[must_use]
    pub const fn race(mut self, race: RaceConfig) -> Self {
        self.race = race;
        self
    }

    /// Configures when a second target is called beside a slow first one.
    #[must_use]
    pub const fn hedge(mut self, hedge: HedgeConfig) -> Self {
        self.hedge = hedge;
        self
    }

    /// Configures the key by which requests stick to a target.
    #[must_use]
    pub fn sticky(mut self, sticky: StickyConfig) -> Self {
        self.sticky = sticky;
        self
    }

    /// Sets the routes that serve simple, moderate and complex requests instead of this one.
    #[must_use]
    pub fn classes(mut self, classes: ClassRoutes) -> Self {
        self.classes = classes;
        self
    }

    /// Sets the rules that classify a request as simple or complex.
    #[must_use]
    pub fn complexity(mut self, rules: ComplexityRules) -> Self {
        self.complexity = rules;
        self
    }

    /// Continues broken streams of text at another target.
    #[must_use]
    pub const fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Configures caching of the route's answers.
    #[must_use]
    pub const fn cache(mut self, cache: RouteCache) -> Self {
        self.cache = cache;
        self
    }

    /// Sets the quality checks that every answer must pass.
    #[must_use]
    pub fn quality(mut self, quality: QualityConfig) -> Self {
        self.quality = quality;
        self
    }

    /// Sets the lower levels of service for requests that no target answers in full.
    #[must_use]
    pub fn ladder(mut self, ladder: LadderConfig) -> Self {
        self.ladder = ladder;
        self
    }

    /// Adds another name for the route.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// Iterates over the targets of the route and of its ladder, each with its path in the route, such as `targets[0]`.
    pub fn all_targets(&self) -> impl Iterator<Item = (String, &Target)> {
        fn targets(rung: Option<&Rung>) -> &[Target] {
            rung.map_or(&[], |rung| &rung.targets)
        }
        let LadderConfig { reduced, minimal, .. } = &self.ladder;
        let lists = [
            ("targets", &self.targets[..]),
            ("ladder.reduced.targets", targets(reduced.as_ref())),
            ("ladder.minimal.targets", targets(minimal.as_ref())),
        ];
        lists.into_iter().flat_map(|(list, targets)| {
            targets.iter().enumerate().map(move |(index, target)| (format!("{list}[{index}]"), target))
        })
    }

    pub(crate) fn router_config(&self) -> RouterConfig {
        RouterConfig::with(|config| {
            config.strategy = self.strategy;
            config.race = self.race;
            config.hedge = self.hedge.clone();
            config.sticky = self.sticky.clone();
        })
    }

    /// Returns the configured deadline, or else the default one of a plain request without a limit of tokens.
    pub(crate) fn effective_deadline(&self) -> Duration {
        let call = |target: &Target| {
            let thinks = thinks(is_thinking_model(target), set_effort(target));
            (TargetTimes::of(target), CallShape { streams: false, thinks, max_tokens: None })
        };
        let enabled = self.targets.iter().filter(|target| target.enabled);
        self.deadline.unwrap_or_else(|| default_deadline(enabled.map(call)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new field does not compile here without its setter.
    #[test]
    fn every_field_has_a_setter() {
        let second = Duration::from_secs(1);
        let quality = QualityConfig::with(|config| config.empty = true);
        let complexity =
            ComplexityRules { simple: fb_router::SimpleRules::default(), ..ComplexityRules::default() };
        let expected = Route {
            name: "r".to_owned(),
            aliases: vec!["a".to_owned()],
            strategy: Strategy::Race,
            race: RaceConfig::with(|config| config.width = Some(2)),
            hedge: HedgeConfig::default(),
            sticky: StickyConfig::with(|config| config.by = fb_router::StickyBy::Session),
            classes: ClassRoutes { simple: Some("s".to_owned()), ..ClassRoutes::default() },
            complexity: complexity.clone(),
            deadline: Some(second),
            max_attempts: 3,
            idle_timeout: second,
            semantic_gap: second,
            stream_total: second,
            resume: true,
            last_resort_wait: Duration::ZERO,
            when_all_unavailable: UnavailablePolicy::Fail,
            cache: RouteCache::simple(),
            downshift: Some("cheap".to_owned()),
            quality: quality.clone(),
            require_eval: true,
            ladder: LadderConfig::classic(),
            targets: vec![Target::new("p", "m")],
        };
        let route = Route::new("r", Strategy::Race, [Target::new("p", "m")])
            .alias("a")
            .race(RaceConfig::with(|config| config.width = Some(2)))
            .hedge(HedgeConfig::default())
            .sticky(StickyConfig::with(|config| config.by = fb_router::StickyBy::Session))
            .classes(ClassRoutes { simple: Some("s".to_owned()), ..ClassRoutes::default() })
            .complexity(complexity)
            .deadline(second)
            .max_attempts(3)
            .idle_timeout(second)
            .semantic_gap(second)
            .stream_total(second)
            .resume()
            .last_resort_wait(Duration::ZERO)
            .when_all_unavailable(UnavailablePolicy::Fail)
            .cache(RouteCache::simple())
            .downshift("cheap")
            .quality(quality)
            .require_eval()
            .ladder(LadderConfig::classic());
        assert_eq!(route, expected);
    }
}
