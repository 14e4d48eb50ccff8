//! The accounts of all tenants and their keys.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use fb_core::TargetId;
#[cfg(feature = "ledger")]
use thiserror::Error;

use crate::{
    Account, AccountStats, Amount, InvalidConfig, LimitExceeded, Limits, Moment, Reservation, account::Shared,
};
#[cfg(feature = "ledger")]
use crate::{LedgerConfig, LedgerError, ledger::Ledger};

/// Who is meant when a tenant has no name, or one that is not configured.
const DEFAULT: &str = "default";

/// The accounts of all tenants and their keys.
///
/// Its tenants are those of the config and `default`, which every other name stands for, so that its memory is bounded
/// whatever names come. Without a section of its own `default` has no limits. Accounts of tenants
/// share nothing; what a key uses counts to its tenant as well. A key's account is called `TENANT/KEY`.
#[derive(Debug)]
pub struct Book {
    accounts: BTreeMap<Arc<str>, Account>,
    /// By tenant, then by the key's own name.
    keys: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Account>>,
    default: Account,
    #[cfg(feature = "ledger")]
    ledger: Option<Ledger>,
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
        let (of_keys, of_tenants): (Vec<_>, Vec<_>) =
            shared.into_iter().partition(|shared| shared.name.contains('/'));
        let of_tenants: BTreeMap<Arc<str>, Arc<Shared>> =
            of_tenants.into_iter().map(|shared| (Arc::clone(&shared.name), shared)).collect();
        let mut keys: BTreeMap<Arc<str>, BTreeMap<_, _>> = BTreeMap::new();
        for own in of_keys {
            let name = own.name.split_once('/').map(|(tenant, key)| (Arc::from(tenant), Arc::from(key)));
            let Some((tenant, key)) = name else { continue };
            let account = Account::new(own, of_tenants.get(&tenant).cloned());
            keys.entry(tenant).or_default().insert(key, account);
        }
        let account = |(name, own): (_, _)| (name, Account::new(own, None));
        let accounts: BTreeMap<_, _> = of_tenants.into_iter().map(account).collect();
        let default = accounts[DEFAULT].clone();
        Self {
            accounts,
            keys,
            default,
            #[cfg(feature = "ledger")]
            ledger: None,
        }
    }

    /// A book that goes on where the file ended, and keeps its spend there: see [`LedgerConfig`].
    ///
    /// Starts one thread, which ends with the book. Reservations that outlive the book are not written any more; what they
    /// held when it ended counts as spent at the next start.
    ///
    /// # Errors
    /// When a setting cannot work, or the file cannot be used: it is locked, damaged, from a newer version, or not
    /// readable or writable.
    #[cfg(feature = "ledger")]
    pub fn open(
        tenants: &BTreeMap<String, Limits>,
        ledger: &LedgerConfig,
        at: Moment,
    ) -> Result<Self, OpenError> {
        let quantum = ledger.quantum()?;
        let shared = shared(tenants, at.now)?;
        let (ledger, shared) = Ledger::open(&ledger.path, quantum, at.wall, shared)?;
        Ok(Self { ledger: Some(ledger), ..Self::of(shared) })
    }

    /// Why the last commit of the ledger failed, until one succeeds; `None` without a ledger. While it fails, calls go
    /// on, held to the limits by what is in memory, and a commit is tried every 100 ms.
    #[cfg(feature = "ledger")]
    pub fn ledger_failure(&self) -> Option<Arc<LedgerError>> {
        self.ledger.as_ref().and_then(Ledger::failure)
    }

    /// Writes all that is not yet in the ledger and closes it, as dropping the book does.
    ///
    /// # Errors
    /// When the last commit failed.
    #[cfg(feature = "ledger")]
    pub fn close(mut self) -> Result<(), Arc<LedgerError>> {
        if let Some(ledger) = &mut self.ledger {
            ledger.close();
        }
        self.ledger_failure().map_or(Ok(()), Err)
    }

    /// The account of a tenant, or that of `default`. To be asked once per request.
    pub fn account(&self, tenant: &str) -> &Account {
        self.accounts.get(tenant).unwrap_or(&self.default)
    }

    /// The account of one of a tenant's keys, or that of the tenant where it has no such key.
    pub fn key_account(&self, tenant: &str, key: &str) -> &Account {
        let account = self.keys.get(tenant).and_then(|keys| keys.get(key));
        account.unwrap_or_else(|| self.account(tenant))
    }

    /// [`Account::reserve`] of the tenant.
    ///
    /// # Errors
    /// When a limit of the tenant would be passed; nothing is taken then.
    pub fn reserve(
        &self,
        tenant: &str,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
    ) -> Result<Reservation, LimitExceeded> {
        self.account(tenant).reserve(target, estimate, at)
    }

    /// The accounts of all tenants, then those of their keys.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().chain(self.keys.values().flat_map(BTreeMap::values))
    }

    /// What each tenant and each of their keys used, by name.
    pub fn stats(&self, at: Moment) -> BTreeMap<Arc<str>, AccountStats> {
        self.accounts().map(|account| (Arc::clone(account.name()), account.stats(at))).collect()
    }
}

fn shared(tenants: &BTreeMap<String, Limits>, now: Instant) -> Result<Vec<Shared>, InvalidConfig> {
    let mut shared = Vec::new();
    for (name, limits) in tenants {
        limits.validate(name)?;
        shared.push(Shared::new(name, limits, now));
        for key in limits.keys.keys() {
            shared.push(Shared::new(&self::name(name, key), &limits.of_key(key), now));
        }
    }
    if !tenants.contains_key(DEFAULT) {
        shared.push(Shared::new(DEFAULT, &Limits::default(), now));
    }
    Ok(shared)
}

fn name(tenant: &str, key: &str) -> String {
    format!("{tenant}/{key}")
}

/// Why a book cannot be opened.
#[cfg(feature = "ledger")]
#[derive(Debug, Error)]
#[error(transparent)]
pub enum OpenError {
    /// A setting cannot work.
    Config(#[from] InvalidConfig),
    /// The file cannot be used.
    Ledger(#[from] LedgerError),
}

#[cfg(test)]
mod tests;
