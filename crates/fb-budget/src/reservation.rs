//! Money and tokens held for one call.

use std::sync::Arc;

use fb_core::{Money, TargetId};

use crate::{Moment, Refused, Warning, account::Shared, minute::Counted};

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
/// [`note`](Self::note) said was used. Neither needs a clock: spend counts in the day and month of the latest moment
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
    warning: Option<Warning>,
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
        Self { account, target, held, counted, used: None, open: true, warning: None, of_tenant: None }
    }

    pub(crate) fn warning(mut self, warning: Option<Warning>) -> Self {
        self.warning = warning;
        self
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

    /// What is to be said since it was reserved, of the key and of the tenant.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        let of_tenant = self.of_tenant.as_ref().and_then(|of_tenant| of_tenant.warning.as_ref());
        self.warning.iter().chain(of_tenant)
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
        self.open = false;
        if let Some(of_tenant) = self.of_tenant.take() {
            of_tenant.settle(used);
        }
        self.account.settle(&self.target, self.held, self.counted, used);
    }

    /// Notes what the call has used so far. Dropped from here on, it bills the latest such amount: for a stream that is
    /// cut, or a call that lost a race after it was sent. With a ledger, what is billed so beyond what was held is on disk
    /// 100 ms later.
    pub fn note(&mut self, used: Amount) {
        self.used = Some(used);
        if let Some(of_tenant) = &mut self.of_tenant {
            of_tenant.note(used);
        }
    }

    /// Holds more, for an answer that grows longer than thought.
    ///
    /// All tokens held count a minute from `at` on. May wait for the ledger, as [`Account::begin`](crate::Account::begin).
    ///
    /// # Errors
    /// When a limit would be passed; what it holds stays as it was.
    pub fn extend(&mut self, more: Amount, at: Moment) -> Result<(), Refused> {
        if let Some(of_tenant) = &mut self.of_tenant {
            of_tenant.extend(more, at)?;
        }
        if let Err(refused) = self.account.extend(&mut self.counted, more, at) {
            if let Some(of_tenant) = &mut self.of_tenant {
                // A part of its own that is dropped goes back.
                drop(of_tenant.split(more, self.target.clone()));
            }
            return Err(refused);
        }
        self.held = self.held.plus(more);
        Ok(())
    }

    /// Moves a part of what it holds, at most all, to a reservation of its own, to be settled on its own: for another
    /// call of the same request.
    pub fn split(&mut self, part: Amount, target: TargetId) -> Self {
        let part = Amount { cost: part.cost.min(self.held.cost), tokens: part.tokens.min(self.held.tokens) };
        self.held = self.held.minus(part);
        self.account.split();
        let counted = self.counted.as_mut().map(|counted| counted.split(part.tokens));
        let of_tenant =
            self.of_tenant.as_mut().map(|of_tenant| Box::new(of_tenant.split(part, target.clone())));
        let mut split = Self::new(Arc::clone(&self.account), target, part, counted);
        split.of_tenant = of_tenant;
        split
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        match self.used {
            // Does not wait: a guard is dropped where nothing may block.
            Some(used) => drop(self.account.bill(&self.target, self.held, self.counted, used)),
            None => self.account.refund(self.held, self.counted),
        }
    }
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self { cost: self.cost + other.cost, tokens: self.tokens.saturating_add(other.tokens) }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            cost: Money::from_nanos(self.cost.nanos().saturating_sub(other.cost.nanos())),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }
}

#[cfg(test)]
mod tests;
