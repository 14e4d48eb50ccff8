use std::{error::Error, fmt, str::FromStr, sync::Arc, time::Duration};

use thiserror::Error as ThisError;

use crate::Scope;

/// The kind of a failed call.
///
/// Reasons for not making a call are [`Skip`](crate::Skip)s, and a content-policy refusal is a [`Block`](crate::Block).
/// [`FailureKind::consequences`] lists the consequences of every kind.
///
/// # Examples
///
/// ```
/// use fb_core::{FailureKind, Hop, Retry};
///
/// let kind: FailureKind = "context_length".parse()?;
/// let consequences = kind.consequences();
/// assert_eq!((consequences.retry, consequences.hop), (Retry::Never, Hop::LargerWindow));
/// # Ok::<(), fb_core::UnknownFailureKind>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection could be made: DNS, connection refused, TLS.
    Connect,
    /// A timeout expired.
    Timeout(Phase),
    /// The connection was lost: reset, HTTP/2 GOAWAY.
    Network,
    /// A kept-alive connection was closed before any byte of the answer.
    StaleConnection,
    /// The answer ended before the provider's end signal.
    Interrupted,
    /// The provider is overloaded (529, 503 overloaded, in-stream overload).
    Overloaded,
    /// The provider reported an internal error (5xx, in-stream error).
    ServerError,
    /// A rate limit on requests or tokens was reached (429).
    RateLimited,
    /// The credit, spend cap or daily quota is used up.
    QuotaExhausted,
    /// The key was rejected.
    Auth,
    /// The key lacks the permission for this call.
    Permission,
    /// The provider does not serve this country or region.
    Region,
    /// The model or deployment does not exist, or the key has no access to it.
    ModelNotFound,
    /// The prompt exceeds the model's context window.
    ContextLength,
    /// The provider rejected the request (400, 422).
    InvalidRequest,
    /// The body is too large (413), or a single request exceeds the rate limit.
    TooLarge,
    /// The answer is unusable: undecodable, empty, HTML, invalid tool arguments.
    Malformed,
    /// A quality gate rejected the answer.
    Quality,
    /// The failure matches no other kind.
    Unknown {
        /// `true` if the status was 5xx.
        server: bool,
    },
}

/// The phase of a call in which a timeout expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the connection was made.
    Connect,
    /// Before the response head.
    FirstByte,
    /// Before the first semantic event of a stream.
    FirstToken,
    /// Between two frames of a stream.
    Idle,
    /// The limit of the whole attempt or stream.
    Total,
}

impl FailureKind {
    /// All kinds, with one representative for timeouts and for unknown failures.
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

    /// Returns the name used in traces, `trigger_on`, statistics and metrics.
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

    /// Returns the kinds that a name in `trigger_on` stands for: the kind of that name, or all kinds of a group.
    ///
    /// | name | kinds |
    /// |---|---|
    /// | `rate_limit` | `rate_limited`, `quota_exhausted` |
    /// | `auth_error` | `auth`, `permission`, `region` |
    /// | `network_error` | `connect`, `network`, `stale_connection`, `interrupted` |
    /// | `server_error` | `server_error`, `overloaded` |
    ///
    /// # Errors
    /// [`UnknownFailureKind`] if the name is neither.
    ///
    /// # Examples
    ///
    /// ```
    /// use fb_core::FailureKind;
    ///
    /// assert_eq!(FailureKind::named("rate_limit")?, [FailureKind::RateLimited, FailureKind::QuotaExhausted]);
    /// assert_eq!(FailureKind::named("malformed")?, [FailureKind::Malformed]);
    /// # Ok::<(), fb_core::UnknownFailureKind>(())
    /// ```
    pub fn named(name: &str) -> Result<Vec<Self>, UnknownFailureKind> {
        Ok(match name {
            "rate_limit" => vec![Self::RateLimited, Self::QuotaExhausted],
            "auth_error" => vec![Self::Auth, Self::Permission, Self::Region],
            "network_error" => {
                vec![Self::Connect, Self::Network, Self::StaleConnection, Self::Interrupted]
            }
            "server_error" => vec![Self::ServerError, Self::Overloaded],
            name => vec![name.parse()?],
        })
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

/// The error for a name that is not a failure kind.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error(
    "{0:?} is not a failure kind; expected one of connect, timeout, network, stale_connection, interrupted, \
         overloaded, server_error, rate_limited, quota_exhausted, auth, permission, region, model_not_found, \
         context_length, invalid_request, too_large, malformed, quality, unknown"
)]
pub struct UnknownFailureKind(String);

