//! What a provider of another program needs besides its calls: the classification of an error response.

use bytes::Bytes;
use fb_core::{Block, BlockForm, CallError, Dialect, Raw};
use http::HeaderMap;

use crate::{
    exchange::{ErrorClass, ErrorResponse, failure},
    openai,
};

/// Classifies a response with an error status, as the adapters of this crate do: a failure with its kind, the time to wait from
/// `Retry-After` and its relatives, the request id and the provider's message, shortened and without secrets; or a
/// content-policy refusal.
///
/// The codes and messages are those of OpenAI's error envelope, which most servers use; a body of any other form is classified by the
/// status. At most the first 64 KiB of the body are read.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fb_core::{CallError, FailureKind};
/// use http::HeaderMap;
///
/// let headers = HeaderMap::from_iter([("retry-after".parse()?, "3".parse()?)]);
/// let body = r#"{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}"#;
/// let CallError::Failed(failure) = fb_providers::error_from_response(429, &headers, body.into()) else {
///     panic!("a rate limit is no block");
/// };
/// assert_eq!((failure.kind(), failure.retry_after()), (FailureKind::RateLimited, Some(Duration::from_secs(3))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn error_from_response(status: u16, headers: &HeaderMap, body: Bytes) -> CallError {
    let parsed = fb_wire::errors::read(&body);
    let error = ErrorResponse { status: Some(status), body: &parsed };
    match error.correct(openai::classify(&error)) {
        ErrorClass::Failed(kind, scope) => {
            let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            failure(kind, scope, &error, status, &header).into()
        }
        ErrorClass::Blocked(category) => {
            let form = BlockForm::Body { status, raw: Some(Raw { dialect: Dialect::OpenAi, bytes: body }) };
            Block { form, ..Block::in_stream(category, error.detail()) }.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_classified_by_code_then_by_status() {
        let classify = |status, body: &'static str| match error_from_response(
            status,
            &HeaderMap::new(),
            Bytes::from_static(body.as_bytes()),
        ) {
            CallError::Failed(failure) => format!("{} {:?}", failure.with_detail(), failure.status()),
            CallError::Blocked(block) => format!("blocked: {} ({})", block.category, block.detail),
        };
        let quota =
            r#"{"error":{"message":"no credit","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        let filter = r#"{"error":{"message":"not allowed","code":"content_filter"}}"#;
        let lines = [
            classify(429, quota),
            classify(400, filter),
            // A proxy that fails does not speak for the provider's policy.
            classify(502, filter),
            classify(503, "<html>down</html>"),
            classify(302, ""),
            classify(418, ""),
        ];
        expect_test::expect![[r#"
            quota_exhausted (429 insufficient_quota): no credit Some(429)
            blocked: input filtered (not allowed)
            server_error (502 content_filter): not allowed Some(502)
            server_error (503): <html>down</html> Some(503)
            malformed (302): a redirect, which is not followed; is base_url right? Some(302)
            unknown (418): status 418 without a message Some(418)"#]]
        .assert_eq(&lines.join("\n"));
    }
}
