use std::time::{Duration, Instant};

use crate::config::HalfOpenConfig;

/// A century. Durations added to the current time are limited to it so that no sum overflows.
pub(super) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The slot of one call, limited in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) id: u64,
    expires: Instant,
}

impl Lease {
    pub(super) fn new(id: u64, config: &HalfOpenConfig, now: Instant) -> Self {
        Self { id, expires: now + config.lease.min(FOREVER) }
    }

    /// Returns the remaining time, never zero; `None` once the lease has expired.
    pub(super) fn remaining(self, now: Instant) -> Option<Duration> {
        let remaining = self.expires.saturating_duration_since(now);
        (!remaining.is_zero()).then_some(remaining)
    }
}
