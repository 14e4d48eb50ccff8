//! The limit on requests per minute.

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

/// A rate limiter that takes the time as an argument.
#[derive(Debug)]
pub(crate) struct RequestLimiter {
    origin: Instant,
    limiter: RateLimiter<NotKeyed, InMemoryState, SuppliedClock, NoOpMiddleware<Nanos>>,
}

/// The clock of the limiter: the latest supplied time, in nanoseconds since the origin.
#[derive(Debug, Default)]
struct SuppliedClock(AtomicU64);

impl Clock for SuppliedClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Ordering::Relaxed).into()
    }
}

impl RequestLimiter {
    /// Creates a limiter with its full quota available. No supplied time may lie before `origin`.
    pub(crate) fn new(per_minute: NonZeroU32, origin: Instant) -> Self {
        let limiter = RateLimiter::new(
            Quota::per_minute(per_minute),
            InMemoryState::default(),
            SuppliedClock::default(),
        );
        Self { origin, limiter }
    }

    /// Admits a request.
    ///
    /// # Errors
    /// Returns the time until a request will be admitted.
    pub(crate) fn try_acquire(&self, now: Instant) -> Result<(), Duration> {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        let clock = &self.limiter.clock().0;
        let latest = clock.fetch_max(nanos, Ordering::Relaxed).max(nanos);
        self.limiter.check().map_err(|refused| refused.wait_time_from(latest.into()))
    }
}

#[cfg(test)]
mod tests;
