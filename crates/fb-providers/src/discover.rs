use std::env;

use crate::{
    ProviderConfig,
    preset::{PRESETS, Preset},
};

/// A provider that the environment knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// A name for it: that of its preset.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The environment variable its key is in; `None` for a server on this machine, which may or may not run.
    pub env: Option<String>,
    /// The model a first call goes to.
    pub default_model: String,
}

impl Found {
    /// What builds it.
    pub fn config(&self) -> ProviderConfig {
        ProviderConfig::of(&self.kind)
    }
}

/// The providers that could be called without any config, in the order of the table: those whose keys are in the
/// environment, and a local Ollama, of which only a probe can tell whether it runs.
pub fn found() -> Vec<Found> {
    found_in(&|name| env::var(name).is_ok_and(|value| !value.trim().is_empty()))
}

/// The environment variables that [`found`] looks for, in the order of the table.
pub fn environment_variables() -> Vec<&'static str> {
    PRESETS.iter().filter(|preset| preset.default_model.is_some()).filter_map(|preset| preset.env).collect()
}

fn found_in(is_set: &dyn Fn(&str) -> bool) -> Vec<Found> {
    let known = |preset: &Preset| {
        let default_model = preset.default_model?;
        if preset.env.is_some_and(|name| !is_set(name)) {
            return None;
        }
        Some(Found {
            name: preset.name.to_owned(),
            kind: preset.name.to_owned(),
            env: preset.env.map(ToOwned::to_owned),
            default_model: default_model.to_owned(),
        })
    };
    PRESETS.iter().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_the_order_of_the_table_and_ollama_always() {
        let names = |set: &[&str]| -> Vec<String> {
            found_in(&|name| set.contains(&name)).into_iter().map(|found| found.name).collect()
        };
        assert_eq!(names(&[]), ["ollama"]);
        assert_eq!(names(&["GROQ_API_KEY", "ANTHROPIC_API_KEY"]), ["anthropic", "groq", "ollama"]);
        assert!(environment_variables().starts_with(&["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]));
    }
}
