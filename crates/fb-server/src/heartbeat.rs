use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// A timer that is due after a time of silence. Without output a proxy takes a connection for dead and cuts it.
pub(crate) struct Heartbeat {
    interval: Duration,
    /// The end of the silence before.
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), timer: Box::pin(sleep(interval)) }
    }

    /// Records output. The timer is not touched: it finds out when it fires.
    pub(crate) fn record_output(&mut self) {
        self.last = Instant::now();
    }

    /// Waits until there was no output for the interval, and begins the next one. `is_registered` is true if the last call had
    /// the same waker, which the timer still has then.
    pub(crate) fn poll_due(&mut self, cx: &mut Context<'_>, is_registered: bool) -> Poll<()> {
        if is_registered && !self.timer.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let is_due = now.saturating_duration_since(self.last) >= self.interval;
            if is_due {
                self.last = now;
            }
            self.timer.as_mut().reset(self.last + self.interval);
            if is_due {
                return Poll::Ready(());
            }
        }
    }
}
