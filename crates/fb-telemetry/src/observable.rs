use std::sync::Arc;

use fb_core::Observer;

use crate::{Metrics, Names, Readings};

/// A client of which [`Metrics::of`] creates metrics: `fb::Client`.
///
/// # Implementing
///
/// An implementation
///
/// - must keep an attached observer as long as the client lives, beside those that it has, because several metrics of one client are
///   independent;
/// - must return the present names and readings, because routes may be added and removed between two scrapes;
/// - must not block or make a call, because a scrape reads the values.
pub trait Observable {
    /// Returns the present names of routes, targets and tenants.
    fn names(&self) -> Names;

    /// Returns the present values of what the client itself counts.
    fn readings(&self) -> Readings;

    /// Adds an observer of the requests that begin from now on.
    fn attach(&self, observer: Arc<dyn Observer>);
}

impl Metrics {
    /// Creates the metrics of a client and adds them to its observers. Requests that began before are not counted, so that
    /// the best time is right after the client is built.
    ///
    /// [`render_of`](Self::render_of) adds what the client itself counts to a scrape.
    pub fn of(client: &(impl Observable + ?Sized)) -> Arc<Self> {
        let metrics = Arc::new(Self::new(&client.names()));
        client.attach(Arc::clone(&metrics) as Arc<dyn Observer>);
        metrics
    }

    /// Renders all series, followed by the present readings of the client.
    pub fn render_of(&self, client: &(impl Observable + ?Sized)) -> String {
        self.render_with(&client.readings())
    }
}
