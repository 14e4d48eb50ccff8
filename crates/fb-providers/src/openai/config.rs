use std::time::Duration;

use serde::Deserialize;

use crate::{api_key::ApiKey, preset::Auth, secret::Secret};

/// Settings of [`OpenAi`](crate::OpenAi).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiConfig {
    /// The name of a preset, which determines the differences from OpenAI's dialect, or `compatible`. Defaults to
    /// `openai`.
    pub preset: String,
    /// The base URL of the API, up to and including `/v1`. `None` uses the preset's.
    pub base_url: Option<String>,
    /// The API key. `None` uses the environment variable of the preset, which is sent to the preset's own hosts
    /// only; [`Secret::none`] sends no key.
    pub api_key: Option<Secret>,
    /// Several API keys instead of one: a call uses one that is free, and moves to the next one when it meets a limit.
    pub api_keys: Vec<ApiKey>,
    /// The header that carries the key. `None` uses the preset's.
    pub auth: Option<Auth>,
    /// The value of the header `OpenAI-Organization`.
    pub organization: Option<String>,
    /// The value of the header `OpenAI-Project`.
    pub project: Option<String>,
    /// Maximum duration of connecting. `None` is 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// The URL of an HTTP proxy. Proxies from the environment are ignored.
    pub proxy: Option<String>,
}

impl Default for OpenAiConfig {
    fn default() -> Self {
        Self {
            preset: "openai".to_owned(),
            base_url: None,
            api_key: None,
            api_keys: Vec::new(),
            auth: None,
            organization: None,
            project: None,
            connect_timeout: None,
            proxy: None,
        }
    }
}
