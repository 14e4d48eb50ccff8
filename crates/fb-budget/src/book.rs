//! The book: the accounts of all tenants and their keys.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use fb_core::{InvalidConfig, TargetId};
#[cfg(feature = "ledger")]
use thiserror::Error;

use crate::{
    Account, AccountStats, Amount, LimitExceeded, Limits, Moment, Reservation, account::state::AccountState,
};
#[cfg(feature = "ledger")]
use crate::{
    LedgerConfig, LedgerError,
    ledger::{Ledger, stall::Stall},
};

/// The tenant of requests without a tenant name, or with one that is not configured.
const DEFAULT: &str = "default";

/// The accounts of all tenants and their keys.
///
/// The tenants are those of the configuration plus `default`, which stands for all other names; this bounds the memory
/// for arbitrary names. Without a section of its own, `default` has no limits. Accounts of different tenants are
/// independent; the usage of a key also counts against its tenant. The account of a key is named `TENANT/KEY`.
///
/// # Examples
///
/// ```
/// use std::{collections::BTreeMap, time::{Instant, SystemTime}};
///
/// use fb_budget::{Amount, Book, Limit, Limits, Moment};
/// use fb_core::{Money, TargetId};
///
/// let at = Moment { now: Instant::now(), wall: SystemTime::now() };
/// let limits = Limits { usd_per_day: Some(0.05), ..Limits::default() };
/// let book = Book::new(&BTreeMap::from([("acme".to_owned(), limits)]), at.now)?;
///
/// let target: TargetId = "openai/gpt".parse()?;
/// let estimate = Amount { cost: Money::from_nanos(40_000_000), tokens: 3_000 };
/// let reservation = book.reserve("acme", &target, estimate, at)?;
/// reservation.settle(Amount { cost: Money::from_nanos(30_000_000), tokens: 2_500 });
///
/// let refused = book.reserve("acme", &target, estimate, at).unwrap_err();
/// assert_eq!(refused.limit, Limit::UsdPerDay);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Book {
    accounts: BTreeMap<Arc<str>, Account>,
    /// The accounts of keys, by tenant and then by key name.
    keys: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Account>>,
    default: Account,
    #[cfg(feature = "ledger")]
    ledger: Option<Ledger>,
}

impl Book {
    /// Creates a book in memory without any spend. No later moment may lie before `now`.
    ///
    /// # Errors
    /// Returns the first invalid setting.
    pub fn new(tenants: &BTreeMap<String, Limits>, now: Instant) -> Result<Self, InvalidConfig> {
        let states = account_states(tenants, now)?;
        Ok(Self::from_states(states.into_iter().map(Arc::new).collect()))
    }

    fn from_states(states: Vec<Arc<AccountState>>) -> Self {
        let (key_states, tenant_states): (Vec<_>, Vec<_>) =
            states.into_iter().partition(|state| state.name.contains('/'));
        let tenant_states: BTreeMap<Arc<str>, Arc<AccountState>> =
            tenant_states.into_iter().map(|state| (Arc::clone(&state.name), state)).collect();
        let mut keys: BTreeMap<Arc<str>, BTreeMap<_, _>> = BTreeMap::new();
        for own in key_states {
            let name = own.name.split_once('/').map(|(tenant, key)| (Arc::from(tenant), Arc::from(key)));
            let Some((tenant, key)) = name else { continue };
            let account = Account::new(own, tenant_states.get(&tenant).cloned());
            keys.entry(tenant).or_default().insert(key, account);
        }
        let account = |(name, own): (_, _)| (name, Account::new(own, None));
        let accounts: BTreeMap<_, _> = tenant_states.into_iter().map(account).collect();
        let default = accounts[DEFAULT].clone();
        Self {
            accounts,
            keys,
            default,
            #[cfg(feature = "ledger")]
            ledger: None,
        }
    }

