use crate::{api_key::ApiKey, connection::Connection, preset::Auth, secret::Secret, setters::setters};

/// Settings of [`Azure`](crate::Azure).
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// The connection to the server, and additional headers.
    pub connection: Connection,
}

impl Default for AzureConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            api_keys: Vec::new(),
            auth: Auth::ApiKey,
            api_version: None,
            connection: Connection::default(),
        }
    }
}

setters!(AzureConfig);

impl AzureConfig {
    /// Sets the header that carries the key or the Entra token.
    #[must_use]
    pub const fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets the version of the API, a date.
    #[must_use]
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = Some(version.into());
        self
    }
}

fb_core::with_changes!(AzureConfig);
