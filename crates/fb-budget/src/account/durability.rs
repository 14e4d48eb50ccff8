//! Durability of an account: calls wait until the ledger on disk covers their reservations.

use std::{
    mem,
    sync::Arc,
    task::{Context, Waker},
    time::SystemTime,
};

use super::{
    state::{AccountState, Balances},
    write_ahead::WriteAhead,
};
use crate::ledger::{record::Record, signal::Signal, stall::Stall};

impl Balances {
    /// Returns the nano-dollars spent and reserved.
    fn committed(&self) -> u128 {
        u128::from(self.total) + self.reserved
    }

    /// Returns true if the disk covers an amount. A refund may have lowered what was committed since.
    fn covers(&self, needed: u128) -> bool {
        needed.min(self.committed()) <= self.coverage.ceiling
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
        stall: Arc<Stall>,
        quantum: u64,
    ) {
        let record = record.unwrap_or_default();
        let balances = self.balances.get_mut();
        balances.calendar = record.calendar;
        balances.calendar.advance(wall);
        balances.calendar.spend(record.ahead);
        balances.total = record.total.saturating_add(record.ahead);
        self.write_ahead = Some(WriteAhead { signal, stall, quantum });
    }

    /// Requests the first commit of an account that is added while the ledger is written. Until then the disk covers what it
    /// had of the account.
    pub(crate) fn request_first_commit(&self) {
        let Some(write_ahead) = &self.write_ahead else { return };
        let mut balances = self.balances.lock();
        balances.coverage.ceiling = balances.total.into();
        (balances.coverage.changed, balances.coverage.low) = (true, true);
        write_ahead.signal.notify_urgent();
    }

    /// Requests a commit if little of the covered amount is left. Returns the amount spent and reserved if the disk does
    /// not cover it.
    pub(crate) fn request_coverage(&self) -> Option<u128> {
        let write_ahead = self.write_ahead.as_ref()?;
        let mut balances = self.balances.lock();
        let needed = balances.committed();
        if needed.saturating_add(u128::from(write_ahead.quantum / 2)) > balances.coverage.ceiling
            && !balances.coverage.low
        {
            balances.coverage.low = true;
            write_ahead.signal.notify_urgent();
        }
        (!balances.covers(needed)).then_some(needed)
    }

    /// Returns true if the disk covers the amount, or else wakes the task when that may have changed.
    pub(crate) fn poll_covered(&self, needed: u128, cx: &Context<'_>) -> bool {
        let mut balances = self.balances.lock();
        let is_covered = balances.covers(needed);
        let waiting = &mut balances.coverage.waiting;
        if !is_covered && !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        is_covered
    }

    /// Returns true if the disk covers the amount.
    pub(super) fn is_covered(&self, needed: u128) -> bool {
        self.balances.lock().covers(needed)
    }

    /// Returns the policy for a ledger that does not commit.
    pub(crate) fn stall(&self) -> Option<&Stall> {
        self.write_ahead.as_ref().map(|write_ahead| &*write_ahead.stall)
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
        let waiting = {
            let coverage = &mut self.balances.lock().coverage;
            coverage.ceiling = ceiling;
            mem::take(&mut coverage.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

fn record(balances: &mut Balances, quantum: u64) -> Record {
    let reserved = u64::try_from(balances.reserved).unwrap_or(u64::MAX);
    let ahead = reserved.saturating_add(quantum);
    let ceiling = u128::from(balances.total) + u128::from(ahead);
    let ceiling = balances.coverage.ceiling.min(ceiling);
    let coverage = &mut balances.coverage;
    (coverage.ceiling, coverage.changed, coverage.low) = (ceiling, false, false);
    Record { calendar: balances.calendar, total: balances.total, ahead }
}

#[cfg(test)]
mod tests;
