//! Money and tokens held for one call.

use std::sync::Arc;

use fb_core::{Money, TargetId};

use crate::{account::Shared, minute::Counted};

/// What a call costs, or may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// The money.
    pub cost: Money,
    /// Tokens, input and output.
    pub tokens: u64,
}

/// What one call holds of its tenant's limits.
///
/// Settled once, by [`settle`](Self::settle). Dropped unsettled, all of it goes back, but for what
/// [`record_usage`](Self::record_usage) said was used. Neither needs a clock: spend counts in the day and month of the latest moment
/// that the tenant's account heard of.
#[derive(Debug)]
#[must_use = "dropped, it gives back what it holds"]
pub struct Reservation {
    account: Arc<Shared>,
    target: TargetId,
    held: Amount,
    counted: Option<Counted>,
    used: Option<Amount>,
    open: bool,
    /// The same in the account of the tenant, if this one is a key's.
    of_tenant: Option<Box<Self>>,
}

impl Reservation {
    pub(crate) const fn new(
        account: Arc<Shared>,
        target: TargetId,
        held: Amount,
        counted: Option<Counted>,
    ) -> Self {
        Self { account, target, held, counted, used: None, open: true, of_tenant: None }
    }

    /// Joins what a key holds with what its tenant does: from here on both end as one.
    pub(crate) fn within(mut self, of_tenant: Self) -> Self {
        self.of_tenant = Some(Box::new(of_tenant));
        self
    }

    /// The target it is for.
    pub const fn target(&self) -> &TargetId {
        &self.target
    }

    /// What it holds.
    pub const fn held(&self) -> Amount {
        self.held
    }

    /// Bills what the call used, more or less than was held, and gives back the rest.
    ///
    /// With a ledger, returns when a kill of the process would not forget it; that is at once, unless the call used
    /// more than it held and what the ledger had written ahead.
    pub fn settle(mut self, used: Amount) {
        self.bill(used);
        if let Some(of_tenant) = &mut self.of_tenant {
            of_tenant.bill(used);
        }
        #[cfg(feature = "ledger")]
        if used.cost > self.held.cost {
            let of_tenant = self.of_tenant.as_ref().map(|of_tenant| &*of_tenant.account);
            Shared::cover([Some(&*self.account), of_tenant]);
        }
    }

    /// Ends it. Does not wait for the ledger.
    fn bill(&mut self, used: Amount) {
        self.open = false;
        self.account.bill(&self.target, self.held, self.counted, used);
    }

    /// Notes what the call has used so far. Dropped from here on, it bills the latest such amount: for a stream that is
    /// cut, or a call that lost a race after it was sent. With a ledger, what is billed so beyond what was held is on disk
    /// 100 ms later.
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
            // A guard is dropped where nothing may block.
            Some(used) => self.bill(used),
            None => self.account.refund(self.held, self.counted),
        }
    }
}

#[cfg(test)]
mod tests;
