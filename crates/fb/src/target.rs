use std::{collections::BTreeMap, time::Duration};

use fb_breaker::BreakerConfig;
use fb_core::{Capabilities, FailureKind, Json, Overlay, Price};
use fb_health::HealthConfig;
use fb_retry::RetryConfig;
use serde::{Deserialize, Deserializer, de::Error};

/// A model of a provider, with the policy for calling it.
///
/// The same type is the config table `[[routes.NAME.targets]]` and the value given to
/// [`Route::priority`](crate::Route::priority).
///
/// # Examples
///
/// A target with a shorter timeout and one more retry than by default:
///
/// ```
/// use std::time::Duration;
///
/// use fb::Target;
///
/// let target = Target::new("openai", "gpt-6.1-sol").max_retries(2).timeout(Duration::from_secs(10));
/// assert_eq!(target.name(), "openai/gpt-6.1-sol");
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The name of a configured provider.
    pub provider: String,
    /// The name of the model at that provider.
    pub model: String,
    /// The share of the requests under `weighted` and `sticky`, relative to the weights of the route's other targets;
    /// above 0 and at most 1,000,000. Defaults to 1.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// The priority: lower values are tried first, equal ones in the order of the list. Defaults to the position in the
    /// list.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Retries after the first attempt and before the next target is called, 0 to 20. Defaults to that of the
    /// [retry settings](RetryConfig::max_retries).
    #[serde(default)]
    pub max_retries: Option<u32>,
    /// Time limit of one attempt: of a plain one in all, of a streamed one until its first output. Defaults to those of
    /// `total` and `first_output`.
    #[serde(default, with = "humantime_serde")]
    pub timeout: Option<Duration>,
    /// Time limit until the first output of a stream, in place of `timeout`. Defaults to 15 s while another target could be
    /// called, 120 s for models that think and from `reasoning_effort = "medium"` on, and what the deadline leaves at the
    /// last target.
    #[serde(default, with = "humantime_serde")]
    pub first_output: Option<Duration>,
    /// Longest silence of a stream after its first output. Defaults to the `idle_timeout` of the route.
    #[serde(default, with = "humantime_serde")]
    pub idle: Option<Duration>,
    /// Time limit of a plain answer, in place of `timeout`. Defaults to 60 s (120 s for models that think) while another
    /// target could be called, and at the last target what
    /// `max_tokens` take at 20 tokens a second, 120 s to 10 min.
    #[serde(default, with = "humantime_serde")]
    pub total: Option<Duration>,
    /// Limit on concurrent calls, over all routes, at least 1; further requests go to the next target. If several
    /// routes name the target, the first one sets the limit. Defaults to no limit.
    #[serde(default)]
    pub max_in_flight: Option<u32>,
    /// The kinds of failure after which the next target is tried; any other kind is surfaced at once. The groups
    /// `rate_limit`, `auth_error`, `network_error` and `server_error` stand for all their kinds. Defaults to the kinds
    /// that another target may survive.
    #[serde(default)]
    pub trigger_on: Option<Vec<String>>,
    /// Enables the target. Defaults to true.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// The price in USD per million tokens, from which the cost of an answer is computed.
    #[serde(default)]
    pub price: Option<Price>,
    /// The region in which the model runs, for requests that are limited to some regions. Unknown unless set.
    #[serde(default)]
    pub region: Option<String>,
    /// The classes of data that the target is approved for. None unless set.
    #[serde(default)]
    pub data_classes: Vec<String>,
    /// The most tokens of one answer; requests that allow longer answers go to another target. Unknown unless set.
    #[serde(default)]
    pub max_output: Option<u64>,
    /// Corrections to the built-in capabilities of the model.
    #[serde(default)]
    pub capabilities: TargetCapabilities,
    /// Top-level fields of the provider's dialect that replace those of the request: `set = { temperature = 0 }`.
    #[serde(default, deserialize_with = "json_fields")]
    pub set: BTreeMap<String, Json>,
    /// Circuit breaker settings that override those of the provider, or a preset. A target that several routes name has one breaker
    /// and one health record, with the settings of the first of these routes.
    #[serde(default)]
    pub breaker: Option<Overlay>,
    /// Retry settings that override those of the provider, or a preset.
    #[serde(default)]
    pub retry: Option<Overlay>,
    /// Health settings that override those of the provider, or a preset.
    #[serde(default)]
    pub health: Option<Overlay>,
}

