//! The accounts of all tenants.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use fb_core::TargetId;

use crate::{
    Account, Amount, InvalidConfig, Limits, Moment, Refused, Reservation, Standing, Statistics,
    account::Shared,
};

/// Who is meant when a tenant has no name, or one that is not configured.
const DEFAULT: &str = "default";

/// The accounts of all tenants.
///
/// Its tenants are those of the config and `default`, which every other name stands for, so that its memory is bounded
/// whatever names come. Without a section of its own `default` has no limits. Accounts share nothing.
#[derive(Debug)]
pub struct Book {
    accounts: BTreeMap<Arc<str>, Account>,
    default: Account,
}

impl Book {
    /// A book in memory, in which nothing is spent. `now` is the earliest moment it will hear of.
    ///
    /// # Errors
    /// Names the first setting that no budget could work with.
    pub fn new(tenants: &BTreeMap<String, Limits>, now: Instant) -> Result<Self, InvalidConfig> {
        let shared = shared(tenants, now)?;
        Ok(Self::of(shared.into_iter().map(Arc::new).collect()))
    }

    fn of(shared: Vec<Arc<Shared>>) -> Self {
        let accounts: BTreeMap<_, _> =
            shared.into_iter().map(|shared| (Arc::clone(&shared.name), Account::new(shared))).collect();
        let default = accounts[DEFAULT].clone();
        Self { accounts, default }
    }

    /// The account of a tenant, or that of `default`. To be asked once per request.
    pub fn account(&self, tenant: &str) -> &Account {
        self.accounts.get(tenant).unwrap_or(&self.default)
    }

    /// [`Account::begin`] of the tenant.
    ///
    /// # Errors
    /// When a limit of the tenant would be passed; nothing is taken then.
    pub fn reserve(
        &self,
        tenant: &str,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
    ) -> Result<Reservation, Refused> {
        self.account(tenant).begin(target, estimate, at)
    }

    /// [`Account::standing`] of the tenant.
    pub fn standing(&self, tenant: &str, at: Moment) -> Standing {
        self.account(tenant).standing(at)
    }

    /// What each tenant used, by name.
    pub fn statistics(&self, at: Moment) -> BTreeMap<Arc<str>, Statistics> {
        let of = |(name, account): (&Arc<str>, &Account)| (Arc::clone(name), account.statistics(at));
        self.accounts.iter().map(of).collect()
    }
}

fn shared(tenants: &BTreeMap<String, Limits>, now: Instant) -> Result<Vec<Shared>, InvalidConfig> {
    let mut shared = Vec::new();
    for (name, limits) in tenants {
        limits.validate(name)?;
        shared.push(Shared::new(name, limits, now));
    }
    if !tenants.contains_key(DEFAULT) {
        shared.push(Shared::new(DEFAULT, &Limits::default(), now));
    }
    Ok(shared)
}

#[cfg(test)]
mod tests;
