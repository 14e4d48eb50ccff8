//! Error responses, verbatim where the provider has published them.

use super::wire::{Failure, FailureDetail};
use crate::answer::{Answer, to_json};

/// Azure's response to a blocked prompt.
pub(super) const AZURE_BLOCK: &str = r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry. To learn more about our content filtering policies please read our documentation: https://go.microsoft.com/fwlink/?linkid=2198766","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"filtered":false,"detected":false},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":true,"severity":"high"}}}}}"#;

const INVALID: &str = "invalid_request_error";

pub(super) fn blocked() -> Answer {
    answer(
        400,
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy. \
         Please try again with a different prompt.",
        INVALID,
        None,
        Some("content_policy_violation"),
    )
}

pub(super) fn no_key() -> Answer {
    answer(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer \
         auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from \
         https://platform.openai.com/account/api-keys.",
        INVALID,
        None,
        None,
    )
}

pub(super) fn no_json() -> Answer {
    answer(
        400,
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP \
         library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        INVALID,
        None,
        None,
    )
}

pub(super) fn wrong_type(problem: &str) -> Answer {
    answer(400, &format!("Invalid type in the request: {problem}."), INVALID, None, Some("invalid_type"))
}

pub(super) fn missing(param: &str) -> Answer {
    let message = format!("Missing required parameter: '{param}'.");
    answer(400, &message, INVALID, Some(param), Some("missing_required_parameter"))
}

pub(super) fn unknown_model(model: &str) -> Answer {
    let message = format!("The model '{model}' does not exist or you do not have access to it.");
    answer(404, &message, INVALID, Some("model"), Some("model_not_found"))
}

pub(super) fn unknown_url(method: &str, path: &str) -> Answer {
    answer(404, &format!("Invalid URL ({method} {path})"), INVALID, None, None)
}

pub(super) fn quota() -> Answer {
    answer(
        429,
        "You exceeded your current quota, please check your plan and billing details. For more information on this \
         error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "insufficient_quota",
        None,
        Some("credit_balance_exhausted"),
    )
}

pub(super) fn context_length() -> Answer {
    answer(
        400,
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 128001 tokens. \
         Please reduce the length of the messages.",
        INVALID,
        Some("messages"),
        Some("context_length_exceeded"),
    )
}

/// Returns the body that the provider sends with a status.
pub(super) fn body(status: u16) -> String {
    let (message, kind, code) = match status {
        401 => (
            "Incorrect API key provided: sk-sim. You can find your API key at \
             https://platform.openai.com/account/api-keys.",
            INVALID,
            Some("invalid_api_key"),
        ),
        403 => (
            "Country, region, or territory not supported",
            "request_forbidden",
            Some("unsupported_country_region_territory"),
        ),
        404 => (
            "The model `sim` does not exist or you do not have access to it.",
            INVALID,
            Some("model_not_found"),
        ),
        413 => ("Maximum content size limit exceeded.", INVALID, None),
        429 => (
            "Rate limit reached for requests per min (RPM): Limit 500, Used 500, Requested 1. \
             Please try again in 120ms.",
            "requests",
            Some("rate_limit_exceeded"),
        ),
        503 => (
            "The engine is currently overloaded, please try again later",
            "service_unavailable_error",
            Some("server_is_overloaded"),
        ),
        500.. => {
            ("The server had an error while processing your request. Sorry about that!", "server_error", None)
        }
        _ => ("Your request could not be processed.", INVALID, None),
    };
    detail(message, kind, None, code)
}

fn answer(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Answer {
    Answer::json(status, detail(message, kind, param, code))
}

fn detail(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> String {
    to_json(&Failure { error: FailureDetail { message, kind, param, code } })
}
