use crate::{api_key::ApiKey, connection::Connection, preset::Auth, secret::Secret, setters::setters};

/// Settings of [`Anthropic`](crate::Anthropic).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AnthropicConfig {
    /// The base URL of the API, with or without `/v1`. `None` is `https://api.anthropic.com`.
    pub base_url: Option<String>,
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
    /// The connection to the server, and additional headers.
    pub connection: Connection,
}

impl Default for AnthropicConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            api_keys: Vec::new(),
            auth: Auth::XApiKey,
            api_version: "2023-06-01".to_owned(),
            connection: Connection::default(),
        }
    }
}

setters!(AnthropicConfig);

impl AnthropicConfig {
    /// Sets the header that carries the key.
    #[must_use]
    pub const fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets the version of the API.
    #[must_use]
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = version.into();
        self
    }
}

fb_core::with_changes!(AnthropicConfig);
