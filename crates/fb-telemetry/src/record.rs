mod entry;
mod file;
mod text;

use std::{
    fmt, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::SystemTime,
};

use fb_core::{Event, Observer};
use parking_lot::Mutex;
use serde::Deserialize;
use tracing::warn;

pub use self::entry::{Cached, Called, End, Entry, Fault, Need, Outcome, Skipped, Tokens};
use self::file::Files;
use crate::{InvalidConfig, Records};

/// Requests that wait for the disk; those beyond them are not recorded.
const WAITING: usize = 4_096;

/// The table `[record]`: finished requests are written to a file, one line each. Without the table none is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordConfig {
    /// The file, which is appended to. It holds names, numbers and kinds of failures; no prompt and no answer.
    pub file: PathBuf,
    /// Bytes after which the file becomes FILE.1, FILE.1 becomes FILE.2 and so on; at least 4,096. Default 64 MiB.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// Earlier files that are kept, 1 to 1,000. Default 5.
    #[serde(default = "default_keep")]
    pub keep: u32,
}

const fn default_max_bytes() -> u64 {
    64 << 20
}

const fn default_keep() -> u32 {
    5
}

impl RecordConfig {
    /// To this file, with defaults in all else.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), max_bytes: default_max_bytes(), keep: default_keep() }
    }

    /// Every setting with which no recorder could work; opens nothing.
    pub fn problems(&self) -> Vec<InvalidConfig> {
        let mut found = Vec::new();
        let mut invalid = |field, value, expected| found.push(InvalidConfig { field, value, expected });
        if self.file.file_name().is_none() {
            let value = format!("{:?}", self.file.display().to_string());
            invalid("record.file", value, "the path of a file");
        }
        if self.max_bytes < 4_096 {
            invalid("record.max_bytes", self.max_bytes.to_string(), "4096 bytes or more");
        }
        if !(1..=1_000).contains(&self.keep) {
            invalid("record.keep", self.keep.to_string(), "1 to 1000 files");
        }
        found
    }
}

/// Hears of finished requests and hands them to a thread that writes: no request waits for the disk.
///
/// Each is one line, an [`Entry`], which `fb backtest` plays through another config. What the thread cannot take, 4,096
/// requests wait at most, is counted as lost and said once in the log. Dropped without [`close`](Self::close), what waits
/// is still written, but nobody waits for it.
pub struct Recorder {
    to: SyncSender<Message>,
    counts: Arc<Counts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Write(Box<Entry>),
    Stop,
}

impl Recorder {
    /// Opens the file and begins to write what is heard.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread to be had.
    pub fn start(config: &RecordConfig) -> io::Result<Self> {
        let counts = Arc::<Counts>::default();
        let files = Files::open(config, Arc::clone(&counts))?;
        let (to, from) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("fb-record".to_owned()).spawn(|| write_on(from, files))?;
        Ok(Self { to, counts, thread: Mutex::new(Some(thread)) })
    }

    /// What has become of the requests that were heard; those that wait for the disk are in neither number.
    pub fn records(&self) -> Records {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Records { written: load(&self.counts.written), lost: load(&self.counts.lost) }
    }

    /// Waits until everything heard before is written; what is heard after it is not.
    pub fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        let stopped = self.to.send(Message::Stop).is_ok() && thread.join().is_ok();
        let lost = self.records().lost;
        if lost > 0 || !stopped {
            warn!(lost, "not every request was recorded");
        }
    }
}

impl Observer for Recorder {
    fn on(&self, event: &Event<'_>) {
        if let Event::Finished { route, tenant, asked, left, shared, report } = event {
            let outcome = Outcome::of(report, *left);
            let entry = Entry::of(route, *tenant, asked, outcome, *shared, report, now());
            if self.to.try_send(Message::Write(Box::new(entry))).is_err() {
                self.counts.lose(1, "the disk is slower than the requests");
            }
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

#[expect(clippy::disallowed_methods, reason = "a record names the wall time, no decision depends on it")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::needless_pass_by_value, reason = "the end of the thread ends the channel")]
fn write_on(from: Receiver<Message>, mut files: Files) {
    while let Ok(first) = from.recv() {
        let mut next = Some(first);
        while let Some(Message::Write(entry)) = next {
            files.put(&entry);
            next = from.try_recv().ok();
        }
        // Nothing waits any more.
        files.flush();
        if next.is_some() {
            return;
        }
    }
}

/// Requests by whether they were recorded. That some were not is said once, then counted.
#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    lost: AtomicU64,
}

impl Counts {
    fn write(&self, requests: u64) {
        self.written.fetch_add(requests, Ordering::Relaxed);
    }

    fn lose(&self, requests: u64, why: &str) {
        if self.lost.fetch_add(requests, Ordering::Relaxed) == 0 {
            warn!("requests are not recorded: {why}");
        }
    }
}

#[cfg(test)]
mod tests;
