//! The signal that wakes the writer thread.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The time over which changes are grouped into one commit: long compared with an fsync, short enough for a dashboard.
const GROUP_TIME: Duration = Duration::from_millis(100);

/// Wakes the writer thread.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    pending: Mutex<Pending>,
    woken: Condvar,
    /// Notified after every commit.
    committed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    changed: bool,
    urgent: bool,
    stop: bool,
    /// The number of waits for a commit that were begun, that the commit in progress covers, and that have ended.
    waits: Waits,
}

#[derive(Debug, Default)]
struct Waits {
    begun: u64,
    covered: u64,
    ended: u64,
}

impl Signal {
    /// Requests a commit within 100 ms.
    pub(crate) fn notify_changed(&self) {
        self.pending.lock().changed = true;
        self.woken.notify_one();
    }

    /// Requests a commit at once.
    pub(crate) fn notify_urgent(&self) {
        self.pending.lock().urgent = true;
        self.woken.notify_one();
    }

    /// Requests a commit of everything so far, and blocks until it has ended. Returns false if that takes too long.
    pub(crate) fn flush(&self, most: Duration) -> bool {
        let mut pending = self.pending.lock();
        pending.waits.begun += 1;
        pending.urgent = true;
        let own = pending.waits.begun;
        self.woken.notify_one();
        let waits = |pending: &mut Pending| pending.waits.ended < own;
        !self.committed.wait_while_for(&mut pending, waits, most).timed_out()
    }

    /// Ends the waits for the commit that has ended.
    pub(crate) fn notify_committed(&self) {
        let mut pending = self.pending.lock();
        pending.waits.ended = pending.waits.covered;
        self.committed.notify_all();
    }

    /// Requests the last commit.
    pub(crate) fn stop(&self) {
        self.pending.lock().stop = true;
        self.woken.notify_one();
    }

    /// Blocks until a commit is due; returns false if it is the last one.
    pub(crate) fn wait(&self) -> bool {
        let mut pending = self.pending.lock();
        self.woken.wait_while(&mut pending, |pending| !(pending.changed || pending.urgent || pending.stop));
        self.woken.wait_while_for(&mut pending, |pending| !(pending.urgent || pending.stop), GROUP_TIME);
        pending.changed = false;
        pending.urgent = false;
        pending.waits.covered = pending.waits.begun;
        !pending.stop
    }
}
