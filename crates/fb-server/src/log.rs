//! The log: one line for each request, written in batches.

mod batch;

use std::{
    fmt::Write,
    io::{IsTerminal, stderr},
    time::SystemTime,
};

use fb::{AttemptEnd, Event, Observer, Report};
use tracing::{Level, enabled, warn};
use tracing_subscriber::EnvFilter;

use self::batch::Batch;

/// An observer that logs one line for each request and one for each failure that requires operator action.
///
/// Request lines are formatted directly into the buffer: at tens of thousands of requests a second, `tracing` took an
/// eighth of the gateway's CPU time for them.
#[derive(Debug)]
pub struct Log {
    batch: Batch,
}

impl Log {
    /// Starts logging to standard error and sets the global `tracing` subscriber. `RUST_LOG` filters the lines.
    pub fn init() -> Self {
        let batch = Batch::new(stderr());
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let writer = batch.clone();
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour);
        // A second call in the same process, as in tests, keeps the first subscriber.
        let _already_set = subscriber.with_writer(move || writer.clone()).try_init();
        Self { batch }
    }

    /// Writes all buffered lines. Call it before the process exits.
    pub fn flush(&self) {
        self.batch.flush_all();
    }

    fn request(&self, route: &str, report: &Report) {
        if enabled!(Level::INFO) {
            let line = Request { route, report };
            self.batch.append(|buffer| writeln!(buffer, "{} INFO {line}", now()));
        }
    }
}

/// Returns the wall-clock time as log lines contain it.
#[expect(clippy::disallowed_methods, reason = "a timestamp for people, no decision depends on it")]
fn now() -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_millis(SystemTime::now())
}

/// The log line of a request: route, target, number of attempts, level and duration.
struct Request<'a> {
    route: &'a str,
    report: &'a Report,
}

impl std::fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { route, report } = self;
        write!(f, "request route={route:?} served_by=")?;
        match &report.served_by {
            Some(by) => write!(f, "{by}")?,
            None => f.write_str("nobody")?,
        }
        let (attempts, level, ms) = (report.attempts(), report.level, report.took.as_millis());
        write!(f, " attempts={attempts} level={level} ms={ms}")
    }
}

impl Observer for Log {
    fn on_event(&self, event: &Event<'_>) {
        match event {
            Event::Finished { route, report, .. } => self.request(route, report),
            Event::Ended { route, attempt } => {
                if let AttemptEnd::Failed(failure) = &attempt.end
                    && failure.consequences().alert
                {
                    let detail = failure.detail();
                    warn!(route, target = %attempt.target, kind = %failure.kind(), detail, "target requires operator action");
                }
            }
            _ => {}
        }
    }
}
