//! Errors over HTTP: one table of status, code, type and retryability.

#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use fb_core::{AttemptEnd, Failure, FailureKind, Report, RequestError, Skip};

#[cfg(test)]
mod tests;

/// Delay after which a request may be repeated that was refused for lack of capacity: of memory, or of a target's slots.
const CAPACITY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// An error as an HTTP response reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpError {
    /// The status. For [`ErrorCode::ProviderStatus`] it is the provider's and need not be a valid HTTP status.
    pub status: u16,
    /// The machine-readable code.
    pub code: &'static str,
    /// The type of the error in an API's error envelope.
    pub error_type: ErrorType,
    /// `true` if the same request may succeed later without any repair.
    pub retryable: bool,
    /// Time until the same request may succeed; `None` if it is unknown or waiting does not help.
    pub retry_after: Option<Duration>,
}

/// The type of an error, from which each API dialect prints its own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    /// The request is wrong.
    InvalidRequest,
    /// Money or credit is used up.
    InsufficientQuota,
    /// Too many requests or tokens for now.
    RateLimit,
    /// No target can answer at the moment.
    Unavailable,
    /// A target, or the gateway, failed.
    Api,
}

/// Every code of an error response: those of [`Error`](crate::Error), then those of a server in front of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A provider refused the content.
    ContentFilter,
    /// The request is malformed or a value in it is invalid.
    InvalidRequest,
    /// A provider rejected the request with this status, which has no classification of its own.
    ProviderStatus(u16),
    /// No target supports a parameter of the request.
    UnsupportedParameter,
    /// The prompt exceeds the context window of every target.
    ContextLengthExceeded,
    /// The model is unknown.
    ModelNotFound,
    /// The request body is too large.
    RequestTooLarge,
    /// A tenant's limit on money is reached.
    MoneyBudgetExceeded,
    /// A tenant's limit on requests or tokens per minute is reached.
    RateBudgetExceeded,
    /// The provider's rate limit is reached.
    RateLimitExceeded,
    /// The credit or quota at the provider is used up.
    InsufficientQuota,
    /// The configuration is invalid.
    InvalidConfig,
    /// No connection to the provider could be established.
    UpstreamUnreachable,
    /// The provider did not answer in time.
    UpstreamTimeout,
    /// The connection to the provider broke.
    UpstreamNetwork,
    /// The provider's answer ended early.
    UpstreamInterrupted,
    /// The provider is overloaded.
    UpstreamOverloaded,
    /// The provider failed.
    UpstreamError,
    /// The provider rejected the API key.
    UpstreamCredentials,
    /// The API key lacks a permission at the provider.
    UpstreamPermission,
    /// The provider does not serve this country or region.
    UpstreamRegion,
    /// The provider's answer could not be parsed.
    UpstreamMalformed,
    /// The answer failed a quality gate.
    QualityGate,
    /// The deadline passed before a target could be called.
    DeadlineExceeded,
    /// The route has no target for the request.
    NoTarget,
    /// No target of the route could be called.
    AllTargetsUnavailable,
    /// The admin token is missing or wrong.
    InvalidAdminToken,
    /// The head of a request is larger than the server accepts.
    HeadTooLarge,
    /// The API key of a caller is missing or unknown.
    InvalidApiKey,
    /// A web page of another origin, or a name that the listener does not serve.
    ForbiddenOrigin,
    /// The admin API refuses changes because no token is configured.
    AdminTokenNotConfigured,
    /// No endpoint has this path.
    UnknownUrl,
    /// No target has this name.
    TargetNotFound,
    /// No route has this name.
    RouteNotFound,
    /// No provider has this name.
    ProviderNotFound,
    /// A provider cannot be removed while routes use it.
    ProviderInUse,
    /// No trace of this request is stored.
    TraceNotFound,
    /// No level has this name.
    UnknownLevel,
    /// The endpoint does not accept the method.
    MethodNotAllowed,
    /// The request was not received in time.
    RequestTimeout,
    /// The server holds too many request bodies.
    Overloaded,
}

const fn row(status: u16, code: &'static str, error_type: ErrorType, retryable: bool) -> HttpError {
    HttpError { status, code, error_type, retryable, retry_after: None }
}

