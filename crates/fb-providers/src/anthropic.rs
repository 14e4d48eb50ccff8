//! Anthropic's Messages API.

mod config;
mod encode;
mod failure;
mod protocol;
mod stream;

use ::http::HeaderMap;
use async_trait::async_trait;
use fb_core::{
    Call, CallError, Capabilities, Failure, InvalidConfig, KeyInfo, Note, Probe, Provider, Refusal, Reply,
    Streaming,
};

pub use self::config::AnthropicConfig;
use self::protocol::Messages;
use crate::{
    exchange::{Exchange, Protocol},
    http::{self, Base, Keys, Settings, Upstream},
    preset,
    secret::Secret,
};

/// Anthropic's own address.
const ADDRESS: &str = "https://api.anthropic.com";

/// Anthropic, or a server that implements its dialect.
#[derive(Debug)]
pub struct Anthropic {
    exchange: Exchange<Messages>,
}

impl Anthropic {
    /// Begins the settings of Anthropic with this key: a text, or a [`Secret`](crate::Secret) that names its source.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a provider is built from its settings, which begin with the key"
    )]
    pub fn new(key: impl Into<Secret>) -> AnthropicConfig {
        AnthropicConfig::default().api_key(key)
    }

    /// Builds Anthropic, with the key in `ANTHROPIC_API_KEY`.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        AnthropicConfig::default().build()
    }
}

impl AnthropicConfig {
    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the invalid field and what was expected.
    pub fn build(&self) -> Result<Anthropic, InvalidConfig> {
        let address =
            self.base_url.as_deref().unwrap_or(ADDRESS).trim().trim_end_matches('/').trim_end_matches("/v1");
        let base = Base::parse("base_url", address)?;
        let mut headers = HeaderMap::new();
        http::insert_header(&mut headers, "anthropic-version", "api_version", &self.api_version)?;
        let keys = match preset::find("anthropic") {
            Some(preset) => preset::keys(preset, self.api_key.as_ref(), &self.api_keys, &base)?,
            None => Vec::new(),
        };
        let keys = Keys { keys, header: self.auth.into() };
        let protocol =
            Messages { uri: base.endpoint("/v1/messages")?, probe_uri: base.endpoint("/v1/models?limit=1")? };
        let connection = Settings::new(&self.connection)?;
        Ok(Anthropic { exchange: Exchange::new(protocol, Upstream::new(base, headers, keys, &connection)?) })
    }
}

#[async_trait]
impl Provider for Anthropic {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.exchange.protocol().capabilities(model)
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
