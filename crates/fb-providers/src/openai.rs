//! OpenAI's Chat Completions, and everything compatible with it.

pub(crate) mod artefacts;
mod decode;
mod encode;
mod failure;
mod messages;
mod stream;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fb_core::{
    Call, CallError, Capabilities, Dialect, Failure, Note, Probe, Provider, Refusal, Reply, Streaming,
};
use fb_wire::{Decoded, WireError, openai::ChunkDecoder};
use reqwest::{Url, header::HeaderMap};
use serde::Deserialize;

pub(crate) use self::failure::Flavour;
use crate::{
    Auth, InvalidConfig, Secret,
    exchange::{Class, Exchange, Family, Outbound, Said, Sse},
    http::{self, Base, KeyHeader, Settings, Upstream},
    models,
    preset::{self, Preset, ProbePath},
};

/// OpenAI, or a server that speaks its dialect.
#[derive(Debug)]
pub struct OpenAi {
    exchange: Exchange<ChatApi>,
}

/// Settings of [`OpenAi`].
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiConfig {
    /// Whose quirks it has: the name of a preset, or `compatible`. Default `openai`.
    pub preset: String,
    /// Its address, up to and with `/v1`; `None`: the preset's.
    pub base_url: Option<String>,
    /// The key; `None`: in the environment variable of the preset, or none at all for a local server.
    pub api_key: Option<Secret>,
    /// How the key goes over the wire; `None`: the preset's way.
    pub auth: Option<Auth>,
    /// Sent as `OpenAI-Organization`.
    pub organization: Option<String>,
    /// Sent as `OpenAI-Project`.
    pub project: Option<String>,
    /// How long a connection may take; `None`: 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// An HTTP proxy; the environment's is not used.
    pub proxy: Option<String>,
}

impl Default for OpenAiConfig {
    fn default() -> Self {
        Self {
            preset: "openai".to_owned(),
            base_url: None,
            api_key: None,
            auth: None,
            organization: None,
            project: None,
            connect_timeout: None,
            proxy: None,
        }
    }
}

impl OpenAi {
    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the field that is wrong and what was expected.
    pub fn new(config: &OpenAiConfig) -> Result<Self, InvalidConfig> {
        let preset = preset::of_openai(&config.preset)?;
        let address = config.base_url.as_deref().or(preset.base_url).ok_or_else(|| {
            InvalidConfig::new(
                "base_url",
                "(missing)",
                "expected the address of the server, up to and with /v1",
            )
        })?;
        let base = Base::parse("base_url", address)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = preset::key(preset, config.api_key.as_ref(), config.base_url.is_some())? {
            KeyHeader::from(config.auth.unwrap_or(preset.auth)).insert(&mut headers, &key)?;
        }
        if let Some(organization) = &config.organization {
            http::header(&mut headers, "openai-organization", "organization", organization)?;
        }
        if let Some(project) = &config.project {
            http::header(&mut headers, "openai-project", "project", project)?;
        }
        let api = ChatApi {
            preset,
            place: Place::One(base.endpoint("/chat/completions")),
            probe: preset.probe.at(&base),
        };
        let settings = Settings::of(config.connect_timeout, config.proxy.as_deref())?;
        Ok(Self { exchange: Exchange::new(api, Upstream::new(base, headers, &settings)?) })
    }

    /// OpenAI, with the key in `OPENAI_API_KEY`.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        Self::preset("openai")
    }

    /// A known provider, with the key in its usual environment variable.
    ///
    /// # Errors
    /// When there is no preset of this name, or its variable is not set.
    pub fn preset(name: &str) -> Result<Self, InvalidConfig> {
        Self::new(&OpenAiConfig { preset: name.to_owned(), ..OpenAiConfig::default() })
    }
}

#[async_trait]
impl Provider for OpenAi {
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

/// An endpoint of OpenAI's dialect.
#[derive(Debug)]
pub(crate) struct ChatApi {
    pub(crate) preset: &'static Preset,
    pub(crate) place: Place,
    pub(crate) probe: Option<Url>,
}

/// Where the calls of a model go.
#[derive(Debug)]
pub(crate) enum Place {
    /// All to one endpoint.
    One(Url),
    /// Each to the path of its deployment, as Azure had it before its v1.
    Deployment {
        /// Up to the deployment's name.
        base: Base,
        /// The version of the API.
        api_version: String,
    },
}

impl Place {
    fn of(&self, model: &str) -> Url {
        match self {
            Self::One(url) => url.clone(),
            Self::Deployment { base, api_version } => base.deployment(model, "chat/completions", api_version),
        }
    }
}

impl Family for ChatApi {
    type Decoder = Sse<ChunkDecoder>;

    const DIALECT: Dialect = Dialect::OpenAi;

    fn capabilities(&self, model: &str) -> Capabilities {
        Capabilities { json_schema: self.preset.quirks.json_schema, ..models::capabilities(model) }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        encode::admit(call, self.preset)
    }

    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<Outbound, Refusal> {
        let encode::Prepared { body, notes, silent } = encode::prepare(call, stream, self.preset)?;
        Ok(Outbound { url: self.place.of(call.model), body, notes, silent })
    }

    fn reply(&self, body: &Bytes) -> Result<Decoded, WireError> {
        fb_wire::openai::reply(body)
    }

    fn decoder(&self, silent: bool) -> Self::Decoder {
        Sse::new(ChunkDecoder::new(), silent)
    }

    fn classify(&self, said: &Said<'_>) -> Class {
        failure::classify(said, self.preset.quirks.flavour)
    }

    fn block_detail(&self, body: &[u8], said: &Said<'_>) -> String {
        decode::filters(body).unwrap_or_else(|| said.detail())
    }

    fn probe(&self) -> Option<&Url> {
        self.probe.as_ref()
    }
}

impl From<Auth> for KeyHeader {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Bearer => Self::Bearer,
            Auth::ApiKey => Self::Named("api-key"),
            Auth::XApiKey => Self::Named("x-api-key"),
        }
    }
}

impl ProbePath {
    pub(crate) fn at(self, base: &Base) -> Option<Url> {
        match self {
            Self::Base(path) => Some(base.endpoint(path)),
            Self::Root(path) => Some(base.root(path)),
            Self::None => None,
        }
    }
}

/// The body of a plain call, for tests.
#[cfg(test)]
pub(crate) fn prepared(call: Call<'_>, preset: &Preset) -> Result<(String, Vec<Note>), Refusal> {
    let prepared = encode::prepare(call, false, preset)?;
    Ok((String::from_utf8_lossy(&prepared.body.concat()).into_owned(), prepared.notes))
}
