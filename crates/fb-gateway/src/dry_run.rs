//! A config over stub providers: no provider is called, and time is virtual.

mod stub_provider;

use std::{collections::BTreeMap, sync::Arc};

use fb::{Builder, ClassRoutes, Client, Config, Provider};
use tokio::runtime::{self, Runtime};

use self::stub_provider::StubProvider;
pub(crate) use self::stub_provider::{ResponseEnd, Script, ScriptedResponse};

/// Seed of jitter and random choices, so that two runs give the same table.
const SEED: u64 = 1;

/// A config and the adapters of its providers, which decide what a target can carry.
pub(crate) struct DryRun {
    config: Config,
    adapters: BTreeMap<String, Arc<dyn Provider>>,
}

impl DryRun {
    /// Builds the adapters of a config. Its classes are ignored: every request goes to the route that it names.
    ///
    /// # Errors
    /// The first provider that cannot be built.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let build = |(name, provider): (&String, &fb::providers::ProviderConfig)| {
            let built = provider.build().map_err(|error| format!("providers.{name}.{error}"))?;
            Ok::<_, String>((name.clone(), built))
        };
        let adapters = config.providers.iter().map(build).collect::<Result<_, _>>()?;
        let mut config = config.clone();
        config.routes.values_mut().for_each(|route| route.classes = ClassRoutes::default());
        Ok(Self { config, adapters })
    }

    /// Returns the builder of a new client with stub providers that follow the script.
    pub(crate) fn client(&self, script: &Arc<dyn Script>) -> Builder {
        let builder = Client::builder().config_without_providers(&self.config).seed(SEED);
        self.adapters.iter().fold(builder, |builder, (name, adapter)| {
            builder.provider(name, StubProvider::new(name, Arc::clone(adapter), Arc::clone(script)))
        })
    }
}

/// Builds a runtime with a paused clock, which advances to the next timer when all tasks are idle.
pub(crate) fn virtual_time() -> Result<Runtime, String> {
    let paused = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    paused.map_err(|error| format!("cannot start: {error}"))
}
