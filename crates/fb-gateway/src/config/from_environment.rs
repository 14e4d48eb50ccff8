//! The config of `fb serve` without a config file.

use std::{collections::BTreeMap, time::Duration};

use fb::{
    Config, Route, Target,
    providers::{self, DiscoveredProvider, ProviderConfig, Secret},
};

/// Longest wait for the probe of a local Ollama.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Builds a config with one route `default` over the providers with an API key in the environment and a local Ollama, in
/// the order of the presets table.
///
/// # Errors
/// If no provider was found.
pub(crate) async fn from_environment() -> Result<(Config, Vec<DiscoveredProvider>), String> {
    let mut found = Vec::new();
    for candidate in providers::discover() {
        if candidate.env.is_some() || is_reachable(&candidate).await {
            found.push(candidate);
        }
    }
    if found.is_empty() {
        return Err(format!(
            "no config and no provider in the environment; give --config FILE, set one of {}, or start a local Ollama",
            providers::environment_variables().join(", ")
        ));
    }
    let targets = found.iter().map(|found| Target::new(&found.name, &found.default_model));
    let route = Route::priority("default", targets);
    let providers: BTreeMap<_, _> = found.iter().map(|found| (found.name.clone(), config(found))).collect();
    let routes = BTreeMap::from([("default".to_owned(), route)]);
    Ok((
        Config::with(|config| {
            config.providers = providers;
            config.routes = routes;
        }),
        found,
    ))
}

/// Lists the discovered providers, each with the source of its key.
pub(crate) fn describe(found: &[DiscoveredProvider]) -> String {
    let each = found.iter().map(|found| match &found.env {
        Some(env) => format!("{} ({env})", found.name),
        None => format!("{} (running)", found.name),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Returns the config of a discovered provider. Its address is taken from the environment variable that the provider's
/// own clients read, if that is set.
fn config(found: &DiscoveredProvider) -> ProviderConfig {
    let variable = match found.kind.as_str() {
        "ollama" => "OLLAMA_HOST".to_owned(),
        kind => format!("{}_BASE_URL", kind.to_uppercase()),
    };
    let address = std::env::var(variable).ok().filter(|address| !address.is_empty());
    let mut config = found.config();
    config.base_url =
        address.map(|address| if address.contains("://") { address } else { format!("http://{address}") });
    config.api_key = found.env.as_ref().map(Secret::env);
    config
}

async fn is_reachable(candidate: &DiscoveredProvider) -> bool {
    let Ok(provider) = config(candidate).build() else { return false };
    matches!(tokio::time::timeout(PROBE_TIMEOUT, provider.probe(0)).await, Ok(Ok(fb::Probe::Reachable)))
}
