use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

/// Pause between two writes: too short to be noticed, long enough to save a system call per line under load.
const INTERVAL: Duration = Duration::from_millis(50);
/// Maximum number of buffered bytes. Further lines are dropped and counted, because a blocked reader must not block the
/// gateway.
const MAX_BUFFERED: usize = 1 << 20;

/// A buffer of log lines that a background thread writes. Clones share the buffer.
#[derive(Clone)]
pub(super) struct Batch {
    shared: Arc<Shared>,
}

struct Shared {
    buffer: Mutex<Buffer>,
    filled: Condvar,
    out: Mutex<Box<dyn Write + Send>>,
}

#[derive(Default)]
struct Buffer {
    bytes: String,
    dropped: u64,
}

impl Batch {
    /// Starts the background thread, which ends when the last clone is dropped.
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            buffer: Mutex::default(),
            filled: Condvar::new(),
            out: Mutex::new(Box::new(out)),
        });
        let weak = Arc::downgrade(&shared);
        // If the thread cannot be started, the lines are written when the gateway stops.
        drop(thread::Builder::new().name("fb-log".to_owned()).spawn(move || write_batches(&weak)));
        Self { shared }
    }

    /// Appends a line.
    pub(super) fn append(&self, print: impl FnOnce(&mut String) -> fmt::Result) {
        let mut buffer = self.shared.buffer.lock();
        let before = buffer.bytes.len();
        if before >= MAX_BUFFERED || print(&mut buffer.bytes).is_err() {
            buffer.bytes.truncate(before);
            buffer.dropped += 1;
            return;
        }
        drop(buffer);
        if before == 0 {
            self.shared.filled.notify_one();
        }
    }

    /// Writes all buffered lines.
    pub(super) fn flush_all(&self) {
        self.shared.flush();
    }
}

/// Writes buffered lines until the last [`Batch`] is dropped.
fn write_batches(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        {
            let mut buffer = shared.buffer.lock();
            if buffer.bytes.is_empty() {
                shared.filled.wait_for(&mut buffer, Duration::from_secs(1));
            }
        }
        shared.flush();
        drop(shared);
        #[expect(clippy::disallowed_methods, reason = "a dedicated thread without a runtime")]
        thread::sleep(INTERVAL);
    }
}

impl Shared {
    fn flush(&self) {
        let Buffer { bytes, dropped } = mem::take(&mut *self.buffer.lock());
        let mut out = self.out.lock();
        // There is no other place to report that the log cannot be written.
        drop(out.write_all(bytes.as_bytes()));
        if dropped > 0 {
            drop(writeln!(out, "{dropped} log lines were dropped: their reader is too slow"));
        }
        drop(out.flush());
    }
}

/// The writer of `tracing` events.
impl Write for Batch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(|buffer| fmt::Write::write_str(buffer, &String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer into memory.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order() {
        let memory = Memory::default();
        let batch = Batch::new(memory.clone());
        for number in 0..1_000 {
            batch.append(|buffer| fmt::Write::write_fmt(buffer, format_args!("{number}\n")));
        }
        batch.flush_all();
        let text = String::from_utf8(memory.0.lock().clone()).unwrap();
        let numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    }
}
