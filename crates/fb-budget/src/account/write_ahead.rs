//! The write-ahead state of one account: the spend that the ledger on disk already covers.

use std::{sync::Arc, task::Waker};

use crate::ledger::{signal::Signal, stall::Stall};

/// The connection of an account to its ledger.
#[derive(Debug)]
pub(super) struct WriteAhead {
    pub(super) signal: Arc<Signal>,
    pub(super) stall: Arc<Stall>,
    /// Nano-dollars written ahead of what is spent and reserved.
    pub(super) quantum: u64,
}

/// The part of an account's spend that the disk covers.
#[derive(Debug)]
pub(super) struct Coverage {
    /// The total, in nano-dollars, that a restart after a kill would read from disk. The largest value without a
    /// ledger, or while the ledger fails, so that calls continue then.
    pub(super) ceiling: u128,
    /// Set if an amount was spent or released since the last snapshot.
    pub(super) changed: bool,
    /// Set if a commit was requested since the last snapshot because little is left below the ceiling.
    pub(super) low: bool,
    /// Woken when the ceiling changes.
    pub(super) waiting: Vec<Waker>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { ceiling: u128::MAX, changed: false, low: false, waiting: Vec::new() }
    }
}