/// Corrections to the built-in capabilities of a target's model; what is not set stays as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TargetCapabilities {
    /// The model calls functions.
    pub tools: Option<bool>,
    /// The model calls several functions in one answer; true unless set.
    pub parallel_tools: Option<bool>,
    /// The model follows a JSON schema.
    pub json_schema: Option<bool>,
    /// The model accepts images.
    pub vision: Option<bool>,
    /// The model streams. If it does not, a streamed request receives its whole answer in one piece.
    pub streaming: Option<bool>,
    /// The model always thinks. It is sent `max_completion_tokens` for `max_tokens`, and no sampling settings. By default
    /// this follows from the model's name, or from an error that the provider answers with; an Azure deployment may have
    /// any name.
    pub thinking: Option<bool>,
    /// The model continues an assistant message at the end of the conversation. A broken stream is then resumed by it without
    /// an instruction.
    pub prefill: Option<bool>,
    /// The most tokens of prompt and answer together.
    pub context: Option<u64>,
    /// The largest request body, in bytes.
    pub max_body: Option<u64>,
}

impl TargetCapabilities {
    /// Returns the known capabilities with these corrections applied.
    pub(crate) fn applied_to(&self, known: Capabilities) -> Capabilities {
        Capabilities {
            tools: self.tools.unwrap_or(known.tools),
            json_schema: self.json_schema.unwrap_or(known.json_schema),
            vision: self.vision.unwrap_or(known.vision),
            streaming: self.streaming.unwrap_or(known.streaming),
            prefill: self.prefill.unwrap_or(known.prefill),
            context: self.context.or(known.context),
            max_body: self.max_body.or(known.max_body),
        }
    }
}

/// Deserializes the values of any config language as JSON.
fn json_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Json>, D::Error> {
    let fields = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let print = |(name, value)| Ok((name, Json::print(&value).map_err(D::Error::custom)?));
    fields.into_iter().map(print).collect()
}

/// Another target answers sooner than this.
const MAX_HINT_WAIT: Duration = Duration::from_secs(2);

const fn default_enabled() -> bool {
    true
}

const fn default_weight() -> f64 {
    1.0
}

impl Target {
    /// Creates a target with the default policy.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            weight: default_weight(),
            priority: None,
            max_retries: None,
            timeout: None,
            first_output: None,
            idle: None,
            total: None,
            max_in_flight: None,
            trigger_on: None,
            enabled: default_enabled(),
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

    /// Returns the name of the target, `PROVIDER/MODEL`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }

