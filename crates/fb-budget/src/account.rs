//! The account of one tenant or of one of its keys.

mod durability;
pub(crate) mod limited;
mod pending_commit;
pub(crate) mod state;
mod write_ahead;

use std::{iter, sync::Arc, time::Instant};

use fb_core::TargetId;

pub use self::pending_commit::{LedgerStalled, PendingCommit};
use self::{
    limited::{CallKind, LimitedAccount},
    state::AccountState,
};
use crate::{
    AccountStats, Allowances, Amount, LimitExceeded, Limits, Moment, Reservation, Standing, Warning,
};

/// The account of a tenant, or of one of its keys; a clone is a handle to the same account.
///
/// A call made with a key is reserved and billed in two accounts, that of the key and that of its tenant, and refused
/// if either lacks room.
///
/// Reserved and spent amounts are counted under one lock and checked before they are taken. At any time the sum of what
/// was spent in a day or month and what calls in flight have reserved is at most the limit, as long as no call costs
/// more than it reserved. A call that does exceeds the limit by at most the difference.
#[derive(Debug, Clone)]
pub struct Account {
    own: Arc<LimitedAccount>,
    /// The account of the tenant, if this one belongs to a key.
    tenant: Option<Arc<LimitedAccount>>,
}

impl Account {
    pub(crate) const fn new(own: Arc<LimitedAccount>, tenant: Option<Arc<LimitedAccount>>) -> Self {
        Self { own, tenant }
    }

    pub(crate) fn state(&self) -> &Arc<AccountState> {
        &self.own.state
    }

    /// Returns the name of the account: `TENANT`, or `TENANT/KEY`.
    pub fn name(&self) -> &Arc<str> {
        &self.own.state.name
    }

    /// Returns the limits of the tenant or key. A key inherits `tier`, `warn_at`, `regions`, `data_class` and `allowed`
    /// from its tenant.
    pub fn limits(&self) -> &Limits {
        &self.own.limits
    }

    /// Reserves for the first call of a request, and counts the request.
    ///
    /// A call without cost is never refused for money, and a call without tokens never for tokens. This takes one lock
    /// per account. With a ledger, wait for the [`pending_commit`](Self::pending_commit) before the call.
    ///
    /// # Errors
    /// Returns the limit that the call would exceed. Nothing is reserved then; but if the tenant's requests per minute
    /// refuse the request, it still counts against the requests per minute of the key.
    pub fn reserve(
        &self,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
    ) -> Result<Reservation, LimitExceeded> {
        self.hold(target, estimate, at, CallKind::First)
    }

    /// Reserves for a further call of a request that was already counted: a retry, a fallback, a hedge or a repair.
    /// Otherwise equal to [`reserve`](Self::reserve).
    ///
    /// # Errors
    /// Returns the limit that the call would exceed; nothing is reserved then.
    pub fn reserve_additional(
        &self,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
    ) -> Result<Reservation, LimitExceeded> {
        self.hold(target, estimate, at, CallKind::Additional)
    }

    /// Requests a commit if more is spent and reserved than the ledger has written ahead, and returns the wait for it.
    ///
    /// Only needed after those amounts have grown: after a reservation, and after a bill beyond its reservation.
    pub fn pending_commit(&self) -> Option<PendingCommit> {
        PendingCommit::request([Some(&self.own), self.tenant.as_ref()].map(|account| Some(&account?.state)))
    }

    fn hold(
        &self,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
        kind: CallKind,
    ) -> Result<Reservation, LimitExceeded> {
        // The key is always locked before its tenant, to prevent a deadlock.
        let mut own = self.own.state.lock(at);
        let mut tenant = self.tenant.as_ref().map(|tenant| (tenant, tenant.state.lock(at)));
        self.own.check(&mut own, estimate, at)?;
        if let Some((tenant, balances)) = &mut tenant {
            tenant.check(balances, estimate, at)?;
        }
        if kind == CallKind::First {
            // The request limiters consume as they check, so they come last. The key comes before its tenant, so that a
            // request refused by the key does not consume the tenant's requests.
            self.own.check_request(&mut own, at.now)?;
            if let Some((tenant, balances)) = &mut tenant {
                tenant.check_request(balances, at.now)?;
            }
        }
        let amounts = self.own.hold(&mut own, target, estimate, kind);
        let held = Reservation::new(Arc::clone(&self.own), amounts);
        Ok(match tenant {
            Some((tenant, mut balances)) => {
                let amounts = tenant.hold(&mut balances, target, estimate, kind);
                held.within(Reservation::new(Arc::clone(tenant), amounts))
            }
            None => held,
        })
    }

    /// Returns the pending warnings of the key and its tenant, and clears them.
    ///
    /// A limit warns once per day of UTC when it reaches `warn_at`, and once when it refuses a call.
    pub fn warnings(&self) -> Vec<Warning> {
        iter::once(&self.own).chain(&self.tenant).flat_map(|account| account.state.take_warnings()).collect()
    }

    /// Returns the standing towards the limits on tokens and money; for a key, the worse of its own and its tenant's.
    pub fn standing(&self, at: Moment) -> Standing {
        let own = self.own.standing(at);
        self.tenant.as_ref().map_or(own, |tenant| own.or_nearer(tenant.standing(at)))
    }

    /// Returns what is left of the limits per minute; for a key, that of which the smaller share is left, its own or its
    /// tenant's. Calls wait for no more than a copy of the counts.
    pub fn allowances(&self, now: Instant) -> Allowances {
        let own = self.own.allowances(now);
        self.tenant.as_ref().map_or(own, |tenant| own.or_stricter(tenant.allowances(now)))
    }

    /// Returns whether requests should take a cheaper route now.
    pub fn downshifts(&self, at: Moment) -> bool {
        self.standing(at).downshifts(self.own.limits.tier)
    }

    /// Returns the usage and the reserved amounts of the tenant or key.
    pub fn stats(&self, at: Moment) -> AccountStats {
        self.own.state.stats(at)
    }
}

#[cfg(test)]
mod tests;
