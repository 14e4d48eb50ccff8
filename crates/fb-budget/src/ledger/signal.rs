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
}

#[derive(Debug, Default)]
struct Pending {
    changed: bool,
    urgent: bool,
    stop: bool,
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
        !pending.stop
    }
}
