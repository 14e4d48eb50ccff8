//! Ollama's native chat API.

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

pub use self::config::OllamaConfig;
use self::protocol::NativeChat;
use crate::{
    api_key::{self, ApiKey},
    exchange::{Exchange, Protocol},
    http::{Base, KeyHeader, Keys, Settings, Upstream},
};

/// Ollama's default address.
const LOCAL: &str = "http://127.0.0.1:11434";

/// An Ollama server.
#[derive(Debug)]
pub struct Ollama {
    exchange: Exchange<NativeChat>,
}

impl Ollama {
    /// Begins the settings of an Ollama server, at the default port of the local machine unless
    /// [`base_url`](OllamaConfig::base_url) is set.
    #[expect(clippy::new_ret_no_self, reason = "a provider is built from its settings")]
    pub fn new() -> OllamaConfig {
        OllamaConfig::default()
    }

    /// Builds the Ollama server of the local machine, at its default port.
    ///
    /// # Panics
    /// Never: a client for plain HTTP does not depend on the system's certificates.
    pub fn local() -> Self {
        OllamaConfig::default().build().unwrap_or_else(|error| unreachable!("{error}"))
    }
}

impl OllamaConfig {
    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the invalid field and what was expected.
    pub fn build(&self) -> Result<Ollama, InvalidConfig> {
        // The address of the server's OpenAI endpoint is accepted too.
        let base =
            Base::parse("base_url", self.base_url.as_deref().unwrap_or(LOCAL))?.without(&["/v1", "/api"]);
        if self.num_ctx == Some(0) {
            return Err(InvalidConfig::new("num_ctx", "0", "expected a number of tokens, such as 8192"));
        }
        api_key::check(self.api_key.as_ref(), &self.api_keys)?;
        let single = self.api_key.clone().filter(|secret| !secret.is_none()).map(ApiKey::new);
        let keys = single.into_iter().chain(self.api_keys.iter().cloned()).collect();
        let keys = Keys { keys, header: KeyHeader::Bearer };
        let protocol = NativeChat {
            uri: base.endpoint("/api/chat")?,
            probe_uri: base.endpoint("/api/version")?,
            num_ctx: self.num_ctx,
        };
        let connection = Settings::new(&self.connection)?;
        Ok(Ollama {
            exchange: Exchange::new(protocol, Upstream::new(base, HeaderMap::new(), keys, &connection)?),
        })
    }
}

#[async_trait]
impl Provider for Ollama {
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
