//! What a tenant used.

use std::collections::BTreeMap;

use fb_core::{Money, TargetId};
use serde::Serialize;

use crate::Amount;

/// Targets that are counted apart from each other: more than a config has, so that names made up by callers cannot
/// grow it.
pub(crate) const MOST_TARGETS: usize = 256;

/// What calls used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Nano-dollars.
    pub nanos: u64,
    /// Tokens, input and output.
    pub tokens: u64,
    /// Calls that were billed: settled, or dropped after they had used something.
    pub calls: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, used: Amount) {
        self.nanos = self.nanos.saturating_add(used.cost.nanos());
        self.tokens = self.tokens.saturating_add(used.tokens);
        self.calls = self.calls.saturating_add(1);
    }

    /// The money.
    pub const fn cost(&self) -> Money {
        Money::from_nanos(self.nanos)
    }
}

/// What one tenant used since the start, and what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountStats {
    /// All calls since the start of the process.
    pub used: Tally,
    /// Requests that were let pass since then.
    pub requests: u64,
    /// Calls and requests that were refused since then.
    pub refused: u64,
    /// Nano-dollars spent in the current day of UTC, those from before a restart included.
    pub day_nanos: u64,
    /// Nano-dollars spent in the current month of UTC, those from before a restart included.
    pub month_nanos: u64,
    /// Nano-dollars ever spent, as far back as the ledger knows.
    pub total_nanos: u64,
    /// Nano-dollars held by calls in flight.
    pub reserved_nanos: u64,
    /// Calls in flight.
    pub in_flight: u64,
    /// Tokens of the last minute, those of calls in flight included.
    pub minute_tokens: u64,
    /// By target, as `PROVIDER/MODEL`. Of the targets beyond the 256th the sum is under `other`.
    pub targets: BTreeMap<String, Tally>,
}

/// Calls by target, so many targets at most.
#[derive(Debug, Default)]
pub(crate) struct ByTarget {
    known: BTreeMap<TargetId, Tally>,
    other: Option<Tally>,
}

impl ByTarget {
    pub(crate) fn add(&mut self, target: &TargetId, used: Amount) {
        if let Some(tally) = self.known.get_mut(target) {
            tally.add(used);
        } else if self.known.len() < MOST_TARGETS {
            self.known.entry(target.clone()).or_default().add(used);
        } else {
            self.other.get_or_insert_default().add(used);
        }
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<String, Tally> {
        let known = self.known.iter().map(|(target, tally)| (target.to_string(), *tally));
        known.chain(self.other.map(|tally| ("other".to_owned(), tally))).collect()
    }
}
