use std::time::Instant;

use crate::config::HalfOpenConfig;
use crate::state::{RejectReason, Rejected};
use crate::weight::Weight;

use super::lease::Lease;

/// Number of probes per permit that may be abandoned in a row before the breaker reopens. Without a limit, callers that
/// always give up early would keep the breaker half-open forever.
const ABANDONED_PER_PERMIT: u32 = 3;

/// The counts of a half-open breaker.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HalfOpen {
    pub(super) slots: Vec<Lease>,
    pub(super) successes: u32,
    pub(super) failures: u32,
    /// Successful probes that were slow.
    pub(super) slow: u32,
    /// Probes abandoned since the last verdict.
    pub(super) abandoned: u32,
    /// `true` if a successful probe has ended; the others may still fail.
    pub(super) confirmed: bool,
}

impl HalfOpen {
    pub(super) fn admit(&mut self, id: u64, config: &HalfOpenConfig, now: Instant) -> Result<(), Rejected> {
        let soonest = self.slots.iter().filter_map(|lease| lease.remaining(now)).min();
        match soonest {
            // A probe may settle before its lease expires, but only the lease gives callers a time to wait for.
            Some(retry_after) if self.slots.len() >= config.permits as usize => {
                Err(Rejected { retry_after, reason: RejectReason::HalfOpenFull })
            }
            Some(_) | None => {
                self.slots.push(Lease::new(id, config, now));
                Ok(())
            }
        }
    }

    /// Frees a slot. Returns `false` if its lease had expired and the slot was reclaimed before.
    pub(super) fn release(&mut self, id: u64) -> bool {
        let slot = self.slots.iter().position(|lease| lease.id == id);
        slot.map(|index| self.slots.swap_remove(index)).is_some()
    }

    /// Frees the slots with expired leases and returns their number.
    pub(super) fn reclaim(&mut self, now: Instant) -> u32 {
        self.slots.extract_if(.., |lease| lease.remaining(now).is_none()).map(|_| 1).sum()
    }

    /// Records a successful probe. Returns `true` if the breaker has to close.
    pub(super) fn record_success(&mut self, provisional: bool, config: &HalfOpenConfig) -> bool {
        self.abandoned = 0;
        self.successes += 1;
        self.confirmed |= !provisional;
        self.successes >= config.successes
    }

    /// Records a successful probe that was slow. Returns `true` if the breaker has to open, so that a target that is always
    /// slow does not keep it half-open.
    pub(super) fn record_slow(&mut self, config: &HalfOpenConfig) -> bool {
        self.abandoned = 0;
        self.slow += 1;
        self.slow >= config.successes
    }

    /// Records a failed probe. Returns `true` if the breaker has to open.
    pub(super) fn record_failure(&mut self, weight: Weight, config: &HalfOpenConfig) -> bool {
        if weight.probe {
            self.abandoned = 0;
            self.failures += 1;
        }
        self.failures >= config.failures
    }

    /// Records abandoned probes. Returns `true` if the breaker has to open.
    pub(super) fn record_abandoned(&mut self, probes: u32, config: &HalfOpenConfig) -> bool {
        self.abandoned = self.abandoned.saturating_add(probes);
        self.abandoned >= config.permits.saturating_mul(ABANDONED_PER_PERMIT)
    }

    /// Revokes a success that turned out to be this failure.
    pub(super) fn revoke_success(&mut self, weight: Weight) {
        self.successes = self.successes.saturating_sub(u32::from(weight.probe));
    }
}
