//! What of an account is on disk before it happens.

use std::{sync::Arc, time::SystemTime};

use parking_lot::Condvar;

use crate::{
    account::{Shared, State},
    ledger::{Record, Signal},
};

/// The account's end of the ledger.
#[derive(Debug)]
pub(crate) struct Ahead {
    signal: Arc<Signal>,
    /// Nano-dollars written ahead of what is spent and held.
    quantum: u64,
    covered: Condvar,
}

/// What the disk says, from the account's side.
#[derive(Debug)]
pub(crate) struct Promise {
    /// The total that is read from disk after a kill, in nano-dollars; the largest one when there is no ledger, or one
    /// that fails: calls go on then.
    ceiling: u128,
    /// Whether something was spent or given back since the last snapshot.
    changed: bool,
    /// Whether a commit was asked for since then because little is left below the ceiling.
    low: bool,
}

impl Default for Promise {
    fn default() -> Self {
        Self { ceiling: u128::MAX, changed: false, low: false }
    }
}

impl State {
    fn committed(&self) -> u128 {
        u128::from(self.total) + self.reserved
    }
}

impl Shared {
    /// Starts from what the disk said. What was written ahead counts as spent in the day and month of `wall`: it may have
    /// been spent after those of the record.
    pub(crate) fn attach(
        &mut self,
        record: Option<Record>,
        wall: SystemTime,
        signal: Arc<Signal>,
        quantum: u64,
    ) {
        let record = record.unwrap_or_default();
        let state = self.state.get_mut();
        state.calendar = record.calendar;
        state.calendar.pass(wall);
        state.calendar.spend(record.ahead);
        state.total = record.total.saturating_add(record.ahead);
        self.ahead = Some(Ahead { signal, quantum, covered: Condvar::new() });
    }

    /// Returns when the disk covers what is spent and held by now in all these accounts. To be called after it has grown: a
    /// call that costs no more than it held changes nothing.
    pub(crate) fn cover(accounts: [Option<&Self>; 2]) {
        // All ask before one waits, so that one commit serves them.
        let needed = accounts.map(|account| account.map(Self::ask_for_cover));
        for (account, needed) in accounts.into_iter().zip(needed) {
            if let (Some(account), Some(needed)) = (account, needed) {
                account.wait_for_cover(needed);
            }
        }
    }

    /// Asks for a commit when little is left of what the disk covers; says what it is to cover.
    fn ask_for_cover(&self) -> u128 {
        let Some(ahead) = &self.ahead else { return 0 };
        let mut state = self.state.lock();
        let needed = state.committed();
        if needed.saturating_add(u128::from(ahead.quantum / 2)) > state.promise.ceiling && !state.promise.low
        {
            state.promise.low = true;
            ahead.signal.urge();
        }
        needed
    }

    fn wait_for_cover(&self, needed: u128) {
        let Some(ahead) = &self.ahead else { return };
        let mut state = self.state.lock();
        // Refunds may lower what is held before a commit raises the ceiling.
        ahead.covered.wait_while(&mut state, |state| needed.min(state.committed()) > state.promise.ceiling);
    }

    /// Asks for a commit within the next 100 ms.
    pub(crate) fn mark(&self, state: &mut State) {
        if let Some(ahead) = &self.ahead
            && !state.promise.changed
        {
            state.promise.changed = true;
            ahead.signal.change();
        }
    }

    /// What to write, if something is new: what is spent, and ahead of it what is held and the quantum.
    ///
    /// From here on no more is promised than both the old record and this one cover.
    pub(crate) fn snapshot(&self) -> Option<Record> {
        let mut state = self.state.lock();
        let ahead = self.ahead.as_ref()?;
        let news = state.promise.changed || state.promise.low;
        news.then(|| record(&mut state, ahead.quantum))
    }

    /// What to write whether or not something is new.
    pub(crate) fn first(&self) -> Record {
        record(&mut self.state.lock(), self.ahead.as_ref().map_or(0, |ahead| ahead.quantum))
    }

    /// What to write at the end: nothing is ahead but what is held by calls that are still in flight.
    pub(crate) fn last(&self) -> Record {
        record(&mut self.state.lock(), 0)
    }

    /// The record is on disk.
    pub(crate) fn written(&self, record: &Record) {
        self.promise(u128::from(record.total) + u128::from(record.ahead));
    }

    /// Nothing new will be on disk for now: calls go on without.
    pub(crate) fn detach(&self) {
        self.promise(u128::MAX);
    }

    /// The record is not on disk: calls go on without, until one is.
    pub(crate) fn failed(&self) {
        self.state.lock().promise.changed = true;
        self.detach();
    }

    fn promise(&self, ceiling: u128) {
        self.state.lock().promise.ceiling = ceiling;
        if let Some(ahead) = &self.ahead {
            ahead.covered.notify_all();
        }
    }
}

fn record(state: &mut State, quantum: u64) -> Record {
    let held = u64::try_from(state.reserved).unwrap_or(u64::MAX);
    let ahead = held.saturating_add(quantum);
    let ceiling = u128::from(state.total) + u128::from(ahead);
    state.promise = Promise { ceiling: state.promise.ceiling.min(ceiling), changed: false, low: false };
    Record { calendar: state.calendar, total: state.total, ahead }
}

#[cfg(test)]
mod tests;
