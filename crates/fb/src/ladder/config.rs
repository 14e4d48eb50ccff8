use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use crate::Target;

/// The levels of a route below the full one, and when the route as a whole goes down and up. A level that is not set is
/// skipped; the old answers of level `cached` are those that the route's [cache](crate::RouteCache) keeps.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LadderConfig {
    /// A cheaper model, fewer tokens or features.
    pub reduced: Option<Rung>,
    /// The least that is useful.
    pub minimal: Option<Rung>,
    /// Fixed answers.
    pub offline: Option<OfflineConfig>,
    /// After so many requests that no target of a level could answer, the next ones begin a level lower; 3.
    pub descend_after: u32,
    /// These requests within so long; 30 s.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// After so long without such a request they begin a level higher; 60 s.
    #[serde(with = "humantime_serde")]
    pub climb: Duration,
}

impl Default for LadderConfig {
    fn default() -> Self {
        Self {
            reduced: None,
            minimal: None,
            offline: None,
            descend_after: 3,
            within: Duration::from_secs(30),
            climb: Duration::from_secs(60),
        }
    }
}

/// One level at which models are still called.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rung {
    /// Who answers. Default: the route's own targets.
    pub targets: Vec<Target>,
    /// Most tokens to generate, if the caller asked for more or for no limit.
    pub max_tokens: Option<u32>,
    /// How tokens are chosen, whatever the caller asked.
    pub temperature: Option<f64>,
    /// What of a request is kept; `None`: everything. A request that cannot do without the rest skips the level.
    pub features: Option<Vec<Feature>>,
}

/// What a level may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Answers as they are written; without it a stream comes in one piece.
    Streaming,
    /// Calling tools. A request that requires a call, or answers one, cannot do without.
    Tools,
    /// Pictures. A request with one cannot do without.
    Vision,
}

/// Fixed answers by what a request is about. `{reason}` stands for the error's code, `{retry_after}` for the seconds until a
/// target may answer again, or `a moment`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OfflineConfig {
    /// When nothing else fits. Default: `"The assistant cannot answer now. Please try again in {retry_after}."`.
    pub general: String,
    /// When a rate limit or a quota is the reason. Default: `"The assistant has more to do than it can. Please try
    /// again in {retry_after}."`.
    pub busy: String,
    /// When the whole message is a greeting. Default: `"Hello! The assistant cannot answer questions now. Please try
    /// again in {retry_after}."`.
    pub greeting: String,
    /// For the category `support`. Default: `"Our assistant cannot answer now. Please try again in {retry_after}, or
    /// ask our people."`.
    pub support: String,
    /// For the category `search`. Default: `"The search cannot answer now. Please try again in {retry_after}."`.
    pub search: String,
    /// For categories of one's own.
    pub custom: BTreeMap<String, String>,
    /// For messages that say just this, in any case and with any white space around.
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
