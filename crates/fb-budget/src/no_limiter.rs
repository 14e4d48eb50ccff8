//! The limit on requests per minute in a build without the feature `rates`, in which [`Limits`](crate::Limits) with one are
//! refused. A limiter that is made all the same admits nothing.
#![expect(clippy::unused_self, reason = "the signatures are those of the limiter that admits requests")]

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use crate::Allowance;

#[derive(Debug)]
pub(crate) struct RequestLimiter {
    per_minute: NonZeroU32,
}

/// The time until a further attempt.
const MINUTE: Duration = Duration::from_secs(60);

impl RequestLimiter {
    pub(crate) const fn new(per_minute: NonZeroU32, _origin: Instant) -> Self {
        Self { per_minute }
    }

    pub(crate) const fn try_acquire(&self, _now: Instant) -> Result<(), Duration> {
        Err(MINUTE)
    }

    pub(crate) fn allowance(&self, _now: Instant) -> Allowance {
        Allowance { limit: self.per_minute.get().into(), remaining: 0, resets_in: MINUTE }
    }
}
