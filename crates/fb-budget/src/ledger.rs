//! Spend on disk.

mod error;
mod file;
mod signal;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::SystemTime,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub use self::error::{LedgerError, LedgerErrorKind};
use self::file::File;
pub(crate) use self::{file::Record, signal::Signal};
use crate::{
    InvalidConfig,
    account::Shared,
    config::{MOST_USD, money},
};

/// Some calls of a large model, or some hundred of a small one.
const AHEAD_USD: f64 = 0.1;

/// Where spend is kept across restarts.
///
/// One file, for one process at a time. For each tenant it says what is spent, and how much may have been spent beyond:
/// what is held by calls in flight, and `ahead_usd`. It is written with fsync, at most 100 ms after something was
/// settled or given back, and at once when more is reserved than it says. So after a kill or a power cut all that was settled and held
/// counts as spent, and beyond that at most `ahead_usd` and what calls had given back since the last commit. After a
/// clean end exactly what was settled does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerConfig {
    /// The file, created if there is none; its folder must exist.
    pub path: PathBuf,
    /// US dollars per tenant that are written ahead, 0 to 10⁹; 0.10. With less, calls wait more often for a commit; with
    /// more, a kill counts more that nobody spent.
    #[serde(default = "ahead_usd")]
    pub ahead_usd: f64,
}

const fn ahead_usd() -> f64 {
    AHEAD_USD
}

impl LedgerConfig {
    /// A ledger in this file, with defaults in all else.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ahead_usd: AHEAD_USD }
    }

    /// Whether a ledger can work with it; opens nothing.
    ///
    /// # Errors
    /// Names the setting with which none could.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        self.quantum().map(drop)
    }

    /// The quantum in nano-dollars.
    pub(crate) fn quantum(&self) -> Result<u64, InvalidConfig> {
        if (0.0..=MOST_USD).contains(&self.ahead_usd) {
            return Ok(money(self.ahead_usd).nanos());
        }
        Err(InvalidConfig::expecting("ledger.ahead_usd", self.ahead_usd, "0 to 1000000000"))
    }
}

/// The thread that writes, and its last failure. Dropped, it writes once more and ends.
#[derive(Debug)]
pub(crate) struct Ledger {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<Arc<LedgerError>>>>,
}

impl Ledger {
    /// Opens the file, lets the accounts begin with what it says, and writes their first quantum ahead.
    pub(crate) fn open(
        path: &Path,
        quantum: u64,
        wall: SystemTime,
        accounts: Vec<Shared>,
    ) -> Result<(Self, Vec<Arc<Shared>>), LedgerError> {
        let file = File::open(path)?;
        let mut records = file.read()?;
        let signal = Arc::new(Signal::default());
        let attach = |mut account: Shared| {
            let record = records.remove(&*account.name);
            account.attach(record, wall, Arc::clone(&signal), quantum);
            Arc::new(account)
        };
        let accounts: Vec<Arc<Shared>> = accounts.into_iter().map(attach).collect();
        let failure = Arc::default();
        let writer = Writer { file, accounts: accounts.clone(), failure: Arc::clone(&failure) };
        writer.write(|account| Some(account.first()))?;

        let heard = Arc::clone(&signal);
        let spawned = thread::Builder::new().name("fb-ledger".to_owned()).spawn(move || writer.run(&heard));
        let thread = Some(spawned.map_err(|error| LedgerError::io(path, error))?);
        Ok((Self { signal, thread, failure }, accounts))
    }

    /// Why the last commit failed; `None` when it did not.
    pub(crate) fn failure(&self) -> Option<Arc<LedgerError>> {
        self.failure.lock().clone()
    }

    /// Writes what is left and ends the thread.
    pub(crate) fn close(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has let the accounts go in its own drop.
            drop(thread.join());
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer {
    file: File,
    accounts: Vec<Arc<Shared>>,
    failure: Arc<Mutex<Option<Arc<LedgerError>>>>,
}

impl Writer {
    fn run(self, signal: &Signal) {
        while signal.wait() {
            let result = self.write(Shared::snapshot);
            if result.is_err() {
                signal.change();
            }
            self.note(result);
        }
        self.note(self.write(|account| Some(account.last())));
    }

    fn note(&self, result: Result<(), LedgerError>) {
        *self.failure.lock() = result.err().map(Arc::new);
    }

    /// One commit of all that `record` says.
    fn write(&self, record: impl Fn(&Shared) -> Option<Record>) -> Result<(), LedgerError> {
        let records: Vec<(&Arc<Shared>, Record)> =
            self.accounts.iter().filter_map(|account| Some((account, record(account)?))).collect();
        let rows = records.iter().map(|(account, record)| (&*account.name, record));
        let result = self.file.write(rows);
        for (account, record) in &records {
            match &result {
                Ok(()) => account.written(record),
                Err(_) => account.failed(),
            }
        }
        result
    }
}

impl Drop for Writer {
    /// However it ended: nobody is to wait for a commit that will not come.
    fn drop(&mut self) {
        for account in &self.accounts {
            account.detach();
        }
    }
}

/// What each tenant's record says.
type Records = BTreeMap<String, Record>;

#[cfg(test)]
mod tests;
