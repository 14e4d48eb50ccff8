//! The policy for a ledger that does not commit, as on a disk that hangs.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// The treatment of calls while the ledger does not commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnStall {
    /// Calls continue under the limits as counted in memory.
    #[default]
    Serve,
    /// Calls that the disk does not cover are refused.
    Refuse,
}

/// A policy, and whether the ledger is stalled now.
#[derive(Debug)]
pub(crate) struct Stall {
    max_wait: Duration,
    policy: OnStall,
    stalled: AtomicBool,
}

impl Stall {
    pub(crate) const fn new(max_wait: Duration, policy: OnStall) -> Self {
        Self { max_wait, policy, stalled: AtomicBool::new(false) }
    }

    pub(crate) fn begin(&self) {
        self.stalled.store(true, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.stalled.store(false, Ordering::Release);
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire)
    }

    /// Returns the longest time to wait for a commit.
    pub(crate) fn max_wait(&self) -> Duration {
        if self.is_stalled() { Duration::ZERO } else { self.max_wait }
    }

    pub(crate) const fn policy(&self) -> OnStall {
        self.policy
    }
}
