use std::{error, fmt, time::Duration};

use fb_core::{AttemptEnd, Block, Failure, InvalidConfig, InvalidRequest, Report, Skip};
use thiserror::Error as ThisError;

/// Why a request has no answer.
///
/// Every error that saw a target carries the [`Report`]; [`Error::report`] finds it.
#[derive(Debug, Clone, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A provider refused the content. Not retried, not sent elsewhere: another provider must not be asked.
    #[error("blocked: {}", .0.cause.detail)]
    Blocked(Box<Ended<Block>>),
    /// A failure that no other target may hide, such as a mistake of the caller.
    #[error("{}", worded(&.0.cause))]
    Surfaced(Box<Ended<Failure>>),
    /// Every target was tried or skipped; the cause is the most telling failure, if any call was made.
    #[error("no target could answer{}", told(.0.cause.as_ref()))]
    Exhausted(Box<Ended<Option<Failure>>>),
    /// A stream broke after its first output had been delivered.
    #[error("the stream broke off: {}", worded(&.0.cause))]
    Interrupted(Box<Ended<Failure>>),
    /// The request itself is wrong.
    #[error("invalid request: {0}")]
    InvalidRequest(InvalidRequest),
    /// `model` names no route and no target.
    #[error("no route or target is named {asked:?}; routes: {}", .routes.join(", "))]
    UnknownModel {
        /// The name asked for, cut to 256 characters.
        asked: String,
        /// The names of the routes.
        routes: Vec<String>,
    },
    /// A provider's configuration is wrong.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The client cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

fn told(cause: Option<&Failure>) -> String {
    cause.map(|failure| format!(": {}", worded(failure))).unwrap_or_default()
}

/// A failure with the provider's words, which its one-line form leaves out when it has a status or code.
fn worded(failure: &Failure) -> String {
    if failure.status().is_some() || failure.code().is_some() {
        format!("{failure}: {}", failure.detail())
    } else {
        failure.to_string()
    }
}

/// How a request ended without an answer.
#[derive(Debug, Clone)]
pub struct Ended<T> {
    /// Why.
    pub cause: T,
    /// Who was tried, and what became of it.
    pub report: Report,
    /// The soonest time at which a target of the route reopens, if time alone helps.
    pub reopens: Option<Duration>,
}

/// What one HTTP response can say about an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
}

impl Error {
    /// Everything that happened, if a target was reached or skipped.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Blocked(ended) => Some(&ended.report),
            Self::Surfaced(ended) | Self::Interrupted(ended) => Some(&ended.report),
            Self::Exhausted(ended) => Some(&ended.report),
            Self::InvalidRequest(_) | Self::UnknownModel { .. } | Self::Config(_) | Self::Build(_) => None,
        }
    }

    pub(crate) fn report_mut(&mut self) -> Option<&mut Report> {
        match self {
            Self::Blocked(ended) => Some(&mut ended.report),
            Self::Surfaced(ended) | Self::Interrupted(ended) => Some(&mut ended.report),
            Self::Exhausted(ended) => Some(&mut ended.report),
            Self::InvalidRequest(_) | Self::UnknownModel { .. } | Self::Config(_) | Self::Build(_) => None,
        }
    }

    /// The HTTP status that says it to a client: 400 a mistake of the caller, 404 model, 413 size, 429 all
    /// rate-limited, 502 upstream faults, 503 all open or overloaded, 504 deadline.
    pub fn status(&self) -> u16 {
        self.told().status
    }

    /// The machine-readable code that goes with [`Error::status`].
    pub fn code(&self) -> &'static str {
        self.told().code
    }

    /// The soonest time at which the same request may succeed; `None` when waiting does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Exhausted(ended) => ended.reopens,
            Self::Surfaced(ended) | Self::Interrupted(ended) => ended.reopens,
            Self::Blocked(_)
            | Self::InvalidRequest(_)
            | Self::UnknownModel { .. }
            | Self::Config(_)
            | Self::Build(_) => None,
        }
    }

    fn told(&self) -> Told {
        match self {
            Self::Blocked(_) => Told { status: 400, code: "content_filter" },
            Self::Surfaced(ended) | Self::Interrupted(ended) => told_of(&ended.cause),
            Self::Exhausted(ended) => match &ended.cause {
                Some(failure) => told_of(failure),
                None => told_of_skips(&ended.report),
            },
            Self::InvalidRequest(_) => Told { status: 400, code: "invalid_request" },
            Self::UnknownModel { .. } => Told { status: 404, code: "model_not_found" },
            Self::Config(_) | Self::Build(_) => Told { status: 500, code: "invalid_config" },
        }
    }
}

fn told_of(failure: &Failure) -> Told {
    let then = failure.kind().consequences();
    let status = if then.status == 0 { failure.status().unwrap_or(400) } else { then.status };
    Told { status, code: then.code }
}

/// Nobody was called: the reasons for that are the answer.
fn told_of_skips(report: &Report) -> Told {
    let all = |test: fn(&Skip) -> bool| {
        report.trace.rows().iter().all(|row| match &row.end {
            AttemptEnd::Skipped { why, .. } => test(why),
            AttemptEnd::Running
            | AttemptEnd::Ok { .. }
            | AttemptEnd::Failed(_)
            | AttemptEnd::Blocked { .. }
            | AttemptEnd::Cancelled => false,
        })
    };
    let limit = report.trace.rows().iter().find_map(|row| match &row.end {
        AttemptEnd::Skipped { why: Skip::Budget { limit, .. }, .. } => Some(*limit),
        _ => None,
    });
    if let Some(limit) = limit {
        // Nothing but money, or time, lets a tenant go on.
        let status = if limit.starts_with("usd") { 402 } else { 429 };
        Told { status, code: "budget_exceeded" }
    } else if report.trace.rows().is_empty() {
        Told { status: 503, code: "no_target" }
    } else if all(|why| matches!(why, Skip::Inadmissible(_))) {
        Told { status: 400, code: "unsupported_parameter" }
    } else if all(|why| matches!(why, Skip::KeyRejected)) {
        Told { status: 502, code: "upstream_credentials" }
    } else if all(|why| matches!(why, Skip::NoTime)) {
        Told { status: 504, code: "deadline_exceeded" }
    } else {
        Told { status: 503, code: "all_targets_unavailable" }
    }
}

/// Why a client cannot be built: the place in the configuration, the value there, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    /// Every problem found.
    pub problems: Vec<InvalidConfig>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl BuildError {
    /// One problem that a mechanism's own check found.
    pub(crate) fn new(problem: InvalidConfig) -> Self {
        Self { problems: vec![problem] }
    }
}

impl error::Error for BuildError {}
