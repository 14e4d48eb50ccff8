use std::time::Duration;

use serde::Deserialize;

use crate::{api_key::ApiKey, secret::Secret};

/// Settings of [`Ollama`](crate::Ollama).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OllamaConfig {
    /// The URL of the server. Defaults to `http://127.0.0.1:11434`.
    pub base_url: String,
    /// The API key of a hosted Ollama; a local server needs none.
    pub api_key: Option<Secret>,
    /// Several API keys instead of one: a call uses one that is free, and moves to the next one when it meets a limit.
    pub api_keys: Vec<ApiKey>,
    /// The context window to run models with, in tokens. A prompt that exceeds it is refused; without this setting
    /// Ollama truncates it silently.
    pub num_ctx: Option<u32>,
    /// Maximum duration of connecting. `None` is 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// The URL of an HTTP proxy. Proxies from the environment are ignored.
    pub proxy: Option<String>,
}

/// Ollama's default address.
const LOCAL: &str = "http://127.0.0.1:11434";

impl Default for OllamaConfig {
    fn default() -> Self {
        Self {
            base_url: LOCAL.to_owned(),
            api_key: None,
            api_keys: Vec::new(),
            num_ctx: None,
            connect_timeout: None,
            proxy: None,
        }
    }
}
