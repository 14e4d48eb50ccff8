use std::{sync::Arc, time::Duration};

use fb_core::{Overlay, Provider};
use serde::Deserialize;

use crate::{
    Anthropic, AnthropicConfig, Auth, Azure, AzureConfig, InvalidConfig, Ollama, OllamaConfig, OpenAi,
    OpenAiConfig, Secret,
    preset::{self, Adapter, PRESETS, Preset},
};

/// One provider as a config file says it.
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
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    /// The name of a preset, or `compatible` for any server of OpenAI's dialect. Required.
    pub kind: String,
    /// Its address; `None`: the preset's.
    pub base_url: Option<String>,
    /// Where the key is; `None`: in the usual environment variable, if the address is the usual one, or else none.
    pub api_key: Option<Secret>,
    /// How the key goes over the wire; `None`: the preset's way.
    pub auth: Option<Auth>,
    /// Anthropic's or Azure's version of the API.
    pub api_version: Option<String>,
    /// OpenAI's organization.
    pub organization: Option<String>,
    /// OpenAI's project.
    pub project: Option<String>,
    /// The window of tokens that an Ollama server runs its models with.
    pub num_ctx: Option<u32>,
    /// Names of models, for listings; others may be called too.
    pub models: Vec<String>,
    /// How long a connection may take; `None`: 5 s.
    #[serde(with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// An HTTP proxy; the environment's is not used.
    pub proxy: Option<String>,
    /// Settings of the circuit breakers of its targets that differ from the global ones. Whoever runs breakers reads
    /// them, as the next two.
    pub breaker: Option<Overlay>,
    /// The same for the waits between attempts.
    pub retry: Option<Overlay>,
    /// The same for health.
    pub health: Option<Overlay>,
}

impl ProviderConfig {
    /// A provider of this kind with everything as usual.
    pub fn of(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    /// A provider of this kind with this key, for programs that have it from elsewhere.
    pub fn with_key(kind: impl Into<String>, key: impl Into<String>) -> Self {
        Self { api_key: Some(Secret::value(key)), ..Self::of(kind) }
    }

    /// Builds the provider; sends nothing.
    ///
    /// # Errors
    /// Names the field that is wrong, what stands there and what was expected; never shows a secret.
    pub fn build(&self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        let kinds = PRESETS.iter().chain([&preset::COMPATIBLE]);
        let Some(preset) = kinds.clone().find(|preset| preset.name == self.kind) else {
            return Err(preset::unknown("kind", &self.kind, kinds.map(|preset| preset.name)));
        };
        self.check_foreign(preset)?;
        Ok(match preset.adapter {
            Adapter::OpenAi => Arc::new(OpenAi::new(&self.openai())?),
            Adapter::Anthropic => Arc::new(Anthropic::new(&self.anthropic())?),
            Adapter::Azure => Arc::new(Azure::new(&self.azure())?),
            Adapter::Ollama => Arc::new(Ollama::new(&self.ollama())?),
        })
    }

    /// A setting of another kind would be ignored, and its author would not know.
    fn check_foreign(&self, preset: &Preset) -> Result<(), InvalidConfig> {
        use Adapter::{Anthropic, Azure, Ollama, OpenAi};
        let settings: [(&str, bool, &[Adapter]); 5] = [
            ("auth", self.auth.is_some(), &[OpenAi, Anthropic, Azure]),
            ("api_version", self.api_version.is_some(), &[Anthropic, Azure]),
            ("organization", self.organization.is_some(), &[OpenAi]),
            ("project", self.project.is_some(), &[OpenAi]),
            ("num_ctx", self.num_ctx.is_some(), &[Ollama]),
        ];
        let foreign = settings.into_iter().find(|(_, set, of)| *set && !of.contains(&preset.adapter));
        foreign.map_or(Ok(()), |(field, ..)| {
            let expected = format!("a provider of kind {:?} has no such setting; remove it", preset.name);
            Err(InvalidConfig::new(field, "(set)", expected))
        })
    }

    fn openai(&self) -> OpenAiConfig {
        OpenAiConfig {
            preset: self.kind.clone(),
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            auth: self.auth,
            organization: self.organization.clone(),
            project: self.project.clone(),
            connect_timeout: self.connect_timeout,
            proxy: self.proxy.clone(),
        }
    }

    fn anthropic(&self) -> AnthropicConfig {
        let usual = AnthropicConfig::default();
        AnthropicConfig {
            base_url: self.base_url.clone().unwrap_or(usual.base_url),
            api_key: self.api_key.clone(),
            auth: self.auth.unwrap_or(usual.auth),
            api_version: self.api_version.clone().unwrap_or(usual.api_version),
            connect_timeout: self.connect_timeout,
            proxy: self.proxy.clone(),
        }
    }

    fn azure(&self) -> AzureConfig {
        AzureConfig {
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone(),
            auth: self.auth.unwrap_or(Auth::ApiKey),
            api_version: self.api_version.clone(),
            connect_timeout: self.connect_timeout,
            proxy: self.proxy.clone(),
        }
    }

    fn ollama(&self) -> OllamaConfig {
        OllamaConfig {
            base_url: self.base_url.clone().unwrap_or_else(|| OllamaConfig::default().base_url),
            api_key: self.api_key.clone(),
            num_ctx: self.num_ctx,
            connect_timeout: self.connect_timeout,
            proxy: self.proxy.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
