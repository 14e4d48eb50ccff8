use std::{collections::BTreeMap, time::Duration};

use fb::{
    Config, Route, Target,
    providers::{self, DiscoveredProvider, ProviderConfig, Secret},
};

use crate::config::Loaded;

/// How long a local Ollama may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// A config of the providers whose keys are in the environment and of a local Ollama, in one route `default`, in
/// the order of the presets table.
///
/// # Errors
/// When there is nothing at all.
pub(crate) async fn from_environment() -> Result<(Loaded, Vec<DiscoveredProvider>), String> {
    let mut found = Vec::new();
    for candidate in providers::discover() {
        if candidate.env.is_some() || is_there(&candidate).await {
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
    let fb =
        Config { providers, routes: BTreeMap::from([("default".to_owned(), route)]), ..Config::default() };
    Ok((Loaded { fb, ..Loaded::default() }, found))
}

/// What was found, and where.
pub(crate) fn describe(found: &[DiscoveredProvider]) -> String {
    let each = found.iter().map(|found| match &found.env {
        Some(env) => format!("{} ({env})", found.name),
        None => format!("{} (running)", found.name),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// What builds a found provider: its key from where it was found, its address from the variable its own clients
/// read, if that is set.
fn config(found: &DiscoveredProvider) -> ProviderConfig {
    let variable = match found.kind.as_str() {
        "ollama" => "OLLAMA_HOST".to_owned(),
        kind => format!("{}_BASE_URL", kind.to_uppercase()),
    };
    let address = std::env::var(variable).ok().filter(|address| !address.is_empty());
    ProviderConfig {
        base_url: address
            .map(|address| if address.contains("://") { address } else { format!("http://{address}") }),
        api_key: found.env.as_ref().map(Secret::env),
        ..found.config()
    }
}

async fn is_there(candidate: &DiscoveredProvider) -> bool {
    let Ok(provider) = config(candidate).build() else { return false };
    matches!(tokio::time::timeout(PATIENCE, provider.probe()).await, Ok(Ok(fb::Probe::Reachable)))
}
