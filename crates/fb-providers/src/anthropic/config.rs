use std::time::Duration;

use serde::Deserialize;

use crate::{api_key::ApiKey, preset::Auth, secret::Secret};

/// Settings of [`Anthropic`](crate::Anthropic).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnthropicConfig {
    /// The base URL of the API, with or without `/v1`. Defaults to `https://api.anthropic.com`.
    pub base_url: String,
    /// The API key. `None` uses `ANTHROPIC_API_KEY`, which is sent to Anthropic's own hosts
    /// only; [`Secret::none`] sends no key.
    pub api_key: Option<Secret>,
    /// Several API keys instead of one: a call uses one that is free, and moves to the next one when it meets a limit.
    pub api_keys: Vec<ApiKey>,
    /// The header that carries the key. Defaults to `x_api_key`, which every version of the API accepts.
    pub auth: Auth,
    /// The value of the header `anthropic-version`. Defaults to `2023-06-01`: `2026-10-21` rejects sampling settings on
    /// every model.
    pub api_version: String,
    /// Maximum duration of connecting. `None` is 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// The URL of an HTTP proxy. Proxies from the environment are ignored.
    pub proxy: Option<String>,
}

/// Anthropic's own address.
const ADDRESS: &str = "https://api.anthropic.com";

impl Default for AnthropicConfig {
    fn default() -> Self {
        Self {
            base_url: ADDRESS.to_owned(),
            api_key: None,
            api_keys: Vec::new(),
            auth: Auth::XApiKey,
            api_version: "2023-06-01".to_owned(),
            connect_timeout: None,
            proxy: None,
        }
    }
}
