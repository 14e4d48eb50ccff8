use std::env;

use crate::{
    config::ProviderConfig,
    preset::{PRESETS, Preset},
};

/// A provider that can be called without any config.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscoveredProvider {
    /// The name of its preset.
    pub name: String,
    /// The `kind` of its config.
    pub kind: String,
    /// The environment variable that contains its key; `None` for a server on the local machine, which may not be
    /// running.
    pub env: Option<String>,
    /// The model for a first call.
    pub default_model: String,
}

impl DiscoveredProvider {
    /// Returns the config that builds it.
    pub fn config(&self) -> ProviderConfig {
        ProviderConfig::new(&self.kind)
    }
}

/// Returns the providers that can be called without any config, in the order of the preset table: those with a key in
/// the environment, and a local Ollama, which only a probe can detect.
pub fn discover() -> Vec<DiscoveredProvider> {
    discover_in(&|name| env::var(name).is_ok_and(|value| !value.trim().is_empty()))
}

/// Returns the environment variables that [`discover`] checks, in the order of the preset table.
pub fn environment_variables() -> Vec<&'static str> {
    callable().filter_map(|preset| preset.env).collect()
}

/// Returns the presets with an adapter in this program and a model for a first call.
fn callable() -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter().filter(|preset| preset.adapter.is_built() && preset.default_model.is_some())
}

fn discover_in(is_set: &dyn Fn(&str) -> bool) -> Vec<DiscoveredProvider> {
    let provider = |preset: &Preset| {
        let default_model = preset.default_model?;
        if preset.env.is_some_and(|name| !is_set(name)) {
            return None;
        }
        Some(DiscoveredProvider {
            name: preset.name.to_owned(),
            kind: preset.name.to_owned(),
            env: preset.env.map(ToOwned::to_owned),
            default_model: default_model.to_owned(),
        })
    };
    callable().filter_map(provider).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_table_order_and_ollama_is_always_included() {
        let names = |set: &[&str]| -> Vec<String> {
            discover_in(&|name| set.contains(&name)).into_iter().map(|provider| provider.name).collect()
        };
        assert_eq!(names(&[]), ["ollama"]);
        assert_eq!(names(&["GROQ_API_KEY", "ANTHROPIC_API_KEY"]), ["anthropic", "groq", "ollama"]);
        assert!(environment_variables().starts_with(&["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]));
    }
}
