//! Azure OpenAI: OpenAI's dialect at the resource of an account, with content filters of its own.

mod config;
mod endpoint;

use std::env;

use ::http::HeaderMap;
use async_trait::async_trait;
use fb_core::{
    Call, CallError, Capabilities, Failure, InvalidConfig, KeyInfo, Note, Probe, Provider, Refusal, Reply,
    Streaming,
};

pub use self::config::AzureConfig;
use crate::{
    exchange::{Exchange, Protocol},
    http::{Base, Keys, Settings, Upstream},
    openai::{ChatCompletions, ThinkingModels},
    preset,
    secret::Secret,
};

/// Azure OpenAI. The model of a call is the name of a deployment.
#[derive(Debug)]
pub struct Azure {
    exchange: Exchange<ChatCompletions>,
}

/// The environment variable that Azure's own tools read the address from.
const ENDPOINT: &str = "AZURE_OPENAI_ENDPOINT";

impl Azure {
    /// Begins the settings of Azure OpenAI with this key: a text, or a [`Secret`](crate::Secret) that names its source.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a provider is built from its settings, which begin with the key"
    )]
    pub fn new(key: impl Into<Secret>) -> AzureConfig {
        AzureConfig::default().api_key(key)
    }

    /// Builds the resource in `AZURE_OPENAI_ENDPOINT`, with the key in `AZURE_OPENAI_API_KEY`.
    ///
    /// # Errors
    /// When a variable is not set.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        AzureConfig::default().build()
    }
}

impl AzureConfig {
    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the invalid field and what was expected.
    pub fn build(&self) -> Result<Azure, InvalidConfig> {
        let preset = preset::find("azure").ok_or_else(|| InvalidConfig::new("kind", "azure", "unknown"))?;
        let address = match &self.base_url {
            Some(address) => address.clone(),
            None => env::var(ENDPOINT).map_err(|_unset| {
                let expected = format!("expected https://NAME.openai.azure.com here or in {ENDPOINT}");
                InvalidConfig::new("base_url", "(missing)", expected)
            })?,
        };
        let base = Base::parse("base_url", &address)?;
        // An address from the environment goes with the key from the environment.
        let is_from_environment = self.base_url.is_none() && self.api_keys.is_empty();
        let with_address = is_from_environment.then(|| preset.env.map(Secret::env)).flatten();
        let configured = self.api_key.as_ref().or(with_address.as_ref());
        let keys = preset::keys(preset, configured, &self.api_keys, &base)?;
        let keys = Keys { keys, header: self.auth.into() };
        let (endpoint, probe_uri) = endpoint::resolve(&base, self.api_version.as_deref())?;
        let protocol = ChatCompletions {
            preset,
            endpoint,
            probe_uri: Some(probe_uri),
            learned: ThinkingModels::default(),
        };
        let connection = Settings::new(&self.connection)?;
        Ok(Azure {
            exchange: Exchange::new(protocol, Upstream::new(base, HeaderMap::new(), keys, &connection)?),
        })
    }
}

#[async_trait]
impl Provider for Azure {
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
