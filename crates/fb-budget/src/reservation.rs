//! Money and tokens reserved for one call.

use std::iter;
use std::sync::Arc;

use crate::{Amount, account::limited::LimitedAccount, held::Held};

/// The part of its tenant's limits that one call has reserved.
///
/// [`settle`](Self::settle) ends the reservation with a bill. Dropping it unsettled releases everything except the
/// usage recorded by [`record_usage`](Self::record_usage). Neither needs a clock: spend counts in the day and month of
/// the latest moment that was passed to the tenant's account.
#[derive(Debug)]
#[must_use = "dropping it releases the reserved amount"]
pub struct Reservation {
    account: Arc<LimitedAccount>,
    held: Held,
    used: Option<Amount>,
    open: bool,
    /// The reservation in the account of the tenant, if this one is in the account of a key.
    of_tenant: Option<Box<Self>>,
}

impl Reservation {
    pub(crate) const fn new(account: Arc<LimitedAccount>, held: Held) -> Self {
        Self { account, held, used: None, open: true, of_tenant: None }
    }

    /// Joins the reservation of a key with that of its tenant, so that both end together.
    pub(crate) fn within(mut self, of_tenant: Self) -> Self {
        self.of_tenant = Some(Box::new(of_tenant));
        self
    }

    /// Returns the reserved amount.
    pub const fn held(&self) -> Amount {
        self.held.amount
    }

    /// Bills the used amount, which may be more or less than the reserved one, and releases the rest.
    ///
    /// With a ledger, a bill beyond the reservation and beyond what the ledger has written ahead survives a kill of the
    /// process only after the account's [`pending_commit`](crate::Account::pending_commit), which is requested here.
    pub fn settle(mut self, used: Amount) {
        self.bill(used);
        if let Some(of_tenant) = &mut self.of_tenant {
            of_tenant.bill(used);
        }
        if used.cost > self.held.amount.cost {
            for account in
                iter::once(&self.account).chain(self.of_tenant.iter().map(|tenant| &tenant.account))
            {
                let _uncovered = account.state.request_coverage();
            }
        }
    }

    /// Ends the reservation with a bill, without waiting for the ledger.
    fn bill(&mut self, used: Amount) {
        self.open = false;
        self.account.bill(self.held, used);
    }

    /// Records the amount that the call has used so far, replacing any earlier record.
    ///
    /// If the reservation is dropped later, the last recorded amount is billed: for a stream that is cut, or a call
    /// that lost a race after it was sent. With a ledger, a bill beyond the reserved amount is then on disk within 100
    /// ms.
    pub fn record_usage(&mut self, used: Amount) {
        self.used = Some(used);
        if let Some(of_tenant) = &mut self.of_tenant {
            of_tenant.record_usage(used);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        match self.used {
            // Drop must not block, so this does not wait for the ledger.
            Some(used) => self.bill(used),
            None => self.account.state.refund(self.held),
        }
    }
}

#[cfg(test)]
mod tests;