    /// Opens a book that continues from the ledger file and keeps its spend there; see [`LedgerConfig`].
    ///
    /// Starts one thread, which ends with the book. Reservations that outlive the book are not written any more; the
    /// amounts that they hold when the book is closed count as spent at the next start.
    ///
    /// # Errors
    /// Returns an invalid setting, or the reason why the file cannot be used: it is locked, damaged, from a newer
    /// version, or not readable or writable.
    #[cfg(feature = "ledger")]
    pub fn open(
        tenants: &BTreeMap<String, Limits>,
        ledger: &LedgerConfig,
        at: Moment,
    ) -> Result<Self, OpenError> {
        ledger.validate()?;
        let quantum = ledger.quantum()?;
        let states = account_states(tenants, at.now)?;
        let stall = Stall::new(ledger.max_wait, ledger.on_stall);
        let (ledger, states) = Ledger::open(&ledger.path, quantum, stall, at.wall, states)?;
        Ok(Self { ledger: Some(ledger), ..Self::from_states(states) })
    }

    /// Returns the error of the last commit of the ledger, until one succeeds; `None` without a ledger.
    ///
    /// While commits fail, calls continue under the limits as counted in memory, and a commit is retried every 100 ms.
    #[cfg(feature = "ledger")]
    pub fn ledger_failure(&self) -> Option<Arc<LedgerError>> {
        self.ledger.as_ref().and_then(Ledger::failure)
    }

    /// Holds the commits of the ledger back until the guard is dropped, as a disk that hangs; `None` without a ledger.
    #[cfg(feature = "test-util")]
    pub fn hold_commits(&self) -> Option<impl Drop + '_> {
        self.ledger.as_ref().map(Ledger::hold_commits)
    }

    /// Commits all pending changes and closes the ledger, as dropping the book does.
    ///
    /// # Errors
    /// Returns the error of the last commit.
    #[cfg(feature = "ledger")]
    pub fn close(mut self) -> Result<(), Arc<LedgerError>> {
        if let Some(ledger) = &mut self.ledger {
            ledger.close();
        }
        self.ledger_failure().map_or(Ok(()), Err)
    }

    /// Returns the account of a tenant, or that of `default` for an unknown name.
    pub fn account(&self, tenant: &str) -> &Account {
        self.accounts.get(tenant).unwrap_or(&self.default)
    }

    /// Returns the account of a tenant's key, or that of the tenant if it has no such key.
    pub fn key_account(&self, tenant: &str, key: &str) -> &Account {
        let account = self.keys.get(tenant).and_then(|keys| keys.get(key));
        account.unwrap_or_else(|| self.account(tenant))
    }

    /// Calls [`Account::reserve`] on the account of the tenant.
    ///
    /// # Errors
    /// Returns the limit that the call would exceed; nothing is reserved then.
    pub fn reserve(
        &self,
        tenant: &str,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
    ) -> Result<Reservation, LimitExceeded> {
        self.account(tenant).reserve(target, estimate, at)
    }

    /// Returns the accounts of all tenants, then those of all keys.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().chain(self.keys.values().flat_map(BTreeMap::values))
    }

    /// Returns the statistics of all tenants and keys, by account name.
    pub fn stats(&self, at: Moment) -> BTreeMap<Arc<str>, AccountStats> {
        self.accounts().map(|account| (Arc::clone(account.name()), account.stats(at))).collect()
    }
}

fn account_states(
    tenants: &BTreeMap<String, Limits>,
    now: Instant,
) -> Result<Vec<AccountState>, InvalidConfig> {
    let mut states = Vec::new();
    for (name, limits) in tenants {
        limits.validate(name)?;
        states.push(AccountState::new(name, limits, now));
        for key in limits.keys.keys() {
            states.push(AccountState::new(&format!("{name}/{key}"), &limits.for_key(key), now));
        }
    }
    if !tenants.contains_key(DEFAULT) {
        states.push(AccountState::new(DEFAULT, &Limits::default(), now));
    }
    Ok(states)
}

/// An error from [`Book::open`].
#[cfg(feature = "ledger")]
#[derive(Debug, Error)]
#[error(transparent)]
pub enum OpenError {
    /// A setting is invalid.
    Config(#[from] InvalidConfig),
    /// The ledger file cannot be used.
    Ledger(#[from] LedgerError),
}

#[cfg(test)]
mod tests;