impl ErrorCode {
    /// Returns status, code, type and retryability. This is the only place that decides them.
    pub const fn http(self) -> HttpError {
        use ErrorType::{Api, InsufficientQuota, InvalidRequest, RateLimit, Unavailable};
        match self {
            Self::ContentFilter => row(400, "content_filter", InvalidRequest, false),
            Self::InvalidRequest => row(400, "invalid_request", InvalidRequest, false),
            Self::ProviderStatus(status) => provider_status(status),
            Self::UnsupportedParameter => row(400, "unsupported_parameter", InvalidRequest, false),
            Self::ContextLengthExceeded => row(400, "context_length_exceeded", InvalidRequest, false),
            Self::ModelNotFound => row(404, "model_not_found", InvalidRequest, false),
            Self::RequestTooLarge => row(413, "request_too_large", InvalidRequest, false),
            Self::MoneyBudgetExceeded => row(402, "budget_exceeded", InsufficientQuota, false),
            Self::RateBudgetExceeded => row(429, "budget_exceeded", RateLimit, false),
            Self::RateLimitExceeded => row(429, "rate_limit_exceeded", RateLimit, true),
            Self::InsufficientQuota => row(429, "insufficient_quota", InsufficientQuota, false),
            Self::InvalidConfig => row(500, "invalid_config", Api, true),
            Self::UpstreamUnreachable => row(502, "upstream_unreachable", Api, true),
            Self::UpstreamTimeout => row(504, "upstream_timeout", Api, true),
            Self::UpstreamNetwork => row(502, "upstream_network", Api, true),
            Self::UpstreamInterrupted => row(502, "upstream_interrupted", Api, true),
            Self::UpstreamOverloaded => row(503, "upstream_overloaded", Unavailable, true),
            Self::UpstreamError => row(502, "upstream_error", Api, true),
            Self::UpstreamCredentials => row(502, "upstream_credentials", Api, false),
            Self::UpstreamPermission => row(502, "upstream_permission", Api, false),
            Self::UpstreamRegion => row(502, "upstream_region", Api, false),
            Self::UpstreamMalformed => row(502, "upstream_malformed", Api, true),
            Self::QualityGate => row(502, "quality_gate", Api, true),
            Self::DeadlineExceeded => row(504, "deadline_exceeded", Api, true),
            Self::NoTarget => row(503, "no_target", Unavailable, true),
            Self::AllTargetsUnavailable => row(503, "all_targets_unavailable", Unavailable, true),
            Self::InvalidAdminToken => row(401, "invalid_admin_token", InvalidRequest, false),
            Self::HeadTooLarge => row(431, "head_too_large", InvalidRequest, false),
            Self::InvalidApiKey => row(401, "invalid_api_key", InvalidRequest, false),
            Self::ForbiddenOrigin => row(403, "forbidden_origin", InvalidRequest, false),
            Self::AdminTokenNotConfigured => row(403, "admin_token_not_configured", InvalidRequest, false),
            Self::UnknownUrl => row(404, "unknown_url", InvalidRequest, false),
            Self::TargetNotFound => row(404, "target_not_found", InvalidRequest, false),
            Self::RouteNotFound => row(404, "route_not_found", InvalidRequest, false),
            Self::ProviderNotFound => row(404, "provider_not_found", InvalidRequest, false),
            Self::ProviderInUse => row(409, "provider_in_use", InvalidRequest, false),
            Self::TraceNotFound => row(404, "trace_not_found", InvalidRequest, false),
            Self::UnknownLevel => row(400, "unknown_level", InvalidRequest, false),
            Self::MethodNotAllowed => row(405, "method_not_allowed", InvalidRequest, false),
            Self::RequestTimeout => row(408, "request_timeout", InvalidRequest, false),
            Self::Overloaded => {
                let overloaded = row(503, "overloaded", Unavailable, true);
                HttpError { retry_after: Some(CAPACITY_RETRY_AFTER), ..overloaded }
            }
        }
    }

