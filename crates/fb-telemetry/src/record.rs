mod config;
mod counts;
mod entry;
mod file;
mod text;

use std::{
    fmt, io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::SystemTime,
};

use fb_core::{Event, Observer};
use parking_lot::Mutex;
use tracing::warn;

pub use self::{
    config::RecordConfig,
    entry::{
        CacheResult, CallEnd, Need, RecordEntry, RecordedCall, RecordedFailure, RecordedOutcome,
        RecordedSkip, Tokens,
    },
};
use self::{counts::Counts, file::Files};
use crate::Records;

/// Capacity of the queue to the writer thread; requests that do not fit are lost.
const QUEUE: usize = 4_096;

/// An observer that records finished requests in a file.
///
/// A dedicated thread writes, so no request waits for the disk. Each request becomes one line, a [`RecordEntry`], which
/// `fb backtest` replays against another config. Up to 4,096 requests are queued for the thread; requests beyond that
/// are counted as lost, and the first loss is logged. Dropping the recorder without [`close`](Self::close) still writes
/// the queue, but does not wait for it.
pub struct Recorder {
    queue: SyncSender<Message>,
    counts: Arc<Counts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Write(Box<RecordEntry>),
    Stop,
}

impl Recorder {
    /// Opens the file and starts the writer thread.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or the thread cannot be started.
    pub fn start(config: &RecordConfig) -> io::Result<Self> {
        let counts = Arc::<Counts>::default();
        let files = Files::open(config, Arc::clone(&counts))?;
        let (queue, receiver) = sync_channel(QUEUE);
        let thread =
            thread::Builder::new().name("fb-record".to_owned()).spawn(|| write_entries(receiver, files))?;
        Ok(Self { queue, counts, thread: Mutex::new(Some(thread)) })
    }

    /// Numbers of written and lost requests; queued requests are in neither.
    pub fn records(&self) -> Records {
        self.counts.load()
    }

    /// Writes everything queued so far and stops the thread. Later requests count as lost.
    pub fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        let stopped = self.queue.send(Message::Stop).is_ok() && thread.join().is_ok();
        let lost = self.records().lost;
        if lost > 0 || !stopped {
            warn!(lost, "not every request was recorded");
        }
    }
}

impl Observer for Recorder {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::Finished { route, tenant, request, cancelled, coalesced, report, .. } = event {
            let outcome = RecordedOutcome::from_report(report, *cancelled);
            let entry = RecordEntry::new(route, *tenant, request, outcome, *coalesced, report, now());
            if self.queue.try_send(Message::Write(Box::new(entry))).is_err() {
                self.counts.add_lost(1, "the disk is slower than the requests");
            }
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a record contains the wall time, and no decision depends on it"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::needless_pass_by_value, reason = "dropping the receiver with the thread closes the channel")]
fn write_entries(receiver: Receiver<Message>, mut files: Files) {
    while let Ok(first) = receiver.recv() {
        let mut next = Some(first);
        while let Some(Message::Write(entry)) = next {
            files.put(&entry);
            next = receiver.try_recv().ok();
        }
        // The queue is empty or ends with `Stop`.
        files.flush();
        if next.is_some() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
