//! Requests per minute.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};

/// A limiter that is told the time.
#[derive(Debug)]
pub(crate) struct Requests {
    origin: Instant,
    limiter: RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Nanos>>,
}

/// The clock of a limiter: the latest time that it was told, in nanoseconds.
#[derive(Debug, Default)]
struct Told(AtomicU64);

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Ordering::Relaxed).into()
    }
}

impl Requests {
    /// A limiter that has not let pass any request.
    pub(crate) fn new(per_minute: NonZeroU32, origin: Instant) -> Self {
        let limiter =
            RateLimiter::new(Quota::per_minute(per_minute), InMemoryState::default(), Told::default());
        Self { origin, limiter }
    }

    /// Lets a request pass, or says in how long it would.
    pub(crate) fn pass(&self, now: Instant) -> Result<(), Duration> {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        let told = &self.limiter.clock().0;
        let latest = told.fetch_max(nanos, Ordering::Relaxed).max(nanos);
        self.limiter.check().map_err(|refused| refused.wait_time_from(latest.into()))
    }
}

#[cfg(test)]
mod tests;
