use std::{str::FromStr, time::Duration};

use fb_cache::Windows;
use fb_core::InvalidConfig;
use serde::{Deserialize, Deserializer, de::Error};

/// The longest time that an answer may be cached.
pub(crate) const MAX_WINDOW: Duration = Duration::from_secs(30 * 86_400);

/// Caching of a route's answers: in memory, separately for each tenant. Nothing is cached unless a window is set.
///
/// Only complete answers are cached, never blocked, truncated or empty ones. [`simple`](Self::simple) is a preset, which
/// [`FromStr`] finds by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RouteCache {
    /// Time for which an answer is fresh: it then answers the same request without a call. `true` means 10 min. Applies
    /// only to requests with a `temperature` of 0 or a `seed`, unless
    /// [`any_temperature`](Self::any_temperature) is set.
    #[serde(deserialize_with = "fresh_window")]
    pub fresh: Option<Duration>,
    /// Time after that for which a stale answer is served instead of an error, when every target failed or could not be
    /// called because it is unavailable. `true` means 24 h. Applies at any temperature.
    #[serde(deserialize_with = "stale_window")]
    pub stale_if_error: Option<Duration>,
    /// Allows fresh answers for requests that sample at a temperature above 0. Defaults to false.
    pub any_temperature: bool,
    /// The parts of a request that its cached answer must match. Defaults to "request".
    pub key: CacheKey,
    /// Caches answers with tool calls. Defaults to false, because a repeated tool call may have a different effect.
    pub tool_calls: bool,
}

impl RouteCache {
    /// Creates a configuration with the default windows: deterministic answers are fresh for 10 minutes, and every
    /// answer can replace an error for another 24 hours.
    pub fn enabled() -> Self {
        let Windows { fresh, stale_if_error } = Windows::default();
        Self { fresh: Some(fresh), stale_if_error: Some(stale_if_error), ..Self::default() }
    }

    /// Creates a configuration with a key of prompt and model: an answer is fresh for an hour at any temperature, and
    /// replaces an error for another 30 days.
    ///
    /// Requests that differ in their sampling settings or limits then share an answer, and a request for another answer
    /// to the same prompt receives the same one.
    #[doc(alias = "CachedFallback")]
    pub const fn simple() -> Self {
        Self {
            fresh: Some(Duration::from_secs(3_600)),
            stale_if_error: Some(MAX_WINDOW),
            any_temperature: true,
            key: CacheKey::Prompt,
            tool_calls: false,
        }
    }
}

impl FromStr for RouteCache {
    type Err = InvalidConfig;

    /// Returns the preset of this name.
    fn from_str(name: &str) -> Result<Self, InvalidConfig> {
        match name {
            "simple" => Ok(Self::simple()),
            _ => Err(InvalidConfig::quoted("preset", name, "expected \"simple\"")),
        }
    }
}

/// The parts of a request that its cached answer must match, besides tenant and route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CacheKey {
    /// Every field that can change the answer.
    #[default]
    Request,
    /// The prompt: the same without sampling settings, limits and reasoning effort.
    Prompt,
}

/// `true`, `false` or a duration.
#[derive(Deserialize)]
#[serde(untagged)]
enum Window {
    Switch(bool),
    Duration(#[serde(with = "humantime_serde")] Duration),
}

impl Window {
    fn read<'de, D: Deserializer<'de>>(from: D, default: Duration) -> Result<Option<Duration>, D::Error> {
        // The error of an untagged enum names its variants, which mean nothing to the author of a config.
        let expected = |_error| D::Error::custom("expected true, false or a time such as \"10m\"");
        Ok(match Self::deserialize(from).map_err(expected)? {
            Self::Switch(on) => on.then_some(default),
            Self::Duration(duration) => Some(duration),
        })
    }
}

fn fresh_window<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Window::read(from, Windows::default().fresh)
}

fn stale_window<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Window::read(from, Windows::default().stale_if_error)
}

fb_core::with_changes!(RouteCache);