    /// Returns the code of a request that ended with a failed call.
    pub fn for_failure(failure: &Failure) -> Self {
        match failure.kind() {
            FailureKind::Connect => Self::UpstreamUnreachable,
            FailureKind::Timeout(_) => Self::UpstreamTimeout,
            FailureKind::Network | FailureKind::StaleConnection => Self::UpstreamNetwork,
            FailureKind::Interrupted => Self::UpstreamInterrupted,
            FailureKind::Overloaded => Self::UpstreamOverloaded,
            FailureKind::ServerError | FailureKind::Unknown { server: true } => Self::UpstreamError,
            FailureKind::RateLimited => Self::RateLimitExceeded,
            FailureKind::QuotaExhausted => Self::InsufficientQuota,
            FailureKind::Auth => Self::UpstreamCredentials,
            FailureKind::Permission => Self::UpstreamPermission,
            FailureKind::Region => Self::UpstreamRegion,
            FailureKind::ModelNotFound => Self::ModelNotFound,
            FailureKind::ContextLength => Self::ContextLengthExceeded,
            FailureKind::InvalidRequest => Self::InvalidRequest,
            FailureKind::TooLarge => Self::RequestTooLarge,
            FailureKind::Malformed => Self::UpstreamMalformed,
            FailureKind::Quality => Self::QualityGate,
            FailureKind::Unknown { server: false } => {
                failure.status().map_or(Self::InvalidRequest, Self::ProviderStatus)
            }
        }
    }

    /// Returns the code of a request that every target failed or was skipped for.
    pub(crate) fn exhausted(cause: Option<&Failure>, report: &Report) -> Self {
        cause.map_or_else(|| Self::for_skips(report), Self::for_failure)
    }

    /// Returns status and code as observers receive them.
    pub(crate) const fn as_reported(self) -> RequestError {
        let HttpError { status, code, .. } = self.http();
        RequestError::new(status, code)
    }

    /// Returns the code of a request for which no target was called, from the reasons of the skipped targets.
    fn for_skips(report: &Report) -> Self {
        let attempts = report.trace.rows();
        let reasons = || attempts.iter().map(|attempt| skip_reason(&attempt.end));
        let all = |test: fn(&Skip) -> bool| reasons().all(|reason| reason.is_some_and(test));
        // A tenant's limit applies to all targets alike: one that it skipped explains the others.
        let budget = reasons().find_map(|reason| {
            let Some(Skip::Budget { money, .. }) = reason else { return None };
            Some(if *money { Self::MoneyBudgetExceeded } else { Self::RateBudgetExceeded })
        });
        match budget {
            Some(code) => code,
            None if attempts.is_empty() => Self::NoTarget,
            None if all(|reason| matches!(reason, Skip::Inadmissible(_))) => Self::UnsupportedParameter,
            None if all(|reason| matches!(reason, Skip::KeyRejected)) => Self::UpstreamCredentials,
            None if all(|reason| matches!(reason, Skip::NoTime)) => Self::DeadlineExceeded,
            None => Self::AllTargetsUnavailable,
        }
    }
}

/// Returns the time until a request may succeed that no target was called for, given the time until one reopens. The
/// capacity of a target may be free again at any time.
pub(super) fn retry_after_skips(report: &Report, reopens: Option<Duration>) -> Option<Duration> {
    let is_at_capacity =
        report.trace.rows().iter().any(|row| matches!(skip_reason(&row.end), Some(Skip::AtCapacity)));
    if is_at_capacity && ErrorCode::for_skips(report) == ErrorCode::AllTargetsUnavailable {
        return Some(reopens.map_or(CAPACITY_RETRY_AFTER, |reopens| reopens.min(CAPACITY_RETRY_AFTER)));
    }
    reopens
}

/// Returns the row of a status that the provider chose.
const fn provider_status(status: u16) -> HttpError {
    use ErrorType::{Api, InsufficientQuota, InvalidRequest, RateLimit, Unavailable};
    let (error_type, retryable) = match status {
        402 => (InsufficientQuota, false),
        408 => (InvalidRequest, true),
        429 => (RateLimit, true),
        503 => (Unavailable, true),
        500.. => (Api, true),
        _ => (InvalidRequest, false),
    };
    row(status, "invalid_request", error_type, retryable)
}

const fn skip_reason(end: &AttemptEnd) -> Option<&Skip> {
    match end {
        AttemptEnd::Skipped { why, .. } => Some(why),
        AttemptEnd::Running
        | AttemptEnd::Ok { .. }
        | AttemptEnd::Failed(_)
        | AttemptEnd::Blocked { .. }
        | AttemptEnd::Cancelled => None,
    }
}
