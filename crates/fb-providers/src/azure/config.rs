use std::time::Duration;

use serde::Deserialize;

use crate::{api_key::ApiKey, preset::Auth, secret::Secret};

/// Settings of [`Azure`](crate::Azure).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AzureConfig {
    /// The URL of the resource, such as `https://NAME.openai.azure.com`. `None` uses `AZURE_OPENAI_ENDPOINT`.
    pub base_url: Option<String>,
    /// The API key or the Entra token. `None` uses `AZURE_OPENAI_API_KEY`, which is sent to Azure's own hosts
    /// and to the one in `AZURE_OPENAI_ENDPOINT` only; [`Secret::none`] sends no key.
    pub api_key: Option<Secret>,
    /// Several API keys instead of one: a call uses one that is free, and moves to the next one when it meets a limit.
    pub api_keys: Vec<ApiKey>,
    /// `api_key` or, for an Entra token, `bearer`. Defaults to `api_key`.
    pub auth: Auth,
    /// A dated version such as `2024-10-21` calls each deployment at its own path, as before the v1 API. `None` uses
    /// the v1 API.
    pub api_version: Option<String>,
    /// Maximum duration of connecting. `None` is 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// The URL of an HTTP proxy. Proxies from the environment are ignored.
    pub proxy: Option<String>,
}

impl Default for AzureConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            api_keys: Vec::new(),
            auth: Auth::ApiKey,
            api_version: None,
            connect_timeout: None,
            proxy: None,
        }
    }
}
