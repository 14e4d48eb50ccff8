mod batch;

use std::{
    fmt::Write,
    io::{IsTerminal, stderr},
    time::SystemTime,
};

use fb::{AttemptEnd, Event, Observer, Report};
use tracing::{Level, enabled, warn};
use tracing_subscriber::EnvFilter;

use self::batch::Lines;

/// Writes one line a request, and one for every failure that somebody has to repair.
///
/// The request's line is printed straight into the buffer: at tens of thousands a second the general way of a logging
/// library cost an eighth of the gateway's CPU.
#[derive(Debug)]
pub struct Log {
    lines: Lines,
}

impl Log {
    /// Begins to log to standard error; `RUST_LOG` chooses what.
    pub fn init() -> Self {
        let lines = Lines::to(stderr());
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour);
        // A second start in one process (tests) keeps the first one's subscriber.
        let _already_set = subscriber.with_writer(move || writer.clone()).try_init();
        Self { lines }
    }

    /// Writes what waits; the process is about to end.
    pub fn flush(&self) {
        self.lines.write_out();
    }

    fn request(&self, route: &str, report: &Report) {
        if enabled!(Level::INFO) {
            let line = Request { route, report };
            self.lines.put(|out| writeln!(out, "{} INFO {line}", now()));
        }
    }
}

/// The wall time of a log line.
fn now() -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_millis(wall_time())
}

/// The wall time, for people to read.
#[expect(clippy::disallowed_methods, reason = "logs and files name the wall time, no decision depends on it")]
fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// A request's line: what was asked, who answered, how many calls it took, how long.
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
                    && failure.kind().consequences().alert
                {
                    let detail = failure.detail();
                    warn!(route, target = %attempt.target, kind = %failure.kind(), detail, "target needs its operator");
                }
            }
            _ => {}
        }
    }
}
