//! Azure OpenAI: OpenAI's dialect at an address, and with filters, of one's own.

use std::{env, time::Duration};

use async_trait::async_trait;
use fb_core::{Call, CallError, Capabilities, Failure, Note, Probe, Provider, Refusal, Reply, Streaming};
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::{
    Auth, InvalidConfig, Secret,
    exchange::{Exchange, Family},
    http::{Base, KeyHeader, Settings, Upstream},
    openai::{ChatApi, Place},
    preset::{self, Preset},
};

/// Azure OpenAI. The model of a call is the name of a deployment.
#[derive(Debug)]
pub struct Azure {
    exchange: Exchange<ChatApi>,
}

/// Settings of [`Azure`].
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AzureConfig {
    /// The resource, such as `https://NAME.openai.azure.com`; `None`: in `AZURE_OPENAI_ENDPOINT`.
    pub base_url: Option<String>,
    /// The key or the Entra token; `None`: in `AZURE_OPENAI_API_KEY`.
    pub api_key: Option<Secret>,
    /// `api_key` or, for an Entra token, `bearer`. Default `api_key`.
    pub auth: Auth,
    /// A dated version such as `2024-10-21` calls each deployment at its own path, as before the v1 API; `None`: the
    /// v1 API.
    pub api_version: Option<String>,
    /// How long a connection may take; `None`: 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// An HTTP proxy; the environment's is not used.
    pub proxy: Option<String>,
}

impl Default for AzureConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            auth: Auth::ApiKey,
            api_version: None,
            connect_timeout: None,
            proxy: None,
        }
    }
}

/// Where Azure's own tools keep the address.
const ENDPOINT: &str = "AZURE_OPENAI_ENDPOINT";

impl Azure {
    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the field that is wrong and what was expected.
    pub fn new(config: &AzureConfig) -> Result<Self, InvalidConfig> {
        let preset = Preset::named("azure").ok_or_else(|| InvalidConfig::new("kind", "azure", "unknown"))?;
        let address = match &config.base_url {
            Some(address) => address.clone(),
            None => env::var(ENDPOINT).map_err(|_unset| {
                let expected = format!("expected https://NAME.openai.azure.com here or in {ENDPOINT}");
                InvalidConfig::new("base_url", "(missing)", expected)
            })?,
        };
        let mut headers = HeaderMap::new();
        // The address is always one's own, and so is the variable with its key.
        if let Some(key) = preset::key(preset, config.api_key.as_ref(), false)? {
            KeyHeader::from(config.auth).insert(&mut headers, &key)?;
        }
        let base = Base::parse("base_url", &address)?;
        let api = api(&base, config.api_version.as_deref(), preset)?;
        let settings = Settings::of(config.connect_timeout, config.proxy.as_deref())?;
        Ok(Self { exchange: Exchange::new(api, Upstream::new(base, headers, &settings)?) })
    }

    /// The resource in `AZURE_OPENAI_ENDPOINT`, with the key in `AZURE_OPENAI_API_KEY`.
    ///
    /// # Errors
    /// When a variable is not set.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        Self::new(&AzureConfig::default())
    }
}

/// The endpoints of a resource; its address may be given up to any of them.
fn api(base: &Base, api_version: Option<&str>, preset: &'static Preset) -> Result<ChatApi, InvalidConfig> {
    let root = base.without(&["/openai/v1", "/openai/deployments", "/openai"]);
    let dated = api_version.filter(|version| !matches!(*version, "v1" | "latest"));
    if let Some(version) = dated.filter(|version| !version.starts_with("20")) {
        let expected = "expected a dated version such as \"2024-10-21\", or none for the v1 API";
        return Err(InvalidConfig::quoted("api_version", version, expected));
    }
    let (place, probe) = match dated {
        None => {
            let v1 = root.under("/openai/v1");
            // A simulator or a gateway of OpenAI's dialect has its own path.
            let v1 = if base.path().ends_with("/v1") { base.clone() } else { v1 };
            (Place::One(v1.endpoint("/chat/completions")), v1.endpoint("/models"))
        }
        Some(version) => {
            let probe = root.endpoint(&format!("/openai/models?api-version={version}"));
            (
                Place::Deployment {
                    base: root.under("/openai/deployments"),
                    api_version: version.to_owned(),
                },
                probe,
            )
        }
    };
    Ok(ChatApi { preset, place, probe: Some(probe) })
}

#[async_trait]
impl Provider for Azure {
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
