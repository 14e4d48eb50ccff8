//! The wait for a commit of the ledger.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::state::AccountState;
use crate::ledger::{OnStall, stall::Stall};

/// A commit that an account waits for: what is spent and reserved exceeds what the ledger has written ahead.
///
/// It was requested already. As a future it is ready once the amount survives a kill of the process, or once the ledger
/// was closed or failed. On a disk that hangs that is never, so bound the wait by [`max_wait`](Self::max_wait) and call
/// [`stall`](Self::stall) at its end.
#[derive(Debug)]
#[must_use = "the amount is not on disk until the commit"]
pub struct PendingCommit {
    /// Of the key and the tenant, each with the amount to cover.
    accounts: Vec<(Arc<AccountState>, u128)>,
}

/// The refusal of a call that the ledger on disk does not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerStalled;

impl PendingCommit {
    /// Requests a commit of the accounts that the disk does not cover; `None` if there are none, or if the ledger is
    /// stalled and calls continue without it.
    pub(super) fn request(accounts: [Option<&Arc<AccountState>>; 2]) -> Option<Self> {
        // All commits are requested before the first wait, so that one commit serves all accounts.
        let needed = |account: &Arc<AccountState>| Some((Arc::clone(account), account.request_coverage()?));
        let accounts: Vec<_> = accounts.into_iter().flatten().filter_map(needed).collect();
        let pending = Self { accounts };
        let stall = pending.policy()?;
        (!(stall.is_stalled() && stall.policy() == OnStall::Serve)).then_some(pending)
    }

    fn policy(&self) -> Option<&Stall> {
        self.accounts.first()?.0.stall()
    }

    /// Returns the longest time to wait; zero while the ledger is stalled.
    pub fn max_wait(&self) -> Duration {
        self.policy().map_or(Duration::ZERO, Stall::max_wait)
    }

    fn is_covered(&self) -> bool {
        self.accounts.iter().all(|(account, needed)| account.is_covered(*needed))
    }

    /// Records that the wait was in vain, unless the commit has ended meanwhile: until the next commit, no call waits.
    ///
    /// # Errors
    /// If such calls are refused by `on_stall`.
    pub fn stall(self) -> Result<(), LedgerStalled> {
        let Some(stall) = self.policy() else { return Ok(()) };
        if self.is_covered() {
            return Ok(());
        }
        stall.begin();
        // A commit that ended in between may have been the last for a long time, and ends no later stall.
        if self.is_covered() {
            stall.end();
            return Ok(());
        }
        match stall.policy() {
            OnStall::Serve => Ok(()),
            OnStall::Refuse => Err(LedgerStalled),
        }
    }
}

impl Future for PendingCommit {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut is_covered =
            |(account, needed): &(Arc<AccountState>, u128)| account.poll_covered(*needed, cx);
        if self.accounts.iter().all(&mut is_covered) { Poll::Ready(()) } else { Poll::Pending }
    }
}
