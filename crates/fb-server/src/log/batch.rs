use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

/// How long a line may wait to be written with others: too short to be noticed, long enough to save a system call
/// per line under load.
const WAIT: Duration = Duration::from_millis(50);
/// Most bytes that wait; lines beyond them are dropped and counted, because a reader that stands still must not stop
/// the gateway.
const MOST: usize = 1 << 20;

/// A buffer of log lines, written by a thread of its own. Clones share it.
#[derive(Clone)]
pub(super) struct Lines {
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

impl Lines {
    pub(super) fn to(out: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            buffer: Mutex::default(),
            filled: Condvar::new(),
            out: Mutex::new(Box::new(out)),
        });
        let weak = Arc::downgrade(&shared);
        // Without the thread the lines are still written, when the gateway stops.
        drop(thread::Builder::new().name("fb-log".to_owned()).spawn(move || write_on(&weak)));
        Self { shared }
    }

    /// Appends what is printed.
    pub(super) fn put(&self, print: impl FnOnce(&mut String) -> fmt::Result) {
        let mut buffer = self.shared.buffer.lock();
        let before = buffer.bytes.len();
        if before >= MOST || print(&mut buffer.bytes).is_err() {
            buffer.bytes.truncate(before);
            buffer.dropped += 1;
            return;
        }
        drop(buffer);
        if before == 0 {
            self.shared.filled.notify_one();
        }
    }

    /// Writes what waits.
    pub(super) fn write_out(&self) {
        self.shared.flush();
    }
}

/// Writes what has come together, until nobody can add to it.
fn write_on(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        {
            let mut buffer = shared.buffer.lock();
            if buffer.bytes.is_empty() {
                shared.filled.wait_for(&mut buffer, Duration::from_secs(1));
            }
        }
        shared.flush();
        drop(shared);
        #[expect(clippy::disallowed_methods, reason = "a thread of its own, with no runtime to block")]
        thread::sleep(WAIT);
    }
}

impl Shared {
    fn flush(&self) {
        let Buffer { bytes, dropped } = mem::take(&mut *self.buffer.lock());
        let mut out = self.out.lock();
        // Nobody can be told that the log cannot be written.
        drop(out.write_all(bytes.as_bytes()));
        if dropped > 0 {
            drop(writeln!(out, "{dropped} log lines were dropped: whoever reads them is too slow"));
        }
        drop(out.flush());
    }
}

/// For the lines that come by way of `tracing`.
impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(|buffer| fmt::Write::write_str(buffer, &String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that keeps what it got.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order_before_the_end() {
        let kept = Kept::default();
        let lines = Lines::to(kept.clone());
        for number in 0..1_000 {
            lines.put(|out| fmt::Write::write_fmt(out, format_args!("{number}\n")));
        }
        lines.write_out();
        let text = String::from_utf8(kept.0.lock().clone()).unwrap();
        let numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    }
}
