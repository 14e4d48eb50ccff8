use std::io::{IsTerminal, stderr};

use fb::{Event, Observer};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

/// Writes one line a request, and one for every failure that somebody has to repair.
#[derive(Debug)]
pub(crate) struct Log;

impl Observer for Log {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Finished { route, report } => {
                let by = report.served_by.as_ref().map(ToString::to_string).unwrap_or_default();
                let (attempts, level) = (report.attempts(), report.level);
                let ms = report.took.as_millis();
                info!(route, served_by = by, attempts, %level, ms, "request");
            }
            Event::Ended { route, attempt } => {
                if let fb::AttemptEnd::Failed(failure) = &attempt.end
                    && failure.kind().consequences(false).alert
                {
                    let detail = failure.detail();
                    warn!(route, target = %attempt.target, kind = %failure.kind(), detail, "target needs its operator");
                }
            }
            _ => {}
        }
    }
}

/// Sends log lines to standard error; `RUST_LOG` chooses which.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let _already_set =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(stderr).try_init();
}
