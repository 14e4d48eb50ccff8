use std::{path::PathBuf, sync::Arc, time::Duration};

use fb_core::{InvalidConfig, Overlay, Provider};
use serde::Deserialize;

#[cfg(feature = "anthropic")]
use crate::anthropic::AnthropicConfig;
#[cfg(feature = "azure")]
use crate::azure::AzureConfig;
#[cfg(feature = "ollama")]
use crate::ollama::OllamaConfig;
#[cfg(feature = "openai")]
use crate::openai::OpenAiConfig;
use crate::{
    api_key::{self, ApiKey},
    connection::{Connection, ExtraHeaders},
    into_provider::IntoProvider,
    preset::{self, Adapter, Auth, PRESETS, Preset},
    secret::Secret,
};

/// A provider as written in a config file.
///
/// ```
/// let config: fb_providers::ProviderConfig = serde_json::from_str(
///     r#"{ "kind": "openai", "api_key": { "file": "/run/secrets/openai" } }"#,
/// )?;
/// let error = config.build().err().map(|error| error.to_string());
/// assert_eq!(
///     error.as_deref(),
///     Some(r#"api_key = { file = "/run/secrets/openai" }: the file cannot be read: entity not found"#),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProviderConfig {
    /// The name of a preset, or `compatible` for any server of OpenAI's dialect. Required.
    pub kind: String,
    /// The base URL of the API. Defaults to the preset's.
    pub base_url: Option<String>,
    /// A reference to the API key, or `"none"` for a server that needs no key. Defaults to the preset's environment
    /// variable, which is sent to the preset's own hosts only: with another `base_url` the setting is required.
    pub api_key: Option<Secret>,
    /// Several API keys instead of `api_key`, each with its own limits: `[{ env = "A", weight = 2 }, { file = "b" }]`. A call
    /// uses one that is free, by what its rate limits leave times its `weight` (1 unless set), and moves to the next one
    /// when it meets a limit. None unless set.
    pub api_keys: Vec<ApiKey>,
    /// The header that carries the key. Defaults to the preset's.
    pub auth: Option<Auth>,
    /// The version of Anthropic's or Azure's API.
    pub api_version: Option<String>,
    /// The OpenAI organization.
    pub organization: Option<String>,
    /// The OpenAI project.
    pub project: Option<String>,
    /// The context window of an Ollama server's models, in tokens.
    pub num_ctx: Option<u32>,
    /// Names of models for listings. Other models can be called too.
    pub models: Vec<String>,
    /// Maximum duration of connecting. Defaults to 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// The URL of an HTTP proxy. Proxies from the environment are ignored.
    pub proxy: Option<String>,
    /// A PEM file with certificates that are trusted beside those of the system. None unless set.
    pub ca_file: Option<PathBuf>,
    /// Headers that are added to every request, by name: `{ x-title = "my app" }`. Defaults to none.
    pub headers: ExtraHeaders,
    /// Settings of the circuit breakers of its targets that override the global ones.
    ///
    /// This and the next two fields are not used by the provider itself.
    pub breaker: Option<Overlay>,
    /// Retry settings of its targets that override the global ones.
    pub retry: Option<Overlay>,
    /// Health settings of its targets that override the global ones.
    pub health: Option<Overlay>,
}

impl ProviderConfig {
    /// Creates a config of this kind with default settings.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    /// Creates a config of this kind with this key, for programs that obtain it elsewhere.
    pub fn with_key(kind: impl Into<String>, key: impl Into<String>) -> Self {
        Self { api_key: Some(Secret::value(key)), ..Self::new(kind) }
    }

