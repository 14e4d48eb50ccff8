use std::{error::Error, fmt, str::FromStr, sync::Arc, time::Duration};

use thiserror::Error as ThisError;

/// Why a call did not give a usable answer.
///
/// Only what a *call* can be: reasons for which no call was made are [`Skip`](crate::Skip)s, and a content-policy
/// refusal is a [`Block`](crate::Block). What follows from each kind is one table:
/// [`FailureKind::consequences`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection: DNS, refused, TLS.
    Connect,
    /// Nothing came in time.
    Timeout(Phase),
    /// The connection broke: reset, HTTP/2 GOAWAY.
    Network,
    /// A kept-alive connection had been closed before any byte of the answer.
    StaleConnection,
    /// The answer ended before the provider's end signal.
    Interrupted,
    /// The provider has too much to do (529, 503 overloaded, in-stream overload).
    Overloaded,
    /// The provider failed (5xx, in-stream error).
    ServerError,
    /// Too many requests or tokens for now (429).
    RateLimited,
    /// Credit, spend cap or daily quota used up.
    QuotaExhausted,
    /// The key is wrong.
    Auth,
    /// The key may not do this.
    Permission,
    /// The provider does not serve this country or region.
    Region,
    /// No such model, deployment or access to it.
    ModelNotFound,
    /// The prompt does not fit the model's window.
    ContextLength,
    /// The provider rejects the request (400, 422).
    InvalidRequest,
    /// The body is too large (413), or one request exceeds the whole rate.
    TooLarge,
    /// An answer that cannot be used: undecodable, empty, HTML, bad tool JSON.
    Malformed,
    /// A quality gate said no.
    Quality,
    /// Nothing matched.
    Unknown {
        /// Whether the status was 5xx.
        server: bool,
    },
}

/// Where the time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before there was a connection.
    Connect,
    /// Before the answer's head.
    FirstByte,
    /// Before the first semantic event of a stream.
    FirstToken,
    /// Between two frames of a stream.
    Idle,
    /// Of the whole attempt or stream.
    Total,
}

impl FailureKind {
    /// Every kind once, timeouts and unknowns with one representative.
    pub const ALL: [Self; 19] = [
        Self::Connect,
        Self::Timeout(Phase::Total),
        Self::Network,
        Self::StaleConnection,
        Self::Interrupted,
        Self::Overloaded,
        Self::ServerError,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Auth,
        Self::Permission,
        Self::Region,
        Self::ModelNotFound,
        Self::ContextLength,
        Self::InvalidRequest,
        Self::TooLarge,
        Self::Malformed,
        Self::Quality,
        Self::Unknown { server: true },
    ];

    /// The name used in traces, `trigger_on`, statistics and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout(_) => "timeout",
            Self::Network => "network",
            Self::StaleConnection => "stale_connection",
            Self::Interrupted => "interrupted",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::Region => "region",
            Self::ModelNotFound => "model_not_found",
            Self::ContextLength => "context_length",
            Self::InvalidRequest => "invalid_request",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Quality => "quality",
            Self::Unknown { .. } => "unknown",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FailureKind {
    type Err = UnknownFailureKind;

    fn from_str(text: &str) -> Result<Self, UnknownFailureKind> {
        let named = Self::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| UnknownFailureKind(text.chars().take(64).collect()))
    }
}

/// A word that names no failure kind.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error(
    "{0:?} is no failure kind; expected one of connect, timeout, network, stale_connection, interrupted, \
         overloaded, server_error, rate_limited, quota_exhausted, auth, permission, region, model_not_found, \
         context_length, invalid_request, too_large, malformed, quality, unknown"
)]
pub struct UnknownFailureKind(String);

