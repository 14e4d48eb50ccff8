//! The end of a server: not ready first, then closed to new connections, and at last an end to what is still in flight.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// The message of the error with which a request in flight ends.
pub(crate) const ENDED: &str = "the gateway is shutting down";

/// A handle on the end of a server. Clones share it.
#[derive(Clone)]
pub struct Shutdown(Arc<State>);

struct State {
    began: OnceLock<Instant>,
    /// True once requests in flight have to end.
    over: watch::Sender<bool>,
    /// The same, to read without a lock.
    is_over: AtomicBool,
}

impl Shutdown {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            began: OnceLock::new(),
            over: watch::Sender::new(false),
            is_over: AtomicBool::new(false),
        }))
    }

    /// Begins the shutdown: from now on `/readyz` returns 503, and the drain time counts. Requests are still accepted until
    /// the future given to [`Server::run_until`](crate::Server::run_until) completes.
    pub fn begin(&self) {
        let _began = self.0.began.get_or_init(Instant::now);
    }

    /// Returns true once the shutdown has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.began.get().is_some()
    }

    /// Returns the time since the shutdown began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.began.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// Ends the requests in flight.
    pub(crate) fn end(&self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.over.send_replace(true);
    }

    /// Returns true once requests in flight have to end.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Acquire)
    }

    /// Completes when requests in flight have to end.
    pub(crate) async fn ended(&self) {
        let mut over = self.0.over.subscribe();
        // The sender is part of the state, which this borrows.
        let _closed = over.wait_for(|over| *over).await;
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("began", &self.0.began.get()).finish_non_exhaustive()
    }
}
