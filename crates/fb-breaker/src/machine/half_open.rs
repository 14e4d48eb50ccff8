use std::time::{Duration, Instant};

use crate::config::HalfOpenConfig;
use crate::state::{RejectReason, Rejected};
use crate::weight::Weight;

use super::FOREVER;

/// How many probes may end without a verdict, for each permit, before the breaker opens again: otherwise
/// callers that always give up early would keep it half-open for ever.
const ABANDONED_PER_PERMIT: u32 = 3;

/// What a half-open breaker counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HalfOpen {
    pub(super) slots: Vec<Lease>,
    pub(super) successes: u32,
    pub(super) failures: u32,
    /// Since the last verdict.
    pub(super) abandoned: u32,
}

/// The slot of one call, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) id: u64,
    pub(super) expires: Instant,
}

impl HalfOpen {
    pub(super) fn admit(&mut self, id: u64, config: &HalfOpenConfig, now: Instant) -> Result<(), Rejected> {
        let soonest = self.slots.iter().filter_map(|held| held.left(now)).min();
        match soonest {
            // A slot that frees early is not foreseen, a lease is: whoever waits must not spin.
            Some(retry_after) if self.slots.len() >= config.permits as usize => {
                Err(Rejected { retry_after, reason: RejectReason::HalfOpenFull })
            }
            Some(_) | None => {
                self.slots.push(Lease::new(id, config, now));
                Ok(())
            }
        }
    }

    /// Returns whether the slot was still held: its lease may have run out before.
    pub(super) fn release(&mut self, id: u64) -> bool {
        let held = self.slots.iter().position(|held| held.id == id);
        held.map(|index| self.slots.swap_remove(index)).is_some()
    }

    /// Frees the slots whose leases have run out and returns how many.
    pub(super) fn reclaim(&mut self, now: Instant) -> u32 {
        self.slots.extract_if(.., |held| held.left(now).is_none()).map(|_| 1).sum()
    }

    /// Returns whether it is time to close.
    pub(super) fn succeed(&mut self, config: &HalfOpenConfig) -> bool {
        self.abandoned = 0;
        self.successes += 1;
        self.successes >= config.successes
    }

    /// Returns whether it is time to open.
    pub(super) fn fail(&mut self, weight: Weight, config: &HalfOpenConfig) -> bool {
        if weight.probe {
            self.abandoned = 0;
            self.failures += 1;
        }
        self.failures >= config.failures
    }

    /// Returns whether it is time to open.
    pub(super) fn abandon(&mut self, probes: u32, config: &HalfOpenConfig) -> bool {
        self.abandoned = self.abandoned.saturating_add(probes);
        self.abandoned >= config.permits.saturating_mul(ABANDONED_PER_PERMIT)
    }

    /// Takes a success back that turned out to be this failure.
    pub(super) fn take_back(&mut self, weight: Weight) {
        self.successes = self.successes.saturating_sub(u32::from(weight.probe));
    }
}

impl Lease {
    pub(super) fn new(id: u64, config: &HalfOpenConfig, now: Instant) -> Self {
        Self { id, expires: now + config.lease.min(FOREVER) }
    }

    /// What is left of it, never zero.
    pub(super) fn left(self, now: Instant) -> Option<Duration> {
        let left = self.expires.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}
