//! Usage statistics of an account.

use std::collections::BTreeMap;

use fb_core::{Money, TargetId};
use serde::Serialize;

use crate::Amount;

/// The maximum number of targets that are counted separately. It exceeds any realistic configuration, and bounds the
/// memory if callers invent model names.
pub(crate) const MAX_TARGETS: usize = 256;

/// The totals of a set of billed calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The cost in nano-dollars.
    pub nanos: u64,
    /// Input and output tokens.
    pub tokens: u64,
    /// The number of billed calls: settled, or dropped after they had recorded usage.
    pub calls: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, used: Amount) {
        self.nanos = self.nanos.saturating_add(used.cost.nanos());
        self.tokens = self.tokens.saturating_add(used.tokens);
        self.calls = self.calls.saturating_add(1);
    }

    /// Returns the cost.
    pub const fn cost(&self) -> Money {
        Money::from_nanos(self.nanos)
    }
}

/// The usage of one account since the start of the process, and its reserved amounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccountStats {
    /// The totals of all calls since the start.
    pub used: Tally,
    /// Requests admitted since the start.
    pub requests: u64,
    /// Calls and requests refused since the start.
    pub refused: u64,
    /// Nano-dollars spent in the current day of UTC, including spend from before a restart.
    pub day_nanos: u64,
    /// Nano-dollars spent in the current month of UTC, including spend from before a restart.
    pub month_nanos: u64,
    /// Nano-dollars ever spent, as far back as the ledger reaches.
    pub total_nanos: u64,
    /// Nano-dollars reserved by calls in flight.
    pub reserved_nanos: u64,
    /// Calls in flight.
    pub in_flight: u64,
    /// Tokens of the last minute, including those reserved by calls in flight.
    pub minute_tokens: u64,
    /// The totals by target, as `PROVIDER/MODEL`. Targets beyond the 256th are summed under `other`.
    pub targets: BTreeMap<String, Tally>,
}

/// The totals by target, for a bounded number of targets.
#[derive(Debug, Default)]
pub(crate) struct TargetTallies {
    /// The position of each target's tally.
    known: BTreeMap<TargetId, usize>,
    tallies: Vec<Tally>,
    other: Tally,
}

/// The tally of a target in its account, so that a reservation refers to it without a copy of the name. `None` is the
/// common one of all targets beyond the limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetSlot(Option<usize>);

impl TargetTallies {
    pub(crate) fn slot(&mut self, target: &TargetId) -> TargetSlot {
        let known = self.known.get(target).copied();
        TargetSlot(known.or_else(|| {
            let new = self.tallies.len();
            (new < MAX_TARGETS).then(|| {
                self.known.insert(target.clone(), new);
                self.tallies.push(Tally::default());
                new
            })
        }))
    }

    pub(crate) fn add(&mut self, TargetSlot(slot): TargetSlot, used: Amount) {
        slot.and_then(|slot| self.tallies.get_mut(slot)).unwrap_or(&mut self.other).add(used);
    }

    /// Returns the totals of the targets with billed calls.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Tally> {
        let known = self.known.iter().map(|(target, slot)| (target.to_string(), self.tallies[*slot]));
        let all = known.chain([("other".to_owned(), self.other)]);
        all.filter(|(_, tally)| tally.calls > 0).collect()
    }
}
