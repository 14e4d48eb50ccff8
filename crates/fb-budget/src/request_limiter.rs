//! The limit on requests per minute.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, StateStore},
};

use crate::Allowance;

/// A rate limiter that takes the time as an argument.
#[derive(Debug)]
pub(crate) struct RequestLimiter {
    origin: Instant,
    quota: Quota,
    state: SharedState,
    limiter: RateLimiter<NotKeyed, SharedState, SuppliedClock, NoOpMiddleware<Nanos>>,
}

/// The state of the limiter, which is read without a request too.
#[derive(Debug, Clone, Default)]
struct SharedState(Arc<InMemoryState>);

impl StateStore for SharedState {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, key: &NotKeyed, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, measure)
    }
}

impl SharedState {
    /// Returns the time at which all requests will be available again, in nanoseconds since the origin.
    fn full_at(&self) -> u64 {
        let read = |full_at: Option<Nanos>| Err::<((), Nanos), _>(full_at);
        self.measure_and_replace(&NotKeyed::NonKey, read).err().flatten().map_or(0, Nanos::as_u64)
    }
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
        let (quota, state) = (Quota::per_minute(per_minute), SharedState::default());
        let limiter = RateLimiter::new(quota, state.clone(), SuppliedClock::default());
        Self { origin, quota, state, limiter }
    }

    /// Admits a request.
    ///
    /// # Errors
    /// Returns the time until a request will be admitted.
    pub(crate) fn try_acquire(&self, now: Instant) -> Result<(), Duration> {
        let latest = self.advance(now);
        self.limiter.check().map_err(|refused| refused.wait_time_from(latest.into()))
    }

    /// Returns what is left at `now`.
    pub(crate) fn allowance(&self, now: Instant) -> Allowance {
        let until_full = self.state.full_at().saturating_sub(self.advance(now));
        let interval = u64::try_from(self.quota.replenish_interval().as_nanos()).unwrap_or(u64::MAX);
        let limit = u64::from(self.quota.burst_size().get());
        Allowance {
            limit,
            remaining: limit.saturating_sub(until_full.div_ceil(interval)),
            resets_in: Duration::from_nanos(until_full),
        }
    }

    /// Moves the clock to `now` and returns its time in nanoseconds since the origin.
    fn advance(&self, now: Instant) -> u64 {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.limiter.clock().0.fetch_max(nanos, Ordering::Relaxed).max(nanos)
    }
}

#[cfg(test)]
mod tests;
