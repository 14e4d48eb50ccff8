//! The book: the accounts of all tenants and their keys.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use fb_core::{InvalidConfig, TargetId};

use crate::{
    Account, AccountStats, Amount, LimitExceeded, Limits, Moment, Reservation,
    account::{limited::LimitedAccount, state::AccountState},
};
use crate::{LedgerConfig, LedgerError, OpenError, ledger::shared::SharedLedger};

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
/// let limits = Limits::with(|limits| limits.usd_per_day = Some(0.05));
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
    ledger: Option<Arc<SharedLedger>>,
}

impl Book {
    /// Creates a book in memory without any spend. No later moment may lie before `now`.
    ///
    /// # Errors
    /// Returns the first invalid setting.
    pub fn new(tenants: &BTreeMap<String, Limits>, now: Instant) -> Result<Self, InvalidConfig> {
        let limits = account_limits(tenants)?;
        let states = limits.keys().map(|name| Arc::new(AccountState::new(name))).collect();
        Ok(Self::from_states(states, limits, now))
    }

    /// Creates the book of other tenants, which shares the accounts that stay: what they used, whatever their limits are now.
    /// With a ledger, the other accounts continue from it.
    ///
    /// # Errors
    /// Returns the first invalid setting.
    pub fn with_tenants(
        &self,
        tenants: &BTreeMap<String, Limits>,
        at: Moment,
    ) -> Result<Self, InvalidConfig> {
        let limits = account_limits(tenants)?;
        if let Some(ledger) = self.ledger.as_ref().and_then(|shared| shared.get()) {
            let states = ledger.accounts(&names(&limits), at.wall);
            return Ok(Self { ledger: self.ledger.clone(), ..Self::from_states(states, limits, at.now) });
        }
        let known: BTreeMap<_, _> =
            self.accounts().map(|account| (&**account.name(), account.state())).collect();
        let state = |name: &String| {
            known
                .get(name.as_str())
                .map_or_else(|| Arc::new(AccountState::new(name)), |state| Arc::clone(state))
        };
        let states = limits.keys().map(state).collect();
        Ok(Self::from_states(states, limits, at.now))
    }

    /// Creates a book of accounts in the order of their limits.
    fn from_states(states: Vec<Arc<AccountState>>, limits: BTreeMap<String, Limits>, now: Instant) -> Self {
        let accounts = states.into_iter().zip(limits.into_values());
        let accounts = accounts.map(|(state, limits)| Arc::new(LimitedAccount::new(state, limits, now)));
        let (key_states, tenant_states): (Vec<_>, Vec<_>) =
            accounts.partition(|account| account.state.name.contains('/'));
        let tenant_states: BTreeMap<Arc<str>, Arc<LimitedAccount>> =
            tenant_states.into_iter().map(|own| (Arc::clone(&own.state.name), own)).collect();
        let mut keys: BTreeMap<Arc<str>, BTreeMap<_, _>> = BTreeMap::new();
        for own in key_states {
            let name =
                own.state.name.split_once('/').map(|(tenant, key)| (Arc::from(tenant), Arc::from(key)));
            let Some((tenant, key)) = name else { continue };
            let account = Account::new(own, tenant_states.get(&tenant).cloned());
            keys.entry(tenant).or_default().insert(key, account);
        }
        let account = |(name, own): (_, _)| (name, Account::new(own, None));
        let accounts: BTreeMap<_, _> = tenant_states.into_iter().map(account).collect();
        let default = accounts[DEFAULT].clone();
        Self { accounts, keys, default, ledger: None }
    }

    /// Opens a book that continues from the ledger file and keeps its spend there; see [`LedgerConfig`].
    ///
    /// Books of one process share an open ledger: what one spends counts against the limits of the others. Starts one thread,
    /// which ends with the last of them. Reservations that outlive it are not written any more; the amounts that they hold
    /// when the ledger is closed count as spent at the next start.
    ///
    /// # Errors
    /// Returns an invalid setting, or the reason why the file cannot be used: it is locked by another process, damaged, from
    /// a newer version, or not readable or writable; or open in this process with other settings.
    pub fn open(
        tenants: &BTreeMap<String, Limits>,
        ledger: &LedgerConfig,
        at: Moment,
    ) -> Result<Self, OpenError> {
        ledger.validate()?;
        let limits = account_limits(tenants)?;
        let (ledger, states) = SharedLedger::open(ledger, at.wall, &names(&limits))?;
        Ok(Self { ledger: Some(Arc::new(ledger)), ..Self::from_states(states, limits, at.now) })
    }

    /// Returns the error of the last commit of the ledger, until one succeeds; `None` without a ledger.
    ///
    /// While commits fail, calls continue under the limits as counted in memory, and a commit is retried every 100 ms.
    pub fn ledger_failure(&self) -> Option<Arc<LedgerError>> {
        self.ledger.as_ref()?.get()?.failure()
    }

    /// Holds the commits of the ledger back until the guard is dropped, as a disk that hangs; `None` without a ledger.
    #[cfg(feature = "test-util")]
    pub fn hold_commits(&self) -> Option<impl Drop + '_> {
        self.ledger.as_ref().map(|ledger| ledger.hold_commits())
    }

    /// Commits all pending changes and closes the ledger for this book and those made from it by
    /// [`with_tenants`](Self::with_tenants), as dropping the last of them does. It blocks. Calls continue under the limits as
    /// counted in memory.
    ///
    /// # Errors
    /// Returns the error of the last commit.
    pub fn close(&self) -> Result<(), Arc<LedgerError>> {
        self.ledger.as_ref().map_or(Ok(()), |ledger| ledger.close())
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

/// Returns the limits of every account, by its name.
fn account_limits(tenants: &BTreeMap<String, Limits>) -> Result<BTreeMap<String, Limits>, InvalidConfig> {
    let mut accounts = BTreeMap::from([(DEFAULT.to_owned(), Limits::default())]);
    for (name, limits) in tenants {
        limits.validate(name)?;
        for key in limits.keys.keys() {
            accounts.insert(format!("{name}/{key}"), limits.for_key(key));
        }
        accounts.insert(name.clone(), limits.clone());
    }
    Ok(accounts)
}

fn names(limits: &BTreeMap<String, Limits>) -> Vec<&str> {
    limits.keys().map(String::as_str).collect()
}

#[cfg(test)]
mod tests;
