use crate::{api_key::ApiKey, connection::Connection, preset::Auth, secret::Secret, setters::setters};

/// Settings of [`OpenAi`](crate::OpenAi).
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// The connection to the server, and additional headers.
    pub connection: Connection,
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
            connection: Connection::default(),
        }
    }
}

setters!(OpenAiConfig);

impl OpenAiConfig {
    /// Sets the preset: the name of a known provider, or `compatible` for any server of OpenAI's dialect.
    #[must_use]
    pub fn preset(mut self, name: impl Into<String>) -> Self {
        self.preset = name.into();
        self
    }

    /// Sets the header that carries the key.
    #[must_use]
    pub const fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Sets the OpenAI organization.
    #[must_use]
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    /// Sets the OpenAI project.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }
}

fb_core::with_changes!(OpenAiConfig);
