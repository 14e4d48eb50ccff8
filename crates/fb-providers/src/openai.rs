//! OpenAI's Chat Completions, and every server compatible with it.

pub(crate) mod artefacts;
mod config;
mod encode;
mod endpoint;
mod failure;
mod filters;
mod messages;
mod protocol;
mod stream;

use ::http::HeaderMap;
use async_trait::async_trait;
use fb_core::{
    Call, CallError, Capabilities, Failure, InvalidConfig, KeyInfo, Note, Probe, Provider, Refusal, Reply,
    Streaming,
};

pub use self::config::OpenAiConfig;
pub(crate) use self::{
    endpoint::Endpoint,
    protocol::{ChatCompletions, ThinkingModels},
};
use crate::{
    exchange::{ErrorClass, ErrorResponse, Exchange, Protocol},
    http::{self, Base, Keys, Settings, Upstream},
    preset,
    secret::Secret,
};

/// Classifies an error by OpenAI's codes and messages, then by its status.
pub(crate) fn classify(error: &ErrorResponse<'_>) -> ErrorClass {
    failure::classify(error, preset::Flavour::OpenAi)
}

/// OpenAI, or a server that implements its dialect.
#[derive(Debug)]
pub struct OpenAi {
    exchange: Exchange<ChatCompletions>,
}

impl OpenAi {
    /// Begins the settings of OpenAI with this key: a text, or a [`Secret`](crate::Secret) that names its source.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a provider is built from its settings, which begin with the key"
    )]
    pub fn new(key: impl Into<Secret>) -> OpenAiConfig {
        OpenAiConfig::default().api_key(key)
    }

    /// Builds OpenAI, with the key in `OPENAI_API_KEY`.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        Self::preset("openai")
    }

    /// Builds a known provider, with the key in its usual environment variable.
    ///
    /// # Errors
    /// When there is no preset with this name, or its variable is not set.
    pub fn preset(name: &str) -> Result<Self, InvalidConfig> {
        OpenAiConfig::default().preset(name).build()
    }
}

impl OpenAiConfig {
    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the invalid field and what was expected.
    pub fn build(&self) -> Result<OpenAi, InvalidConfig> {
        let preset = preset::for_openai(&self.preset)?;
        let address = self.base_url.as_deref().or(preset.base_url).ok_or_else(|| {
            InvalidConfig::new(
                "base_url",
                "(missing)",
                "expected the address of the server, up to and with /v1",
            )
        })?;
        let base = Base::parse("base_url", address)?;
        let mut headers = HeaderMap::new();
        let keys = preset::keys(preset, self.api_key.as_ref(), &self.api_keys, &base)?;
        let keys = Keys { keys, header: self.auth.unwrap_or(preset.auth).into() };
        if let Some(organization) = &self.organization {
            http::insert_header(&mut headers, "openai-organization", "organization", organization)?;
        }
        if let Some(project) = &self.project {
            http::insert_header(&mut headers, "openai-project", "project", project)?;
        }
        let protocol = ChatCompletions {
            preset,
            endpoint: Endpoint::Shared(base.endpoint("/chat/completions")?),
            probe_uri: preset.probe.uri(&base)?,
            learned: ThinkingModels::default(),
        };
        let connection = Settings::new(&self.connection)?;
        Ok(OpenAi { exchange: Exchange::new(protocol, Upstream::new(base, headers, keys, &connection)?) })
    }
}

#[async_trait]
impl Provider for OpenAi {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.exchange.protocol().capabilities(model)
    }

    fn has_learned_thinking(&self, model: &str) -> bool {
        self.exchange.protocol().has_learned_thinking(model)
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        self.exchange.protocol().admit(call)
    }

    fn losses(&self, call: Call<'_>) -> Vec<Note> {
        self.exchange.losses(call)
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        self.exchange.chat(call).await
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        self.exchange.stream(call).await
    }

    async fn probe(&self, key: usize) -> Result<Probe, Failure> {
        self.exchange.probe(key).await
    }

    fn keys(&self) -> &[KeyInfo] {
        self.exchange.keys()
    }

    async fn reload_key(&self, key: usize) {
        self.exchange.reload_key(key).await;
    }

    fn key_generation(&self, key: usize) -> u64 {
        self.exchange.key_generation(key)
    }
}

/// Returns the body of a plain call and its notes.
#[cfg(test)]
pub(crate) fn prepared_body(call: Call<'_>, preset: &preset::Preset) -> Result<(String, Vec<Note>), Refusal> {
    let prepared = encode::prepare(call, false, call.thinking, preset)?;
    Ok((String::from_utf8_lossy(&prepared.body.concat()).into_owned(), prepared.notes))
}
