//! The log: one line for each request, written in batches.

mod batch;
mod request_line;

use std::{
    io::{IsTerminal, stderr},
    time::SystemTime,
};

use fb::{AttemptEnd, Event, Observer};
use serde::Deserialize;
use tracing::{Level, enabled, level_filters::LevelFilter, warn};
use tracing_subscriber::{EnvFilter, filter::Directive};

use self::{batch::Batch, request_line::RequestLine};

/// The `tracing` target of changes made by operators.
pub(crate) const AUDIT: &str = "fb::audit";

/// The format of the log's lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogFormat {
    /// Fields as `name=value`, for people.
    #[default]
    Text,
    /// An object of JSON on each line.
    Json,
}

/// An observer that logs one line for each request and one for each failure that requires operator action.
///
/// Request lines are formatted directly into the buffer: at tens of thousands of requests a second, `tracing` took an
/// eighth of the gateway's CPU time for them.
#[derive(Debug)]
pub struct Log {
    batch: Batch,
    format: LogFormat,
}

impl Log {
    /// Starts logging to standard error and sets the global `tracing` subscriber. `RUST_LOG` filters the lines, except
    /// those of operators' changes, which are always written.
    pub fn init(format: LogFormat) -> Self {
        let batch = Batch::new(stderr());
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let audit = AUDIT.parse::<Directive>().unwrap_or_else(|_| LevelFilter::INFO.into());
        let filter = filter.add_directive(audit);
        let writer = batch.clone();
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
        // A second call in the same process, as in tests, keeps the first subscriber.
        let _already_set = match format {
            LogFormat::Json => subscriber
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .try_init(),
            LogFormat::Text => {
                let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                subscriber.with_ansi(colour).try_init()
            }
        };
        Self { batch, format }
    }

    /// Writes all buffered lines. Call it before the process exits.
    pub fn flush(&self) {
        self.batch.flush_all();
    }

    fn request(&self, line: &RequestLine<'_>) {
        if enabled!(Level::INFO) {
            let time = now();
            self.batch.append(|buffer| match self.format {
                LogFormat::Text => line.write_text(buffer, &time),
                LogFormat::Json => line.write_json(buffer, &time),
            });
        }
    }
}

/// Returns the wall-clock time as log lines contain it.
#[expect(clippy::disallowed_methods, reason = "a timestamp for people, no decision depends on it")]
fn now() -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_millis(SystemTime::now())
}

impl Observer for Log {
    fn on_event(&self, event: &Event<'_>) {
        match event {
            Event::Finished { route, tenant, cancelled, error, report, .. } => {
                self.request(&RequestLine::new(route, *tenant, *cancelled, *error, report));
            }
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
