//! The thread that writes the ledger.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use super::{
    error::LedgerError,
    file::File,
    record::{Record, Records},
    signal::Signal,
    stall::Stall,
};
use crate::account::state::AccountState;

/// A running ledger. Dropping it commits once more and ends the thread.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    /// Locked during a commit.
    #[cfg_attr(
        not(any(test, feature = "test-util")),
        expect(dead_code, reason = "only tests hold up a commit")
    )]
    pub(crate) committing: Arc<Mutex<()>>,
    accounts: Arc<Accounts>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: Ended,
    failure: Arc<Mutex<Option<Arc<LedgerError>>>>,
}

/// The end of a writer thread, after which the file is closed.
#[derive(Debug, Clone)]
pub(crate) struct Ended(Arc<Mutex<Receiver<()>>>);

impl Ended {
    /// Blocks until the thread has ended. Returns false if that takes too long.
    pub(crate) fn wait(&self, most: Duration) -> bool {
        // The sender is dropped when the thread ends, also by a panic.
        self.0.lock().recv_timeout(most) != Err(RecvTimeoutError::Timeout)
    }
}

/// The accounts of a ledger.
#[derive(Debug)]
struct Accounts {
    signal: Arc<Signal>,
    stall: Arc<Stall>,
    quantum: u64,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    open: BTreeMap<Arc<str>, Arc<AccountState>>,
    /// The records of the file for which no account is open.
    records: Records,
}

impl Accounts {
    /// Returns the account of each name, and those that were not open before.
    fn open(&self, names: &[&str], wall: SystemTime) -> (Vec<Arc<AccountState>>, Vec<Arc<AccountState>>) {
        let (mut known, mut added) = (self.known.lock(), Vec::new());
        let open = |name: &&str| {
            if let Some(account) = known.open.get(*name) {
                return Arc::clone(account);
            }
            let mut account = AccountState::new(name);
            let record = known.records.remove(*name);
            account.attach(record, wall, Arc::clone(&self.signal), Arc::clone(&self.stall), self.quantum);
            let account = Arc::new(account);
            known.open.insert(Arc::clone(&account.name), Arc::clone(&account));
            added.push(Arc::clone(&account));
            account
        };
        let accounts = names.iter().map(open).collect();
        (accounts, added)
    }

    fn all(&self) -> Vec<Arc<AccountState>> {
        self.known.lock().open.values().cloned().collect()
    }
}

impl Ledger {
    /// Opens the file, attaches the accounts to their records, and writes their first quantum ahead.
    pub(crate) fn open(
        path: &Path,
        quantum: u64,
        stall: Stall,
        wall: SystemTime,
        names: &[&str],
    ) -> Result<(Self, Vec<Arc<AccountState>>), LedgerError> {
        let file = File::open(path)?;
        let known = Mutex::new(Known { open: BTreeMap::new(), records: file.read()? });
        let (signal, stall) = (Arc::new(Signal::default()), Arc::new(stall));
        let accounts = Arc::new(Accounts { signal: Arc::clone(&signal), stall, quantum, known });
        let (opened, _) = accounts.open(names, wall);
        let (failure, committing) = (Arc::default(), Arc::default());
        let writer = Writer {
            file,
            accounts: Arc::clone(&accounts),
            committing: Arc::clone(&committing),
            failure: Arc::clone(&failure),
        };
        writer.commit(|account| Some(account.first_record()))?;

        let (running, ended) = channel::<()>();
        let write = move || {
            let _running = running;
            writer.run(&signal);
        };
        let spawned = thread::Builder::new().name("fb-ledger".to_owned()).spawn(write);
        let thread = Mutex::new(Some(spawned.map_err(|error| LedgerError::io(path, error))?));
        let ended = Ended(Arc::new(Mutex::new(ended)));
        Ok((Self { path: path.to_owned(), committing, accounts, thread, ended, failure }, opened))
    }

    /// Returns the account of each name. Those that were not open before get their records, and are written soon.
    pub(crate) fn accounts(&self, names: &[&str], wall: SystemTime) -> Vec<Arc<AccountState>> {
        let (accounts, added) = self.accounts.open(names, wall);
        for account in added {
            account.request_first_commit();
        }
        accounts
    }

    pub(crate) fn ended(&self) -> Ended {
        self.ended.clone()
    }

    /// Returns the error of the last commit, or of one that does not end; `None` if it succeeded.
    pub(crate) fn failure(&self) -> Option<Arc<LedgerError>> {
        if self.accounts.stall.is_stalled() {
            return Some(Arc::new(LedgerError::stalled(&self.path)));
        }
        self.failure.lock().clone()
    }

    /// Commits the changes so far, unless that takes too long.
    pub(crate) fn flush(&self) {
        if !self.accounts.signal.flush(self.longest_close()) {
            self.accounts.stall.begin();
        }
    }

    /// Commits the remaining changes and ends the thread, unless a commit does not end.
    pub(crate) fn close(&self) {
        self.accounts.signal.stop();
        let Some(thread) = self.thread.lock().take() else { return };
        if self.ended.wait(self.longest_close()) {
            // A panic is not propagated: the writer's own drop has already released the waiting calls.
            drop(thread.join());
        } else {
            self.accounts.stall.begin();
        }
    }

    /// Returns the time that the commit that may be running and the last one get: as much as calls give each of them.
    fn longest_close(&self) -> Duration {
        2 * self.accounts.stall.max_wait()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer {
    file: File,
    accounts: Arc<Accounts>,
    committing: Arc<Mutex<()>>,
    failure: Arc<Mutex<Option<Arc<LedgerError>>>>,
}

impl Writer {
    fn run(self, signal: &Signal) {
        while signal.wait() {
            let result = self.commit(AccountState::snapshot);
            if result.is_err() {
                signal.notify_changed();
            }
            self.store_result(result);
            signal.notify_committed();
        }
        self.store_result(self.commit(|account| Some(account.last_record())));
    }

    fn store_result(&self, result: Result<(), LedgerError>) {
        *self.failure.lock() = result.err().map(Arc::new);
    }

    /// Writes the records that `record` returns in one commit.
    fn commit(&self, record: impl Fn(&AccountState) -> Option<Record>) -> Result<(), LedgerError> {
        let accounts = self.accounts.all();
        let records: Vec<(&Arc<AccountState>, Record)> =
            accounts.iter().filter_map(|account| Some((account, record(account)?))).collect();
        let rows = records.iter().map(|(account, record)| (&*account.name, record));
        let result = {
            let _committing = self.committing.lock();
            self.file.write(rows)
        };
        for (account, record) in &records {
            match &result {
                Ok(()) => account.record_written(record),
                Err(_) => account.commit_failed(),
            }
        }
        // Last, so that a call that sees the stall end sees what the commit covers.
        self.accounts.stall.end();
        result
    }
}

impl Drop for Writer {
    /// Releases all waiting calls, also after a panic: no further commit will release them.
    fn drop(&mut self) {
        for account in self.accounts.all() {
            account.detach();
        }
        self.accounts.signal.notify_committed();
    }
}