/// A classified failure with the details reported by the provider.
///
/// Cloning is cheap: clones share their data.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fb_core::{Failure, FailureKind};
///
/// let failure = Failure::new(FailureKind::RateLimited, "requests per minute")
///     .with_status(429)
///     .with_retry_after(Some(Duration::from_secs(3)));
/// assert_eq!(failure.to_string(), "rate_limited (429)");
/// ```
#[derive(Clone)]
pub struct Failure(Arc<Facts>);

#[derive(Clone)]
struct Facts {
    kind: FailureKind,
    detail: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    should_retry: Option<bool>,
    gate: Option<&'static str>,
    scope: Scope,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Creates a failure; `detail` must be short, redacted and free of prompt text.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self(Arc::new(Facts {
            kind,
            detail: detail.into(),
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            should_retry: None,
            gate: None,
            scope: Scope::Kind,
            source: None,
        }))
    }

    fn with(mut self, set: impl FnOnce(&mut Facts)) -> Self {
        set(Arc::make_mut(&mut self.0));
        self
    }

    /// Sets the HTTP status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        self.with(|facts| facts.status = Some(status))
    }

    /// Sets the provider's own error code or type.
    #[must_use]
    pub fn with_code(self, code: Option<String>) -> Self {
        self.with(|facts| facts.code = code)
    }

    /// Sets the provider's request id.
    #[must_use]
    pub fn with_request_id(self, id: Option<String>) -> Self {
        self.with(|facts| facts.request_id = id)
    }

    /// Sets the time to wait that the provider sent, usually as `Retry-After`.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        self.with(|facts| facts.retry_after = retry_after)
    }

    /// Sets the provider's advice on retries (`x-should-retry`).
    #[must_use]
    pub fn with_should_retry(self, should: Option<bool>) -> Self {
        self.with(|facts| facts.should_retry = should)
    }

    /// Sets the name of the quality gate that rejected the answer.
    #[must_use]
    pub fn with_gate(self, gate: &'static str) -> Self {
        self.with(|facts| facts.gate = Some(gate))
    }

    /// Sets the requests that the failure concerns; [`Scope::Kind`] unless set.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        self.with(|facts| facts.scope = scope)
    }

    /// Sets the underlying error, returned by [`Error::source`].
    #[must_use]
    pub fn with_source(self, source: impl Error + Send + Sync + 'static) -> Self {
        self.with(|facts| facts.source = Some(Arc::new(source)))
    }

    /// Returns the kind.
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// Returns the description, short and redacted.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Formats the failure with its description, which its `Display` omits if it has a status or a code.
    pub fn with_detail(&self) -> String {
        if self.status().is_some() || self.code().is_some() {
            format!("{self}: {}", self.detail())
        } else {
            self.to_string()
        }
    }

    /// Returns the HTTP status, if there was a response.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the provider's own error code or type.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the provider's request id, for support requests.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns the time to wait that the provider sent.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the provider's advice on retries.
    pub fn should_retry(&self) -> Option<bool> {
        self.0.should_retry
    }

    /// Returns the requests that the failure concerns.
    pub fn scope(&self) -> Scope {
        self.0.scope
    }

    /// Returns the name of the quality gate that rejected the answer.
    pub fn gate(&self) -> Option<&'static str> {
        self.0.gate
    }
}

impl fmt::Display for Failure {
    /// Writes one short line for a trace: the kind, followed by the status and the provider's code, or else the detail.
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
            .field("retry_after", &self.0.retry_after)
            .field("gate", &self.0.gate)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Failure {
    /// Compares all fields except the underlying error.
    fn eq(&self, other: &Self) -> bool {
        let key = |f: &Self| {
            let Facts { kind, status, retry_after, should_retry, gate, scope, .. } = *f.0;
            (kind, status, retry_after, should_retry, gate, scope)
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
    fn kinds_parse_from_their_names() {
        for kind in FailureKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("blocked".parse::<FailureKind>().is_err());
    }

    #[test]
    fn failure_displays_as_one_line() {
        let overloaded = Failure::new(FailureKind::Overloaded, "Overloaded")
            .with_status(529)
            .with_code(Some("overloaded_error".to_owned()));
        assert_eq!(overloaded.to_string(), "overloaded (529 overloaded_error)");
        let late = Failure::new(FailureKind::Timeout(Phase::Total), "no answer in 30 s");
        assert_eq!(late.to_string(), "timeout (no answer in 30 s)");
        assert_eq!(size_of::<Failure>(), 8);
    }
}
