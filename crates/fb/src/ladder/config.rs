use std::{collections::BTreeMap, str::FromStr, time::Duration};

use fb_core::InvalidConfig;
use serde::Deserialize;

use crate::Target;

/// The levels of a route below the full one, and the conditions under which the whole route moves between them. A level
/// that is not set is skipped, unless an operator chooses it: then [`Rung::reduced`], [`Rung::minimal`] and the default
/// texts of [`OfflineConfig`] apply. Level `cached` serves the answers that the route's [cache](crate::RouteCache) keeps.
///
/// [`classic`](Self::classic) is a preset, which [`FromStr`] finds by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LadderConfig {
    /// Upper bound on the tokens of an answer at level `full`, whether the caller set a higher one or none. No bound
    /// unless set.
    pub max_tokens: Option<u32>,
    /// Level `reduced`: a cheaper model, fewer tokens or fewer features.
    pub reduced: Option<Rung>,
    /// Level `minimal`: the least that is still useful.
    pub minimal: Option<Rung>,
    /// Level `offline`: fixed answers.
    pub offline: Option<OfflineConfig>,
    /// Requests left unanswered by every target of a level, after which new requests start a level lower. Defaults to
    /// 3.
    pub descend_after: u32,
    /// Window in which these requests must fall. Defaults to 30 s.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// Time without such a request after which new requests start a level higher. Defaults to 60 s.
    #[serde(with = "humantime_serde")]
    pub climb: Duration,
}

impl Default for LadderConfig {
    fn default() -> Self {
        Self {
            max_tokens: None,
            reduced: None,
            minimal: None,
            offline: None,
            descend_after: 3,
            within: Duration::from_secs(30),
            climb: Duration::from_secs(60),
        }
    }
}

impl LadderConfig {
    /// Creates a ladder with every level: `full` with at most 4,096 tokens, [`Rung::reduced`], [`Rung::minimal`] and the
    /// default texts of [`OfflineConfig`].
    #[doc(alias = "DegradationConfig")]
    pub fn classic() -> Self {
        Self {
            max_tokens: Some(4_096),
            reduced: Some(Rung::reduced()),
            minimal: Some(Rung::minimal()),
            offline: Some(OfflineConfig::default()),
            ..Self::default()
        }
    }
}

impl FromStr for LadderConfig {
    type Err = InvalidConfig;

    /// Returns the preset of this name.
    fn from_str(name: &str) -> Result<Self, InvalidConfig> {
        match name {
            "classic" => Ok(Self::classic()),
            _ => Err(InvalidConfig::quoted("preset", name, "expected \"classic\"")),
        }
    }
}

/// One level at which models are still called.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Rung {
    /// The targets of the level. Defaults to the route's own targets.
    pub targets: Vec<Target>,
    /// Upper bound on the tokens of an answer, whether the caller set a higher one or none.
    pub max_tokens: Option<u32>,
    /// The temperature, in place of the caller's.
    pub temperature: Option<f64>,
    /// The features that requests keep. A request that cannot be served without one of the others skips the level.
    /// Defaults to all.
    pub features: Option<Vec<Feature>>,
}

impl Rung {
    /// Returns the level `reduced` of a route that does not configure it: at most 2,048 tokens, streaming, neither tools nor
    /// images.
    pub fn reduced() -> Self {
        Self { max_tokens: Some(2_048), features: Some(vec![Feature::Streaming]), ..Self::default() }
    }

    /// Returns the level `minimal` of a route that does not configure it: at most 512 tokens, no streaming, neither tools nor
    /// images.
    pub fn minimal() -> Self {
        Self { max_tokens: Some(512), features: Some(Vec::new()), ..Self::default() }
    }

    /// Sets the targets of the level.
    #[must_use]
    pub fn targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets = targets.into_iter().collect();
        self
    }
}

/// A feature that a level may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Feature {
    /// Incremental output. Without it a stream delivers its answer in one piece.
    Streaming,
    /// Tool calls. A request that requires a tool call, or holds one, skips a level without them.
    Tools,
    /// Images. A request that holds one skips a level without them.
    Vision,
}

/// Fixed answers, selected by the subject of a request. In each, `{reason}` is replaced by the code of the error and
/// `{retry_after}` by the seconds until a target may answer again, or by `a moment`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OfflineConfig {
    /// The answer when no other fits. Defaults to `"The assistant cannot answer now. Please try again in
    /// {retry_after}."`.
    pub general: String,
    /// The answer when a rate limit or a quota is the reason. Defaults to `"The assistant has more to do than it can.
    /// Please try again in {retry_after}."`.
    pub busy: String,
    /// The answer to a greeting: a message with `hello`, `hi` or `hey` as a word, or only a greeting such as `good morning`.
    /// It takes precedence over `busy`. Defaults to `"Hello! The assistant cannot answer questions now.
    /// Please try again in {retry_after}."`.
    pub greeting: String,
    /// The answer for the category `support`. Defaults to `"Our assistant cannot answer now. Please try again in
    /// {retry_after}, or ask our people."`.
    pub support: String,
    /// The answer for the category `search`. Defaults to `"The search cannot answer now. Please try again in
    /// {retry_after}."`.
    pub search: String,
    /// Answers for other categories, by category.
    pub custom: BTreeMap<String, String>,
    /// Answers to exact messages, ignoring case and surrounding white space. They take precedence over all others.
    pub pinned: BTreeMap<String, String>,
}

impl Default for OfflineConfig {
    fn default() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            general: text("The assistant cannot answer now. Please try again in {retry_after}."),
            busy: text("The assistant has more to do than it can. Please try again in {retry_after}."),
            greeting: text(
                "Hello! The assistant cannot answer questions now. Please try again in {retry_after}.",
            ),
            support: text(
                "Our assistant cannot answer now. Please try again in {retry_after}, or ask our people.",
            ),
            search: text("The search cannot answer now. Please try again in {retry_after}."),
            custom: BTreeMap::new(),
            pinned: BTreeMap::new(),
        }
    }
}

fb_core::with_changes!(LadderConfig, Rung, OfflineConfig);
