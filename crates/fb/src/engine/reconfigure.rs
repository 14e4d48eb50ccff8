//! Changes of the providers and routes while requests are served.

use std::sync::Arc;

use fb_cache::CacheConfig;
use fb_core::{Event, InvalidConfig};

use super::state::Engine;
use crate::{BuildError, Change, ChangeError, Config, catalog::Catalog};

impl Engine {
    /// Applies a change as a whole, or not at all. Requests in flight end with the providers and routes that they began
    /// with.
    pub(crate) fn apply(&self, change: &Change) -> Result<(), ChangeError> {
        self.change(|catalog| change.applied_to(catalog))
    }

    /// Replaces the parts that came from a config by those of another one, as a whole or not at all.
    pub(crate) fn reload(&self, config: &Config) -> Result<(), ChangeError> {
        let mut problems = config.problems();
        let fixed = "expected that of the client, which is fixed: build another one";
        if config.cache != self.cache_config && config.cache != CacheConfig::default() {
            problems.push(InvalidConfig::new("cache", "(settings)", fixed));
        }
        if config.ledger.is_some() && config.ledger != self.ledger {
            problems.push(InvalidConfig::new("ledger", "(settings)", fixed));
        }
        if !problems.is_empty() {
            return Err(BuildError { problems }.into());
        }
        self.change(|catalog| Ok(catalog.with_config(config)?))?;
        self.traces.resize(&config.traces);
        Ok(())
    }

    /// Changes the catalog, or nothing if the result is not valid.
    fn change(
        &self,
        change: impl FnOnce(Catalog) -> Result<Catalog, ChangeError>,
    ) -> Result<(), ChangeError> {
        let _one_at_a_time = self.changing.lock();
        let current = self.directory();
        let catalog = change(current.catalog().clone())?;
        let next = Arc::new(current.next(catalog)?);
        let routes: Vec<_> = next.routes().map(|route| route.name().to_owned()).collect();
        let targets: Vec<_> = next.targets().map(|target| target.id().clone()).collect();
        self.observers.publish(&Event::Reconfigured { routes: &routes, targets: &targets });
        self.set_directory(Arc::clone(&next));
        for removed in current.targets().filter(|target| !next.has_target(target.id())) {
            self.counters.lock().remove(removed.id(), &removed.counters());
        }
        current.retire(&next);
        Ok(())
    }
}
