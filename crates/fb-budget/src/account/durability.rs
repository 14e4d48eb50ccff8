//! Durability of an account: reservations wait until the ledger on disk covers them.

use std::{sync::Arc, time::SystemTime};

use parking_lot::Condvar;

use super::{
    state::{AccountState, Balances},
    write_ahead::{Coverage, WriteAhead},
};
use crate::ledger::{record::Record, signal::Signal};

impl Balances {
    /// Returns the nano-dollars spent and reserved.
    fn committed(&self) -> u128 {
        u128::from(self.total) + self.reserved
    }
}

impl AccountState {
    /// Starts the account from its record on disk.
    ///
    /// The amount that was written ahead counts as spent in the day and month of `wall`, because it may have been spent
    /// after those of the record.
    pub(crate) fn attach(
        &mut self,
        record: Option<Record>,
        wall: SystemTime,
        signal: Arc<Signal>,
        quantum: u64,
    ) {
        let record = record.unwrap_or_default();
        let balances = self.balances.get_mut();
        balances.calendar = record.calendar;
        balances.calendar.advance(wall);
        balances.calendar.spend(record.ahead);
        balances.total = record.total.saturating_add(record.ahead);
        self.write_ahead = Some(WriteAhead { signal, quantum, covered: Condvar::new() });
    }

    /// Blocks until the disk covers the amounts spent and reserved at the time of the call, in all these accounts.
    ///
    /// Only needed after those amounts have grown: a call that costs no more than it reserved changes nothing.
    pub(crate) fn wait_until_covered(accounts: [Option<&Self>; 2]) {
        // Request all commits before the first wait, so that one commit serves all accounts.
        let needed = accounts.map(|account| account.map(Self::request_coverage));
        for (account, needed) in accounts.into_iter().zip(needed) {
            if let (Some(account), Some(needed)) = (account, needed) {
                account.wait_for_coverage(needed);
            }
        }
    }

    /// Returns the amount to cover, and requests a commit if little of the covered amount is left.
    fn request_coverage(&self) -> u128 {
        let Some(write_ahead) = &self.write_ahead else { return 0 };
        let mut balances = self.balances.lock();
        let needed = balances.committed();
        if needed.saturating_add(u128::from(write_ahead.quantum / 2)) > balances.coverage.ceiling
            && !balances.coverage.low
        {
            balances.coverage.low = true;
            write_ahead.signal.notify_urgent();
        }
        needed
    }

    fn wait_for_coverage(&self, needed: u128) {
        let Some(write_ahead) = &self.write_ahead else { return };
        let mut balances = self.balances.lock();
        // A refund may lower the committed amount before a commit raises the ceiling.
        write_ahead.covered.wait_while(&mut balances, |balances| {
            needed.min(balances.committed()) > balances.coverage.ceiling
        });
    }

    /// Requests a commit within the next 100 ms.
    pub(crate) fn mark_changed(&self, balances: &mut Balances) {
        if let Some(write_ahead) = &self.write_ahead
            && !balances.coverage.changed
        {
            balances.coverage.changed = true;
            write_ahead.signal.notify_changed();
        }
    }

    /// Returns the record to write if anything changed: the spent amount, and ahead of it the reserved one plus the
    /// quantum.
    ///
    /// Until that record is on disk, the ceiling is the lower of the old and the new one.
    pub(crate) fn snapshot(&self) -> Option<Record> {
        let mut balances = self.balances.lock();
        let write_ahead = self.write_ahead.as_ref()?;
        let is_due = balances.coverage.changed || balances.coverage.low;
        is_due.then(|| record(&mut balances, write_ahead.quantum))
    }

    /// Returns the record to write at the start, changed or not.
    pub(crate) fn first_record(&self) -> Record {
        let quantum = self.write_ahead.as_ref().map_or(0, |write_ahead| write_ahead.quantum);
        record(&mut self.balances.lock(), quantum)
    }

    /// Returns the record to write at the end: only amounts reserved by calls still in flight are ahead.
    pub(crate) fn last_record(&self) -> Record {
        record(&mut self.balances.lock(), 0)
    }

    /// Raises the ceiling after the record was written to disk.
    pub(crate) fn record_written(&self, record: &Record) {
        self.set_ceiling(u128::from(record.total) + u128::from(record.ahead));
    }

    /// Removes the ceiling, so that calls continue without commits.
    pub(crate) fn detach(&self) {
        self.set_ceiling(u128::MAX);
    }

    /// Removes the ceiling after a failed commit until the next successful one.
    pub(crate) fn commit_failed(&self) {
        self.balances.lock().coverage.changed = true;
        self.detach();
    }

    fn set_ceiling(&self, ceiling: u128) {
        self.balances.lock().coverage.ceiling = ceiling;
        if let Some(write_ahead) = &self.write_ahead {
            write_ahead.covered.notify_all();
        }
    }
}

fn record(balances: &mut Balances, quantum: u64) -> Record {
    let reserved = u64::try_from(balances.reserved).unwrap_or(u64::MAX);
    let ahead = reserved.saturating_add(quantum);
    let ceiling = u128::from(balances.total) + u128::from(ahead);
    let ceiling = balances.coverage.ceiling.min(ceiling);
    balances.coverage = Coverage { ceiling, changed: false, low: false };
    Record { calendar: balances.calendar, total: balances.total, ahead }
}

#[cfg(test)]
mod tests;
