//! The ledgers that are open in this process, each of which its books share.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Weak},
    time::SystemTime,
};

use fb_core::InvalidConfig;
use parking_lot::Mutex;

use super::{
    config::LedgerConfig,
    error::{LedgerError, OpenError},
    file::create_private,
    stall::Stall,
    writer::{Ended, Ledger},
};
use crate::account::state::AccountState;

/// The ledgers that were opened, by the path of the file.
static OPENED: Mutex<BTreeMap<PathBuf, Opened>> = Mutex::new(BTreeMap::new());

struct Opened {
    config: LedgerConfig,
    ledger: Weak<Ledger>,
    ended: Ended,
}

/// A ledger as the books of one client use it, until they close it.
#[derive(Debug)]
pub(crate) struct SharedLedger {
    ledger: Mutex<Option<Arc<Ledger>>>,
    #[cfg(feature = "test-util")]
    committing: Arc<Mutex<()>>,
}

impl SharedLedger {
    /// Opens a ledger, or shares the one of this process, and returns the account of each name.
    pub(crate) fn open(
        config: &LedgerConfig,
        wall: SystemTime,
        names: &[&str],
    ) -> Result<(Self, Vec<Arc<AccountState>>), OpenError> {
        let io = |error| LedgerError::io(&config.path, error);
        create_private(&config.path).map_err(io)?;
        let path = fs::canonicalize(&config.path).map_err(io)?;
        let mut all = OPENED.lock();
        let opened = all.get(&path);
        if let Some((opened, ledger)) = opened.and_then(|opened| Some((opened, opened.ledger.upgrade()?))) {
            if opened.config != (LedgerConfig { path: opened.config.path.clone(), ..config.clone() }) {
                let expected = "open in this process with other settings; expected the same ones";
                let path = config.path.display().to_string();
                return Err(InvalidConfig::new("ledger", path, expected).into());
            }
            let accounts = ledger.accounts(names, wall);
            return Ok((Self::new(ledger), accounts));
        }
        if let Some(closing) = opened {
            // Its last commit may still be running. If that takes too long, the file is reported as locked.
            let _has_ended = closing.ended.wait(2 * closing.config.max_wait);
        }
        let stall = Stall::new(config.max_wait, config.on_stall);
        let (ledger, accounts) = Ledger::open(&config.path, config.quantum()?, stall, wall, names)?;
        let ledger = Arc::new(ledger);
        let (config, ended) = (config.clone(), ledger.ended());
        all.retain(|_, opened| opened.ledger.strong_count() > 0);
        all.insert(path, Opened { config, ledger: Arc::downgrade(&ledger), ended });
        Ok((Self::new(ledger), accounts))
    }

    fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            #[cfg(feature = "test-util")]
            committing: Arc::clone(&ledger.committing),
            ledger: Mutex::new(Some(ledger)),
        }
    }

    /// Returns the ledger, unless it was closed.
    pub(crate) fn get(&self) -> Option<Arc<Ledger>> {
        self.ledger.lock().clone()
    }

    /// Commits everything so far, and ends the ledger unless others share it.
    pub(crate) fn close(&self) -> Result<(), Arc<LedgerError>> {
        let Some(ledger) = self.ledger.lock().take() else { return Ok(()) };
        let failure = match Arc::try_unwrap(ledger) {
            Ok(ledger) => {
                ledger.close();
                ledger.failure()
            }
            Err(shared) => {
                shared.flush();
                shared.failure()
            }
        };
        failure.map_or(Ok(()), Err)
    }

    /// Holds all commits back until the guard is dropped.
    #[cfg(feature = "test-util")]
    pub(crate) fn hold_commits(&self) -> parking_lot::MutexGuard<'_, ()> {
        self.committing.lock()
    }
}