    /// Sets the base URL of the API.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the API key: a text, or a [`Secret`] that names its source.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Returns the names of the keys, if there are several: the environment variable, the file or the place of each.
    pub fn key_names(&self) -> Vec<String> {
        api_key::infos(&self.api_keys).iter().map(|info| info.name.to_string()).collect()
    }

    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the invalid field, its value and what was expected. Never contains a secret.
    pub fn build(&self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        let kinds = PRESETS.iter().chain([&preset::COMPATIBLE]);
        let Some(preset) = kinds.clone().find(|preset| preset.name == self.kind) else {
            return Err(preset::unknown("kind", &self.kind, kinds.map(|preset| preset.name)));
        };
        self.reject_foreign_settings(preset)?;
        match preset.adapter {
            #[cfg(feature = "openai")]
            Adapter::OpenAi => self.openai().into_provider(),
            #[cfg(feature = "anthropic")]
            Adapter::Anthropic => self.anthropic().into_provider(),
            #[cfg(feature = "azure")]
            Adapter::Azure => self.azure().into_provider(),
            #[cfg(feature = "ollama")]
            Adapter::Ollama => self.ollama().into_provider(),
            #[cfg(not(all(
                feature = "anthropic",
                feature = "azure",
                feature = "ollama",
                feature = "openai"
            )))]
            adapter => {
                let expected = format!(
                    "expected a program that is built with the feature `{}` of fb",
                    adapter.feature()
                );
                Err(InvalidConfig::quoted("kind", &self.kind, expected))
            }
        }
    }

    /// Rejects settings that the kind does not have, since they would be ignored silently.
    fn reject_foreign_settings(&self, preset: &Preset) -> Result<(), InvalidConfig> {
        use Adapter::{Anthropic, Azure, Ollama, OpenAi};
        let settings: [(&str, bool, &[Adapter]); 5] = [
            ("auth", self.auth.is_some(), &[OpenAi, Anthropic, Azure]),
            ("api_version", self.api_version.is_some(), &[Anthropic, Azure]),
            ("organization", self.organization.is_some(), &[OpenAi]),
            ("project", self.project.is_some(), &[OpenAi]),
            ("num_ctx", self.num_ctx.is_some(), &[Ollama]),
        ];
        let foreign =
            settings.into_iter().find(|(_, set, adapters)| *set && !adapters.contains(&preset.adapter));
        foreign.map_or(Ok(()), |(field, ..)| {
            let expected = format!("a provider of kind {:?} has no such setting; remove it", preset.name);
            Err(InvalidConfig::new(field, "(set)", expected))
        })
    }

    fn connection(&self) -> Connection {
        Connection {
            connect_timeout: self.connect_timeout,
            proxy: self.proxy.clone(),
            ca_file: self.ca_file.clone(),
            headers: self.headers.clone(),
            ..Connection::default()
        }
    }

    #[cfg(feature = "openai")]
    fn openai(&self) -> OpenAiConfig {
        OpenAiConfig {
            preset: self.kind.clone(),
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            api_keys: self.api_keys.clone(),
            auth: self.auth,
            organization: self.organization.clone(),
            project: self.project.clone(),
            connection: self.connection(),
        }
    }

    #[cfg(feature = "anthropic")]
    fn anthropic(&self) -> AnthropicConfig {
        let default = AnthropicConfig::default();
        AnthropicConfig {
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            api_keys: self.api_keys.clone(),
            auth: self.auth.unwrap_or(default.auth),
            api_version: self.api_version.clone().unwrap_or(default.api_version),
            connection: self.connection(),
        }
    }

    #[cfg(feature = "azure")]
    fn azure(&self) -> AzureConfig {
        AzureConfig {
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            api_keys: self.api_keys.clone(),
            auth: self.auth.unwrap_or(Auth::ApiKey),
            api_version: self.api_version.clone(),
            connection: self.connection(),
        }
    }

    #[cfg(feature = "ollama")]
    fn ollama(&self) -> OllamaConfig {
        OllamaConfig {
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            api_keys: self.api_keys.clone(),
            num_ctx: self.num_ctx,
            connection: self.connection(),
        }
    }
}

impl IntoProvider for ProviderConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        self.build()
    }
}

fb_core::with_changes!(ProviderConfig);

#[cfg(test)]
mod tests;
