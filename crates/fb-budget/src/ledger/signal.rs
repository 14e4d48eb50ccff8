//! When the writer is to write.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How much is gathered for one commit. Long enough for one fsync to be little, short enough for a dashboard.
const GROUP: Duration = Duration::from_millis(100);

/// Wakes the writer.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    wanted: Mutex<Wanted>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    soon: bool,
    now: bool,
    stop: bool,
}

impl Signal {
    /// Something is to be written within 100 ms.
    pub(crate) fn change(&self) {
        self.wanted.lock().soon = true;
        self.woken.notify_one();
    }

    /// Something is to be written now.
    pub(crate) fn urge(&self) {
        self.wanted.lock().now = true;
        self.woken.notify_one();
    }

    /// Nothing more is to be written but the last.
    pub(crate) fn stop(&self) {
        self.wanted.lock().stop = true;
        self.woken.notify_one();
    }

    /// Waits until something is to be written; `false`: for the last time.
    pub(crate) fn wait(&self) -> bool {
        let mut wanted = self.wanted.lock();
        self.woken.wait_while(&mut wanted, |wanted| !(wanted.soon || wanted.now || wanted.stop));
        self.woken.wait_while_for(&mut wanted, |wanted| !(wanted.now || wanted.stop), GROUP);
        wanted.soon = false;
        wanted.now = false;
        !wanted.stop
    }
}
