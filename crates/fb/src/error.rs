mod http;

use std::{error, fmt, time::Duration};

use fb_core::{Block, Failure, InvalidConfig, InvalidRequest, Report, RequestError};
use thiserror::Error as ThisError;

pub use self::http::{ErrorCode, ErrorType, HttpError};

/// The error of a request, or of building a client.
///
/// Every error of a request that reached its targets carries a [`Report`] with each attempt.
///
/// # Examples
///
/// ```
/// use fb::{Error, ErrorCode};
/// use fb_core::InvalidRequest;
///
/// let error = Error::InvalidRequest(InvalidRequest::field("n", "n: 2; expected 1"));
/// assert_eq!((error.status(), error.code()), (400, "invalid_request"));
/// assert!(!error.http().retryable);
/// ```
#[derive(Debug, Clone, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A provider refused the content. The request is neither retried nor sent to another provider.
    #[error("blocked: {}", .0.cause.detail)]
    Blocked(Box<Ended<Block>>),
    /// A failure that must not be hidden by another target, such as a mistake in the request.
    #[error("{}", .0.cause.with_detail())]
    Surfaced(Box<Ended<Failure>>),
    /// Every target failed or was skipped. The cause is the most significant failure; `None` if no target was called.
    #[error("no target could answer{}", suffix(.0))]
    Exhausted(Box<Ended<Option<Failure>>>),
    /// A stream failed after its first output had been returned.
    #[error("the stream broke off: {}", .0.cause.with_detail())]
    Interrupted(Box<Ended<Failure>>),
    /// The request is malformed or a value in it is invalid.
    #[error("invalid request: {0}")]
    InvalidRequest(InvalidRequest),
    /// `model` names no route and no target.
    #[error("no route or target is named {model:?}; routes: {}", .routes.join(", "))]
    UnknownModel {
        /// The requested name, cut to 256 characters.
        model: String,
        /// The names of the routes.
        routes: Vec<String>,
    },
    /// A provider's configuration is invalid.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The client's configuration is invalid.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Returns the cause, and the limit that prevented another call.
fn suffix(ended: &Ended<Option<Failure>>) -> String {
    let cause = ended.cause.as_ref().map(|failure| format!(": {}", failure.with_detail()));
    let limit = ended.report.limit.map(|limit| format!("; {limit}"));
    [cause, limit].into_iter().flatten().collect()
}

/// The end of a request without an answer.
#[derive(Debug, Clone)]
pub struct Ended<T> {
    /// The cause.
    pub cause: T,
    /// Every attempt with its outcome.
    pub report: Report,
    /// Time until the first target of the route may be called again; `None` if waiting does not help.
    pub reopens: Option<Duration>,
}

impl Error {
    /// Returns the report of a request that reached its targets.
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

    /// Returns the code of the error, from which everything in an HTTP response follows.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::Blocked(_) => ErrorCode::ContentFilter,
            Self::Surfaced(ended) | Self::Interrupted(ended) => ErrorCode::for_failure(&ended.cause),
            Self::Exhausted(ended) => ErrorCode::exhausted(ended.cause.as_ref(), &ended.report),
            Self::InvalidRequest(_) => ErrorCode::InvalidRequest,
            Self::UnknownModel { .. } => ErrorCode::ModelNotFound,
            Self::Config(_) | Self::Build(_) => ErrorCode::InvalidConfig,
        }
    }

    /// Returns the error as an HTTP response reports it.
    pub fn http(&self) -> HttpError {
        let http = self.error_code().http();
        // After any other status a client does not wait.
        let is_temporary = matches!(http.status, 402 | 429 | 502..=504);
        HttpError { retry_after: self.retry_after().filter(|_| is_temporary), ..http }
    }

    /// Returns the HTTP status of [`Error::http`]: 4xx for mistakes in the request and limits, 502 for failures of
    /// targets, 503 if none is available and 504 for timeouts.
    pub fn status(&self) -> u16 {
        self.http().status
    }

    /// Returns the machine-readable code of [`Error::http`].
    pub fn code(&self) -> &'static str {
        self.http().code
    }

    /// Returns the error as observers receive it.
    pub(crate) fn as_reported(&self) -> RequestError {
        self.error_code().as_reported()
    }

    /// Returns the time until the same request may succeed; `None` if it is unknown or waiting does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Exhausted(ended) if ended.cause.is_none() => {
                http::retry_after_skips(&ended.report, ended.reopens)
            }
            Self::Exhausted(ended) => ended.reopens,
            Self::Surfaced(ended) | Self::Interrupted(ended) => ended.reopens,
            Self::Blocked(_)
            | Self::InvalidRequest(_)
            | Self::UnknownModel { .. }
            | Self::Config(_)
            | Self::Build(_) => None,
        }
    }
}

/// The error of building a client from an invalid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    /// Every problem found, each with its field, its value and the expected one.
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
    /// Creates the error of a single problem.
    pub(crate) fn new(problem: InvalidConfig) -> Self {
        Self { problems: vec![problem] }
    }
}

impl error::Error for BuildError {}
