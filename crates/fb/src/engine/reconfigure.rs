//! Changes of the providers and routes while requests are served.

use std::sync::Arc;

use fb_core::Event;

use super::state::Engine;
use crate::{Change, ChangeError};

impl Engine {
    /// Applies a change as a whole, or not at all. Requests in flight end with the providers and routes that they began
    /// with.
    pub(crate) fn apply(&self, change: &Change) -> Result<(), ChangeError> {
        let _one_at_a_time = self.changing.lock();
        let current = self.directory();
        let catalog = change.applied_to(current.catalog().clone())?;
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
