mod http;

use std::{error, fmt, time::Duration};

use fb_core::{AttemptEnd, Block, Failure, InvalidConfig, InvalidRequest, Report, RequestError};

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
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// A provider refused the content. The request is neither retried nor sent to another provider.
    Blocked(Box<Ended<Block>>),
    /// A failure that must not be hidden by another target, such as a mistake in the request.
    Surfaced(Box<Ended<Failure>>),
    /// Every target failed or was skipped. The cause is the most significant failure; `None` if no target was called.
    Exhausted(Box<Ended<Option<Failure>>>),
    /// A stream failed after its first output had been returned.
    Interrupted(Box<Ended<Failure>>),
    /// The request is malformed or a value in it is invalid.
    InvalidRequest(InvalidRequest),
    /// `model` names no route and no target.
    UnknownModel {
        /// The requested name, cut to 256 characters.
        model: String,
        /// The names of the routes.
        routes: Vec<String>,
    },
    /// A provider's configuration is invalid.
    Config(InvalidConfig),
    /// The client's configuration is invalid.
    Build(BuildError),
}

impl fmt::Display for Error {
    /// Writes what happened, and for requests that no target answered the [reason](Report::reasons) of each target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(ended) if !ended.report.trace.rows().is_empty() => {
                write!(f, "no target could answer: {}{}", reasons(ended), limit(ended))
            }
            other => f.write_str(&other.summary()),
        }
    }
}

/// Returns the reason of each target. The failure of an earlier request, because of which a target rests, follows.
fn reasons(ended: &Ended<Option<Failure>>) -> String {
    let has_failed = |cause: &Failure| {
        let mut rows = ended.report.trace.rows().iter();
        rows.any(|row| matches!(&row.end, AttemptEnd::Failed(failure) if failure == cause))
    };
    let earlier = ended.cause.as_ref().filter(|cause| !has_failed(cause));
    let earlier = earlier.map(|cause| format!("; {}", cause.with_detail())).unwrap_or_default();
    ended.report.reasons() + &earlier
}

/// Returns the limit that prevented another call, as the end of a message.
fn limit<T>(ended: &Ended<T>) -> String {
    ended.report.limit.map(|limit| format!("; {limit}")).unwrap_or_default()
}

impl error::Error for Error {
    /// Returns the failure of a target, the source of which is the error below it, or the invalid setting or field.
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Surfaced(ended) | Self::Interrupted(ended) => Some(&ended.cause),
            Self::Exhausted(ended) => ended.cause.as_ref().map(|failure| failure as _),
            Self::InvalidRequest(invalid) => Some(invalid),
            Self::Config(invalid) => Some(invalid),
            Self::Build(invalid) => invalid.source(),
            Self::Blocked(_) | Self::UnknownModel { .. } => None,
        }
    }
}

impl From<InvalidConfig> for Error {
    fn from(invalid: InvalidConfig) -> Self {
        Self::Config(invalid)
    }
}

impl From<BuildError> for Error {
    fn from(invalid: BuildError) -> Self {
        Self::Build(invalid)
    }
}

/// The end of a request without an answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ended<T> {
    /// The cause.
    pub cause: T,
    /// Every attempt with its outcome.
    pub report: Report,
    /// Time until the first target of the route may be called again; `None` if waiting does not help.
    pub reopens: Option<Duration>,
}

impl Error {
    /// Returns the message without the names of targets: of several failures the most significant one.
    pub fn summary(&self) -> String {
        match self {
            Self::Blocked(ended) => format!("blocked: {}", ended.cause.detail),
            Self::Surfaced(ended) => ended.cause.with_detail(),
            Self::Exhausted(ended) => {
                let cause = ended.cause.as_ref().map(|failure| format!(": {}", failure.with_detail()));
                format!("no target could answer{}{}", cause.unwrap_or_default(), limit(ended))
            }
            Self::Interrupted(ended) => format!("the stream broke off: {}", ended.cause.with_detail()),
            Self::InvalidRequest(invalid) => format!("invalid request: {invalid}"),
            Self::UnknownModel { model, routes } => {
                format!("no route or target is named {model:?}; routes: {}", routes.join(", "))
            }
            Self::Config(invalid) => invalid.to_string(),
            Self::Build(invalid) => invalid.to_string(),
        }
    }

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
#[non_exhaustive]
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

impl error::Error for BuildError {
    /// Returns the first problem.
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.problems.first().map(|problem| problem as _)
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io};

    use expect_test::expect;
    use fb_core::{Attempt, FailureKind, Limit, Next, Skip, Trace};

    use super::*;

    fn row(target: &str, end: AttemptEnd) -> Attempt {
        let (target, number) =
            (target.parse().unwrap(), u32::from(!matches!(end, AttemptEnd::Skipped { .. })));
        let (at, took) = (Duration::ZERO, Duration::ZERO);
        let mut row = Attempt::new(target, number, end);
        row.at = at;
        row.took = took;
        row.next = Next::Hop;
        row
    }

    fn exhausted(cause: Option<Failure>, rows: Vec<Attempt>, limit: Option<Limit>) -> Error {
        let report = Report::with(|report| {
            report.trace = Trace::new(rows);
            report.limit = limit;
        });
        Error::Exhausted(Box::new(Ended { cause, report, reopens: None }))
    }

    #[test]
    fn an_exhausted_request_displays_every_target_with_its_reason() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let failure = Failure::new(FailureKind::Connect, "cannot connect").with_source(refused);
        let open = AttemptEnd::Skipped { why: Skip::BreakerOpen, reopens: Some(Duration::from_secs(5)) };
        let rows = vec![row("a/m", open), row("b/n", AttemptEnd::Failed(failure.clone()))];
        let error = exhausted(Some(failure.clone()), rows, Some(Limit::Retries));
        expect!["no target could answer: a/m: skipped: breaker open, reopens in 5.00 s; b/n: connect (cannot connect); max_retries is reached"].assert_eq(&error.to_string());
        expect!["no target could answer: connect (cannot connect); max_retries is reached"]
            .assert_eq(&error.summary());

        // The failure and the error below it are the sources.
        let source = error.source().unwrap();
        assert_eq!(source.downcast_ref::<Failure>(), Some(&failure));
        assert_eq!(source.source().unwrap().to_string(), "connection refused");

        let long = Failure::new(FailureKind::Malformed, "x".repeat(5_000));
        let rows = (0..20).map(|n| row(&format!("p{n}/m"), AttemptEnd::Failed(long.clone()))).collect();
        let message = exhausted(Some(long), rows, None).to_string();
        assert!(message.len() < 2_000 && message.ends_with("…; and 12 more"), "{message}");
    }
}