    /// Sets the share of the requests, relative to the weights of the route's other targets.
    #[must_use]
    pub const fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Sets the region in which the model runs.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the priority; lower values are tried first.
    #[must_use]
    pub const fn priority(mut self, priority: u32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Sets the number of retries after the first attempt and before the next target is called.
    #[must_use]
    pub const fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// Sets the time limit of one attempt.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the time limit of one attempt in seconds.
    #[must_use]
    pub const fn timeout_secs(self, secs: u64) -> Self {
        self.timeout(Duration::from_secs(secs))
    }

    /// Sets the time limit until the first output of a stream, in place of [`timeout`](Self::timeout).
    #[must_use]
    pub const fn first_output(mut self, limit: Duration) -> Self {
        self.first_output = Some(limit);
        self
    }

    /// Sets the longest silence of a stream after its first output, in place of the route's.
    #[must_use]
    pub const fn idle(mut self, limit: Duration) -> Self {
        self.idle = Some(limit);
        self
    }

    /// Sets the time limit of a plain answer, in place of [`timeout`](Self::timeout).
    #[must_use]
    pub const fn total(mut self, limit: Duration) -> Self {
        self.total = Some(limit);
        self
    }

    /// Limits the number of concurrent calls.
    #[must_use]
    pub const fn max_in_flight(mut self, calls: u32) -> Self {
        self.max_in_flight = Some(calls);
        self
    }

    /// Sets the kinds of failure after which the next target is tried. `ServerError` includes `Overloaded`, as in a config
    /// file.
    #[must_use]
    pub fn trigger_on(mut self, kinds: impl IntoIterator<Item = FailureKind>) -> Self {
        self.trigger_on = Some(kinds.into_iter().map(|kind| kind.name().to_owned()).collect());
        self
    }

    /// Enables or disables the target.
    #[must_use]
    pub const fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Sets the circuit breaker configuration of this target, in place of its provider's.
    #[must_use]
    pub fn breaker(mut self, config: &BreakerConfig) -> Self {
        self.breaker = Some(Overlay::from_settings(config));
        self
    }

    /// Sets the retry configuration of this target, in place of its provider's.
    #[must_use]
    pub fn retry(mut self, config: &RetryConfig) -> Self {
        self.retry = Some(Overlay::from_settings(config));
        self
    }

    /// Sets the health configuration of this target, in place of its provider's.
    #[must_use]
    pub fn health(mut self, config: &HealthConfig) -> Self {
        self.health = Some(Overlay::from_settings(config));
        self
    }

    /// Returns the retry configuration of the target, given that of its provider with its own overrides applied.
    pub(crate) fn retry_config(&self, settings: &RetryConfig) -> RetryConfig {
        let max_hint_wait = settings.max_hint_wait.unwrap_or(MAX_HINT_WAIT);
        let mut config = settings.clone();
        config.max_retries = self.max_retries.or(settings.max_retries);
        config.max_hint_wait = Some(max_hint_wait);
        config
    }

    /// Sets the price of its tokens.
    #[must_use]
    pub const fn price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// Sets the classes of data that the target is approved for.
    #[must_use]
    pub fn data_classes<I: Into<String>>(mut self, classes: impl IntoIterator<Item = I>) -> Self {
        self.data_classes = classes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the most tokens of one answer; requests that allow longer answers go to another target.
    #[must_use]
    pub const fn max_output(mut self, tokens: u64) -> Self {
        self.max_output = Some(tokens);
        self
    }

    /// Corrects the built-in capabilities of the model.
    #[must_use]
    pub const fn capabilities(mut self, corrections: TargetCapabilities) -> Self {
        self.capabilities = corrections;
        self
    }

    /// Sets a top-level field of the provider's dialect that replaces that of the request.
    #[must_use]
    pub fn set(mut self, field: impl Into<String>, value: impl Into<Json>) -> Self {
        self.set.insert(field.into(), value.into());
        self
    }
}

fb_core::with_changes!(TargetCapabilities);

#[cfg(test)]
mod tests {
    use super::*;

    /// A new field does not compile here without its setter.
    #[test]
    fn every_field_has_a_setter() {
        let second = Duration::from_secs(1);
        let capabilities = TargetCapabilities { vision: Some(false), ..TargetCapabilities::default() };
        let (breaker, retry, health) =
            (BreakerConfig::default(), RetryConfig::default(), HealthConfig::default());
        let expected = Target {
            provider: "p".to_owned(),
            model: "m".to_owned(),
            weight: 3.0,
            priority: Some(1),
            max_retries: Some(2),
            timeout: Some(second),
            first_output: Some(second),
            idle: Some(second),
            total: Some(second),
            max_in_flight: Some(4),
            trigger_on: Some(vec!["timeout".to_owned()]),
            enabled: false,
            price: Some(Price { input: 1.0, output: 2.0 }),
            region: Some("eu".to_owned()),
            data_classes: vec!["personal".to_owned()],
            max_output: Some(500),
            capabilities,
            set: [("temperature".to_owned(), serde_json::json!(0).into())].into(),
            breaker: Some(Overlay::from_settings(&breaker)),
            retry: Some(Overlay::from_settings(&retry)),
            health: Some(Overlay::from_settings(&health)),
        };
        let target = Target::new("p", "m")
            .weight(3.0)
            .priority(1)
            .max_retries(2)
            .timeout(second)
            .first_output(second)
            .idle(second)
            .total(second)
            .max_in_flight(4)
            .trigger_on([FailureKind::Timeout(fb_core::Phase::Total)])
            .enabled(false)
            .price(Price { input: 1.0, output: 2.0 })
            .region("eu")
            .data_classes(["personal"])
            .max_output(500)
            .capabilities(capabilities)
            .set("temperature", serde_json::json!(0))
            .breaker(&breaker)
            .retry(&retry)
            .health(&health);
        assert_eq!(target, expected);
    }
}
