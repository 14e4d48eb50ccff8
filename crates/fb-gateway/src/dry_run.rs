//! The user's routes and settings over providers that play: nobody is called, and time is virtual.

mod stub_provider;

use std::{collections::BTreeMap, sync::Arc};

use fb::{Builder, ClassRoutes, Client, Config, Provider};
use tokio::runtime::{self, Runtime};

use self::stub_provider::StandIn;
pub(crate) use self::stub_provider::{Act, End, Script};

/// Of jitter and draws; the same table every time.
const SEED: u64 = 1;

/// A config, and the adapters of its providers: what they can do and what they take is theirs to say.
pub(crate) struct Stage {
    config: Config,
    adapters: BTreeMap<String, Arc<dyn Provider>>,
}

impl Stage {
    /// Takes a config whose requests name their route: classes are left out.
    ///
    /// # Errors
    /// A provider that cannot be built.
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

    /// A new client whose providers do what the script says.
    pub(crate) fn client(&self, script: &Arc<dyn Script>) -> Builder {
        let builder = Client::builder().config_without_providers(&self.config).seed(SEED);
        self.adapters.iter().fold(builder, |builder, (name, adapter)| {
            builder.provider(name, StandIn::new(name, Arc::clone(adapter), Arc::clone(script)))
        })
    }
}

/// Where time jumps to the next thing that happens.
pub(crate) fn virtual_time() -> Result<Runtime, String> {
    let paused = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    paused.map_err(|error| format!("cannot start: {error}"))
}
