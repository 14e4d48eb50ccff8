//! The thread that writes the ledger.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread::{self, JoinHandle},
    time::SystemTime,
};

use parking_lot::Mutex;
#[cfg(feature = "test-util")]
use parking_lot::MutexGuard;

use super::{error::LedgerError, file::File, record::Record, signal::Signal, stall::Stall};
use crate::account::state::AccountState;

/// A running ledger. Dropping it commits once more and ends the thread.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    stall: Arc<Stall>,
    /// Locked during a commit.
    #[cfg_attr(
        not(any(test, feature = "test-util")),
        expect(dead_code, reason = "only tests hold up a commit")
    )]
    pub(super) committing: Arc<Mutex<()>>,
    signal: Arc<Signal>,
    /// The thread, and a channel that is closed when it ends.
    thread: Option<(JoinHandle<()>, Mutex<Receiver<()>>)>,
    failure: Arc<Mutex<Option<Arc<LedgerError>>>>,
}

impl Ledger {
    /// Opens the file, attaches the accounts to their records, and writes their first quantum ahead.
    pub(crate) fn open(
        path: &Path,
        quantum: u64,
        stall: Stall,
        wall: SystemTime,
        accounts: Vec<AccountState>,
    ) -> Result<(Self, Vec<Arc<AccountState>>), LedgerError> {
        let file = File::open(path)?;
        let mut records = file.read()?;
        let (signal, stall) = (Arc::new(Signal::default()), Arc::new(stall));
        let attach = |mut account: AccountState| {
            let record = records.remove(&*account.name);
            account.attach(record, wall, Arc::clone(&signal), Arc::clone(&stall), quantum);
            Arc::new(account)
        };
        let accounts: Vec<Arc<AccountState>> = accounts.into_iter().map(attach).collect();
        let (failure, committing) = (Arc::default(), Arc::default());
        let writer = Writer {
            file,
            accounts: accounts.clone(),
            stall: Arc::clone(&stall),
            committing: Arc::clone(&committing),
            failure: Arc::clone(&failure),
        };
        writer.commit(|account| Some(account.first_record()))?;

        let wakeups = Arc::clone(&signal);
        // The sender is dropped when the thread ends, also by a panic.
        let (running, ended) = channel::<()>();
        let write = move || {
            let _running = running;
            writer.run(&wakeups);
        };
        let spawned = thread::Builder::new().name("fb-ledger".to_owned()).spawn(write);
        let thread = Some((spawned.map_err(|error| LedgerError::io(path, error))?, Mutex::new(ended)));
        Ok((Self { path: path.to_owned(), stall, committing, signal, thread, failure }, accounts))
    }

    /// Returns the error of the last commit, or of one that does not end; `None` if it succeeded.
    pub(crate) fn failure(&self) -> Option<Arc<LedgerError>> {
        if self.stall.is_stalled() {
            return Some(Arc::new(LedgerError::stalled(&self.path)));
        }
        self.failure.lock().clone()
    }

    /// Holds all commits back until the guard is dropped.
    #[cfg(feature = "test-util")]
    pub(crate) fn hold_commits(&self) -> MutexGuard<'_, ()> {
        self.committing.lock()
    }

    /// Commits the remaining changes and ends the thread, unless a commit does not end: the one that may be running and the
    /// last one get as much time as calls give them.
    pub(crate) fn close(&mut self) {
        self.signal.stop();
        let Some((thread, ended)) = self.thread.take() else { return };
        match ended.into_inner().recv_timeout(2 * self.stall.max_wait()) {
            Err(RecvTimeoutError::Timeout) => self.stall.begin(),
            // A panic is not propagated: the writer's own drop has already released the waiting calls.
            Ok(()) | Err(RecvTimeoutError::Disconnected) => drop(thread.join()),
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
    accounts: Vec<Arc<AccountState>>,
    stall: Arc<Stall>,
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
        }
        self.store_result(self.commit(|account| Some(account.last_record())));
    }

    fn store_result(&self, result: Result<(), LedgerError>) {
        *self.failure.lock() = result.err().map(Arc::new);
    }

    /// Writes the records that `record` returns in one commit.
    fn commit(&self, record: impl Fn(&AccountState) -> Option<Record>) -> Result<(), LedgerError> {
        let records: Vec<(&Arc<AccountState>, Record)> =
            self.accounts.iter().filter_map(|account| Some((account, record(account)?))).collect();
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
        self.stall.end();
        result
    }
}

impl Drop for Writer {
    /// Releases all waiting calls, also after a panic: no further commit will release them.
    fn drop(&mut self) {
        for account in &self.accounts {
            account.detach();
        }
    }
}
