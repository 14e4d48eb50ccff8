//! Ollama's native chat.

mod decode;
mod encode;
mod failure;
mod stream;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fb_core::{
    Call, CallError, Capabilities, Dialect, Failure, Note, Probe, Provider, Refusal, Reply, Streaming,
};
use fb_wire::{Decoded, WireError};
use reqwest::{Url, header::HeaderMap};
use serde::Deserialize;

use self::stream::LineDecoder;
use crate::{
    InvalidConfig, Secret,
    exchange::{Class, Exchange, Family, Outbound, Said},
    http::{Base, KeyHeader, Settings, Upstream},
};

/// An Ollama server.
#[derive(Debug)]
pub struct Ollama {
    exchange: Exchange<Native>,
}

/// Settings of [`Ollama`].
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OllamaConfig {
    /// Its address. Default `http://127.0.0.1:11434`.
    pub base_url: String,
    /// The key of a hosted Ollama; a local one has none.
    pub api_key: Option<Secret>,
    /// The window of tokens to run models with. A prompt that does not fit is refused; without this Ollama cuts it
    /// in silence.
    pub num_ctx: Option<u32>,
    /// How long a connection may take; `None`: 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// An HTTP proxy; the environment's is not used.
    pub proxy: Option<String>,
}

/// Where Ollama listens when nobody told it otherwise.
const LOCAL: &str = "http://127.0.0.1:11434";

impl Default for OllamaConfig {
    fn default() -> Self {
        Self { base_url: LOCAL.to_owned(), api_key: None, num_ctx: None, connect_timeout: None, proxy: None }
    }
}

impl Ollama {
    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the field that is wrong and what was expected.
    pub fn new(config: &OllamaConfig) -> Result<Self, InvalidConfig> {
        // The address of its OpenAI endpoint leads here as well.
        let base = Base::parse("base_url", &config.base_url)?.without(&["/v1", "/api"]);
        if config.num_ctx == Some(0) {
            return Err(InvalidConfig::new("num_ctx", "0", "expected a number of tokens, such as 8192"));
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.api_key {
            KeyHeader::Bearer.insert(&mut headers, &key.resolve("api_key")?)?;
        }
        let native = Native {
            url: base.endpoint("/api/chat"),
            probe: base.endpoint("/api/version"),
            num_ctx: config.num_ctx,
        };
        let settings = Settings::of(config.connect_timeout, config.proxy.as_deref())?;
        Ok(Self { exchange: Exchange::new(native, Upstream::new(base, headers, &settings)?) })
    }

    /// The Ollama of this machine, at its usual port.
    ///
    /// # Panics
    /// Never: an HTTP client for plain HTTP needs nothing of the machine.
    pub fn local() -> Self {
        Self::new(&OllamaConfig::default()).unwrap_or_else(|error| unreachable!("{error}"))
    }
}

#[async_trait]
impl Provider for Ollama {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.exchange.family().capabilities(model)
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        self.exchange.family().admit(call)
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

    async fn probe(&self) -> Result<Probe, Failure> {
        self.exchange.probe().await
    }
}

/// The native endpoint of a server.
#[derive(Debug)]
struct Native {
    url: Url,
    probe: Url,
    num_ctx: Option<u32>,
}

impl Family for Native {
    type Decoder = LineDecoder;

    const DIALECT: Dialect = Dialect::Ollama;

    fn capabilities(&self, _model: &str) -> Capabilities {
        Capabilities { context: self.num_ctx.map(u64::from), ..Capabilities::default() }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        self.prepare(call, false).map(drop)
    }

    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<Outbound, Refusal> {
        let (body, notes) = encode::prepare(call, stream, self.num_ctx)?;
        Ok(Outbound { url: self.url.clone(), body, notes, silent: false })
    }

    fn reply(&self, body: &Bytes) -> Result<Decoded, WireError> {
        decode::reply(body)
    }

    fn decoder(&self, _silent: bool) -> LineDecoder {
        LineDecoder::new()
    }

    fn classify(&self, said: &Said<'_>) -> Class {
        failure::classify(said)
    }

    fn probe(&self) -> Option<&Url> {
        Some(&self.probe)
    }
}
