//! The observers of a client.

use std::sync::Arc;

use fb_core::{Event, Observer};
use fb_telemetry::FanOut;
use parking_lot::RwLock;

/// The observers of a client, to which more can be added while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Observers(Arc<RwLock<FanOut>>);

impl Observers {
    pub(super) fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self(Arc::new(RwLock::new(FanOut::new(observers))))
    }

    /// Adds an observer of the requests that begin from now on.
    pub(crate) fn add(&self, observer: Arc<dyn Observer>) {
        let mut observers = self.0.write();
        *observers = observers.and(observer);
    }

    /// Returns the present observers. A request keeps those that it began with, so that each sees whole requests.
    pub(super) fn current(&self) -> FanOut {
        self.0.read().clone()
    }

    /// Publishes an event that belongs to no request.
    pub(crate) fn publish(&self, event: &Event<'_>) {
        self.current().on_event(event);
    }
}
