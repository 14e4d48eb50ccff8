use std::time::{Duration, SystemTime};

use fb_core::{BlockCategory, Failure, FailureKind, Phase, RateLimits, Scope};
use fb_wire::{
    errors::ErrorBody,
    headers::{self, RetryHint},
};

use crate::http::Response;

/// An error that a provider reported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorResponse<'a> {
    /// The HTTP status; `None` for an error inside an answer with a success status.
    pub(crate) status: Option<u16>,
    /// The parsed body.
    pub(crate) body: &'a ErrorBody,
}

/// Returns true if a message names a model, with or without its vendor.
fn names(message: &str, model: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let name = model.rsplit('/').next().unwrap_or(model);
    !name.is_empty()
        && message.match_indices(name).any(|(index, _)| {
            let (before, after) = (&message.as_bytes()[..index], &message.as_bytes()[index + name.len()..]);
            !before.last().is_some_and(is_part) && !after.first().is_some_and(is_part)
        })
}

/// The classification of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// A failure of this kind, which concerns these requests.
    Failed(FailureKind, Scope),
    /// A content-policy refusal.
    Blocked(BlockCategory),
}

impl From<FailureKind> for ErrorClass {
    fn from(kind: FailureKind) -> Self {
        Self::Failed(kind, Scope::Kind)
    }
}

impl ErrorClass {
    /// Classifies a status when nothing else is known.
    pub(crate) const fn by_status(status: u16) -> Self {
        Self::Failed(by_status(status), Scope::Unclear)
    }
}

impl ErrorResponse<'_> {
    /// Returns the HTTP status, or for an error inside an answer the status that it gives as its code.
    pub(crate) fn status(&self) -> Option<u16> {
        let from_code =
            || self.body.code.as_deref()?.parse().ok().filter(|status| (400..600).contains(status));
        self.status.or_else(from_code)
    }

    /// Returns true if any machine-readable field equals one of `codes`, ignoring case.
    pub(crate) fn has_code(&self, codes: &[&str]) -> bool {
        let body = self.body;
        [&body.code, &body.kind, &body.detail_code, &body.error_type, &body.inner_code, &body.status]
            .into_iter()
            .flatten()
            .any(|value| codes.iter().any(|code| value.eq_ignore_ascii_case(code)))
    }

    /// Returns true if the message contains one of `texts`, given in lower case. Matches only JSON errors with a 4xx
    /// status or inside an answer, and is meant for texts that the provider is known to use: messages may echo a
    /// prompt.
    pub(crate) fn message_contains(&self, texts: &[&str]) -> bool {
        // A body that is not JSON comes from a proxy, not from the provider.
        if !self.body.json || !matches!(self.status(), None | Some(400..=499)) {
            return false;
        }
        let message = self.body.message.to_lowercase();
        texts.iter().any(|text| message.contains(text))
    }

    /// Returns `class`, or the class of the status if the two contradict each other: a claim about the request (its
    /// length, content policy, validity) is not trusted when it comes with a 5xx status, as from a proxy or a crashed
    /// server.
    pub(crate) fn correct(&self, class: ErrorClass) -> ErrorClass {
        let Some(status) = self.status() else { return class };
        // 501 is the only 5xx status that concerns the request.
        let blames_the_caller = match class {
            ErrorClass::Blocked(_) | ErrorClass::Failed(FailureKind::ContextLength, _) => status >= 500,
            ErrorClass::Failed(FailureKind::InvalidRequest, _) => status >= 500 && status != 501,
            ErrorClass::Failed(..) => false,
        };
        // The body of a redirect is ignored: redirects lead to hosts that are not configured.
        let is_redirect = matches!(status, 300..=399);
        if blames_the_caller || is_redirect { ErrorClass::by_status(status) } else { class }
    }

    /// Returns `class`, or a missing permission if a rejection of the key names the model that was called: the key may be
    /// right for others.
    pub(crate) fn of_model(&self, class: ErrorClass, model: &str) -> ErrorClass {
        match class {
            ErrorClass::Failed(FailureKind::Auth, _) if names(&self.body.message, model) => {
                FailureKind::Permission.into()
            }
            class => class,
        }
    }

    /// Returns the message, or a description of the status if there is none.
    pub(crate) fn detail(&self) -> String {
        match (self.body.message.is_empty(), self.status()) {
            (false, _) => self.body.message.clone(),
            (true, Some(status)) => format!("status {status} without a message"),
            (true, None) => "an error without a message".to_owned(),
        }
    }

    /// Returns the most specific machine-readable code that is not a number.
    pub(crate) fn display_code(&self) -> Option<String> {
        let body = self.body;
        let codes = [&body.detail_code, &body.error_type, &body.code, &body.kind, &body.status];
        let is_name = |code: &&String| code.parse::<u16>().is_err();
        codes.into_iter().flatten().find(is_name).cloned()
    }

    /// Returns the provider's request id from the body.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.body.request_id.as_deref()
    }

    /// Returns the retry delay from the body. A quota per minute without one is refilled within a minute.
    pub(crate) fn retry_delay(&self) -> Option<Duration> {
        let refill = || self.has_quota(&["perminute"]).then_some(Duration::from_secs(60));
        self.body.retry_delay.or_else(refill)
    }

    /// Returns true if the name of an exceeded quota of Google's contains one of `texts`, given in lower case.
    pub(crate) fn has_quota(&self, texts: &[&str]) -> bool {
        let ids = self.body.quota_ids.iter().map(|id| id.to_lowercase());
        ids.into_iter().any(|id| texts.iter().any(|text| id.contains(text)))
    }
}

