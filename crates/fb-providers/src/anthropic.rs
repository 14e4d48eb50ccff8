//! Anthropic's Messages.

mod encode;
mod failure;
mod stream;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fb_core::{
    Call, CallError, Capabilities, Dialect, Failure, Note, Probe, Provider, Refusal, Reply, Streaming,
};
use fb_wire::{Decoded, WireError, anthropic::EventDecoder};
use reqwest::{Url, header::HeaderMap};
use serde::Deserialize;

use crate::{
    Auth, InvalidConfig, Secret,
    exchange::{Class, Exchange, Family, Outbound, Said, Sse},
    http::{self, Base, KeyHeader, Settings, Upstream},
    models,
    preset::{self, Preset},
};

/// Anthropic, or a server that speaks its dialect.
#[derive(Debug)]
pub struct Anthropic {
    exchange: Exchange<Messages>,
}

/// Settings of [`Anthropic`].
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnthropicConfig {
    /// Its address, with or without `/v1`. Default `https://api.anthropic.com`.
    pub base_url: String,
    /// The key; `None`: in `ANTHROPIC_API_KEY`, if the address is the default.
    pub api_key: Option<Secret>,
    /// How the key goes over the wire. Default `x_api_key`, which every version of the API takes.
    pub auth: Auth,
    /// Sent as `anthropic-version`. Default `2023-06-01`: `2026-10-21` rejects sampling settings on every model.
    pub api_version: String,
    /// How long a connection may take; `None`: 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// An HTTP proxy; the environment's is not used.
    pub proxy: Option<String>,
}

/// Anthropic's own address.
const ADDRESS: &str = "https://api.anthropic.com";

impl Default for AnthropicConfig {
    fn default() -> Self {
        Self {
            base_url: ADDRESS.to_owned(),
            api_key: None,
            auth: Auth::XApiKey,
            api_version: "2023-06-01".to_owned(),
            connect_timeout: None,
            proxy: None,
        }
    }
}

impl Anthropic {
    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the field that is wrong and what was expected.
    pub fn new(config: &AnthropicConfig) -> Result<Self, InvalidConfig> {
        let address = config.base_url.trim().trim_end_matches('/').trim_end_matches("/v1");
        let base = Base::parse("base_url", address)?;
        let mut headers = HeaderMap::new();
        http::header(&mut headers, "anthropic-version", "api_version", &config.api_version)?;
        if let Some(preset) = Preset::named("anthropic")
            && let Some(key) = preset::key(preset, config.api_key.as_ref(), address != ADDRESS)?
        {
            KeyHeader::from(config.auth).insert(&mut headers, &key)?;
        }
        let messages =
            Messages { url: base.endpoint("/v1/messages"), probe: base.endpoint("/v1/models?limit=1") };
        let settings = Settings::of(config.connect_timeout, config.proxy.as_deref())?;
        Ok(Self { exchange: Exchange::new(messages, Upstream::new(base, headers, &settings)?) })
    }

    /// Anthropic, with the key in `ANTHROPIC_API_KEY`.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        Self::new(&AnthropicConfig::default())
    }
}

#[async_trait]
impl Provider for Anthropic {
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

/// An endpoint of Anthropic's dialect.
#[derive(Debug)]
struct Messages {
    url: Url,
    probe: Url,
}

/// Largest body Anthropic takes: 32 MB.
const MAX_BODY: u64 = 32 << 20;

impl Family for Messages {
    type Decoder = Sse<EventDecoder>;

    const DIALECT: Dialect = Dialect::Anthropic;

    fn capabilities(&self, model: &str) -> Capabilities {
        let limits = fb_wire::anthropic::Limits::of(model);
        Capabilities {
            json_schema: limits.json_schema,
            max_body: Some(MAX_BODY),
            ..models::capabilities(model)
        }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        encode::admit(call)
    }

    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<Outbound, Refusal> {
        let (body, notes) = encode::prepare(call, stream)?;
        Ok(Outbound { url: self.url.clone(), body, notes, silent: false })
    }

    fn reply(&self, body: &Bytes) -> Result<Decoded, WireError> {
        fb_wire::anthropic::reply(body)
    }

    fn decoder(&self, silent: bool) -> Self::Decoder {
        Sse::new(EventDecoder::new(), silent)
    }

    fn classify(&self, said: &Said<'_>) -> Class {
        failure::classify(said)
    }

    fn probe(&self) -> Option<&Url> {
        Some(&self.probe)
    }
}
