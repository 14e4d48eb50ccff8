//! Error responses, verbatim where the provider has published them.

use super::wire::{ErrorCode, Failure, FailureDetail};
use crate::answer::{Answer, to_json};

const INVALID: &str = "invalid_request_error";

pub(super) fn request_id(number: u64) -> String {
    format!("req_sim{number:06}")
}

pub(super) fn invalid(message: &str, number: u64) -> Answer {
    Answer::json(400, detail(INVALID, message, None, number))
}

pub(super) fn no_key(number: u64) -> Answer {
    Answer::json(401, detail("authentication_error", "x-api-key header is required", None, number))
}

pub(super) fn not_found(message: &str, number: u64) -> Answer {
    Answer::json(404, detail("not_found_error", message, None, number))
}

pub(super) fn blocked(number: u64) -> Answer {
    invalid("Output blocked by content filtering policy", number)
}

pub(super) fn quota(number: u64) -> Answer {
    let message = "Your organization has reached its spend limit.";
    Answer::json(429, detail("rate_limit_error", message, Some("enforced_spend_limit_reached"), number))
}

pub(super) fn context_length(number: u64) -> Answer {
    invalid("prompt is too long: 200001 tokens > 200000 maximum", number)
}

/// Returns the body that the provider sends with a status.
pub(super) fn body(status: u16, number: u64) -> String {
    let (kind, message) = match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "There is a problem with your billing or payment information."),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "model: sim"),
        409 => ("conflict_error", "Conflict"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => (
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 50 requests per minute.",
        ),
        408 | 504 => ("timeout_error", "Request timed out"),
        529 => ("overloaded_error", "Overloaded"),
        500.. => ("api_error", "Internal server error"),
        _ => (INVALID, "The request is invalid."),
    };
    detail(kind, message, None, number)
}

fn detail(kind: &str, message: &str, error_code: Option<&str>, number: u64) -> String {
    let details = error_code.map(|error_code| ErrorCode { error_code });
    to_json(&Failure {
        kind: "error",
        error: FailureDetail { kind, message, details },
        request_id: request_id(number),
    })
}