/// A classified failure with what the provider said about it; cloning shares it.
#[derive(Clone)]
pub struct Failure(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    kind: FailureKind,
    detail: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    hint: Option<Duration>,
    should_retry: Option<bool>,
    gate: Option<&'static str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure of a kind; `detail` is short, redacted and without the prompt.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self(Arc::new(Facts {
            kind,
            detail: detail.into(),
            status: None,
            code: None,
            request_id: None,
            hint: None,
            should_retry: None,
            gate: None,
            source: None,
        }))
    }

    fn with(mut self, set: impl FnOnce(&mut Facts)) -> Self {
        set(Arc::make_mut(&mut self.0));
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        self.with(|facts| facts.status = Some(status))
    }

    /// Adds the provider's own code or type.
    #[must_use]
    pub fn with_code(self, code: Option<String>) -> Self {
        self.with(|facts| facts.code = code)
    }

    /// Adds the provider's id of the request.
    #[must_use]
    pub fn with_request_id(self, id: Option<String>) -> Self {
        self.with(|facts| facts.request_id = id)
    }

    /// Adds how long the provider asks to wait.
    #[must_use]
    pub fn with_hint(self, hint: Option<Duration>) -> Self {
        self.with(|facts| facts.hint = hint)
    }

    /// Adds the provider's word on whether a retry makes sense (`x-should-retry`).
    #[must_use]
    pub fn with_should_retry(self, should: Option<bool>) -> Self {
        self.with(|facts| facts.should_retry = should)
    }

    /// Adds the quality gate that said no: one of the gates' own few words.
    #[must_use]
    pub fn with_gate(self, gate: &'static str) -> Self {
        self.with(|facts| facts.gate = Some(gate))
    }

    /// Adds the error behind it.
    #[must_use]
    pub fn with_source(self, source: impl Error + Send + Sync + 'static) -> Self {
        self.with(|facts| facts.source = Some(Arc::new(source)))
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// What happened, short and redacted.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The provider's own code or type.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The provider's id of the request, for its support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the provider asks to wait.
    pub fn hint(&self) -> Option<Duration> {
        self.0.hint
    }

    /// The provider's word on whether a retry makes sense.
    pub fn should_retry(&self) -> Option<bool> {
        self.0.should_retry
    }

    /// The quality gate that said no.
    pub fn gate(&self) -> Option<&'static str> {
        self.0.gate
    }
}

impl fmt::Display for Failure {
    /// One short line for a trace: the kind, and the status with the provider's code, or else what happened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &*self.0;
        write!(f, "{}", facts.kind)?;
        match (facts.status, &facts.code) {
            (Some(status), Some(code)) => write!(f, " ({status} {code})"),
            (Some(status), None) => write!(f, " ({status})"),
            (None, Some(code)) => write!(f, " ({code})"),
            (None, None) if facts.detail.is_empty() => Ok(()),
            (None, None) => write!(f, " ({})", facts.detail),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.0.kind)
            .field("detail", &self.0.detail)
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("request_id", &self.0.request_id)
            .field("hint", &self.0.hint)
            .field("gate", &self.0.gate)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Failure {
    /// Compares everything but the error behind it.
    fn eq(&self, other: &Self) -> bool {
        let key = |f: &Self| {
            let Facts { kind, status, hint, should_retry, gate, .. } = *f.0;
            (kind, status, hint, should_retry, gate)
        };
        let text = |f: &Self| (f.0.detail.clone(), f.0.code.clone(), f.0.request_id.clone());
        key(self) == key(other) && text(self) == text(other)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_again() {
        for kind in FailureKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("blocked".parse::<FailureKind>().is_err());
    }

    #[test]
    fn a_failure_prints_as_one_short_line() {
        let overloaded = Failure::new(FailureKind::Overloaded, "Overloaded")
            .with_status(529)
            .with_code(Some("overloaded_error".to_owned()));
        assert_eq!(overloaded.to_string(), "overloaded (529 overloaded_error)");
        let late = Failure::new(FailureKind::Timeout(Phase::Total), "no answer in 30 s");
        assert_eq!(late.to_string(), "timeout (no answer in 30 s)");
        assert_eq!(size_of::<Failure>(), 8);
    }
}