/// Returns the kind of a status when nothing else is known.
const fn by_status(status: u16) -> FailureKind {
    match status {
        400 | 411 | 414 | 415 | 422 | 431 => FailureKind::InvalidRequest,
        401 => FailureKind::Auth,
        402 => FailureKind::QuotaExhausted,
        403 => FailureKind::Permission,
        404 | 410 => FailureKind::ModelNotFound,
        408 | 504 | 522 | 524 => FailureKind::Timeout(Phase::FirstByte),
        // 409 is a conflicting lock and 424 a failed dependency: both are on the provider's side.
        409 | 424 | 425 | 500 | 502 | 503 => FailureKind::ServerError,
        413 => FailureKind::TooLarge,
        429 => FailureKind::RateLimited,
        451 => FailureKind::Region,
        // The connection behind an edge broke: nginx reports that its client left, Cloudflare that its origin did.
        499 | 520 | 521 | 523 | 525 | 526 => FailureKind::Network,
        529 => FailureKind::Overloaded,
        // Redirects are not followed: that would send the key to an arbitrary host.
        300..=399 => FailureKind::Malformed,
        _ => FailureKind::Unknown { server: status >= 500 },
    }
}

/// Returns the provider's request id from the headers.
pub(super) fn request_id(response: &Response) -> Option<String> {
    headers::request_id(&|name| response.header(name)).map(ToOwned::to_owned)
}

/// Returns what the headers state about the rate limits of the key.
pub(super) fn rate_limits(response: &Response) -> RateLimits {
    if !response.header_names().any(headers::is_rate_limit) {
        return RateLimits::default();
    }
    headers::rate_limits(&|name| response.header(name), wall_clock())
}

/// Creates a failure with the details of the head and the body of a response.
pub(crate) fn failure<'a>(
    kind: FailureKind,
    scope: Scope,
    error: &ErrorResponse<'_>,
    status: u16,
    header: &dyn Fn(&str) -> Option<&'a str>,
) -> Failure {
    let RetryHint { after, should_retry } = headers::retry_hint(header, wall_clock());
    let detail = match kind {
        FailureKind::Malformed if matches!(status, 300..=399) => {
            "a redirect, which is not followed; is base_url right?".to_owned()
        }
        _ => error.detail(),
    };
    Failure::new(kind, detail)
        .with_status(status)
        .with_code(error.display_code())
        .with_request_id(headers::request_id(header).or_else(|| error.request_id()).map(ToOwned::to_owned))
        .with_retry_after(after.or_else(|| error.retry_delay()))
        .with_should_retry(should_retry)
        .with_scope(scope)
}

#[expect(clippy::disallowed_methods, reason = "an HTTP date can only be compared to the wall clock")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Asserts the classification of an error; a status of 0 is an error inside an answer with a success status.
#[cfg(test)]
#[track_caller]
pub(crate) fn check(
    classify: impl Fn(&ErrorResponse<'_>) -> ErrorClass,
    status: u16,
    body: &str,
    expected: &str,
) {
    let body = fb_wire::errors::read(body.as_bytes());
    let error = ErrorResponse { status: Some(status).filter(|status| *status != 0), body: &body };
    let shown = match error.correct(classify(&error)) {
        ErrorClass::Failed(kind, Scope::Request) => format!("{kind} of the request"),
        ErrorClass::Failed(kind, Scope::Model) => format!("{kind} of the model"),
        ErrorClass::Failed(kind, _) => kind.to_string(),
        ErrorClass::Blocked(category) => format!("blocked: {category}"),
    };
    assert_eq!(shown, expected, "{status} {body:?}");
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn models_are_named_by_whole_words() {
        assert!(names("key not allowed to access model gpt-5.1.", "gpt-5.1"));
        assert!(names("No access to 'gpt-5.1'", "openai/gpt-5.1"));
        assert!(!names("No access to gpt-5.1-mini", "gpt-5.1"));
        assert!(!names("Incorrect API key provided", "m"));
        assert!(!names("Incorrect API key provided", ""));
    }
}
