//! Tolerant parsing of error bodies. Parsing never fails, so that an unknown format never hides the real error.

mod redact;

use std::time::Duration;

use serde_json::{Map, Value};

pub use self::redact::redact;

/// Maximum number of bytes of a body that are parsed.
const MAX_BODY: usize = 64 << 10;
/// Maximum number of characters of a text.
const MAX_MESSAGE: usize = 300;

/// The fields found in an error body. Every text is redacted, free of control characters and at most 300 characters
/// long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The human-readable message; for HTML or plain text, the beginning of the body.
    pub message: String,
    /// The provider's `type`.
    pub kind: Option<String>,
    /// The provider's `code`; a number is converted to text.
    pub code: Option<String>,
    /// The field that caused the error.
    pub param: Option<String>,
    /// Google's status name, such as `RESOURCE_EXHAUSTED`.
    pub status: Option<String>,
    /// Anthropic's `error.details.error_code`.
    pub detail_code: Option<String>,
    /// OpenRouter's `error.metadata.error_type`.
    pub error_type: Option<String>,
    /// OpenRouter's `error.metadata.limit_source`.
    pub limit_source: Option<String>,
    /// True if OpenRouter's moderation rejected the prompt: `error.metadata.reasons` is not empty.
    pub flagged: bool,
    /// The error of the provider behind OpenRouter, from `error.metadata.raw`.
    pub upstream: Option<Box<Self>>,
    /// Azure's `error.innererror.code`.
    pub inner_code: Option<String>,
    /// The provider's request id, if the body contains it as `request_id`, `responseId` or `id`.
    pub request_id: Option<String>,
    /// Google's `RetryInfo`, or the delay in its message.
    pub retry_delay: Option<Duration>,
    /// The names of the exceeded quotas in Google's `QuotaFailure`, at most 16.
    pub quota_ids: Vec<String>,
    /// True if the body was JSON.
    pub json: bool,
}

/// Reads an error body in any known format; unknown fields are ignored. Bytes that are not UTF-8 are replaced, so that
/// the other fields can be read. Only the first 64 KiB are parsed: a longer body is treated as text, as is JSON nested
/// deeper than 127 levels.
pub fn read(body: &[u8]) -> ErrorBody {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_BODY)]);
    match serde_json::from_str::<Value>(&text) {
        Ok(value) => {
            let mut found = ErrorBody { json: true, ..ErrorBody::default() };
            read_value(&value, &mut found);
            found.message = shorten(&found.message);
            found
        }
        Err(_) => ErrorBody { message: shorten(&text), ..ErrorBody::default() },
    }
}

fn read_value(value: &Value, found: &mut ErrorBody) {
    match value {
        // Google wraps errors in streams in an array.
        Value::Array(items) => {
            if let Some(first) = items.first() {
                read_value(first, found);
            }
        }
        Value::Object(object) => read_object(object, found),
        Value::String(text) => found.message.clone_from(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn read_object(object: &Map<String, Value>, found: &mut ErrorBody) {
    found.request_id = ["request_id", "responseId", "id"].iter().find_map(|key| text(object, key));
    match object.get("error") {
        Some(Value::Object(error)) => read_error(error, found),
        Some(Value::String(message)) => {
            found.message.clone_from(message);
            found.code = scalar(object, "code");
        }
        _ => read_flat(object, found),
    }
}

/// Reads the common format of OpenAI, Anthropic, Google, Azure and OpenRouter.
fn read_error(error: &Map<String, Value>, found: &mut ErrorBody) {
    read_flat(error, found);
    let nested = |name: &str, key: &str| scalar(error.get(name)?.as_object()?, key);
    found.detail_code = nested("details", "error_code");
    found.error_type = nested("metadata", "error_type");
    found.limit_source = nested("metadata", "limit_source");
    found.inner_code = nested("innererror", "code");
    if let Some(metadata) = error.get("metadata") {
        found.flagged = metadata.get("reasons").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
        found.upstream = metadata.get("raw").and_then(upstream).map(Box::new);
    }
    if let Some(Value::Array(details)) = error.get("details") {
        let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str());
        found.retry_delay = delay.and_then(crate::headers::go_duration);
        let violations = details.iter().filter_map(|detail| detail.get("violations")?.as_array()).flatten();
        let ids = violations.filter_map(|violation| text(violation.as_object()?, "quotaId"));
        found.quota_ids = ids.take(16).collect();
    }
    if found.retry_delay.is_none() && found.status.is_some() {
        found.retry_delay = error.get("message").and_then(Value::as_str).and_then(delay_in_message);
    }
}

/// Reads Google's "Please retry in 20.04466179s.".
fn delay_in_message(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("Please retry in ")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
    crate::headers::go_duration(rest[..end].trim_end_matches('.'))
}

/// Reads the error of a provider behind another: an object, or the text of one. Its own `upstream` is not read.
fn upstream(raw: &Value) -> Option<ErrorBody> {
    let parsed = raw.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let value = parsed.as_ref().unwrap_or(raw);
    let error = value.as_object()?;
    let mut found = ErrorBody { json: true, ..ErrorBody::default() };
    match error.get("error") {
        Some(Value::Object(error)) => read_flat(error, &mut found),
        Some(Value::String(message)) => {
            found.message.clone_from(message);
            found.code = scalar(error, "code");
        }
        _ => read_flat(error, &mut found),
    }
    found.message = shorten(&found.message);
    Some(found)
}

/// Reads flat formats: Mistral and old vLLM (`object: error`), AWS and Cohere (`message`), FastAPI (`detail`), `errors`.
fn read_flat(object: &Map<String, Value>, found: &mut ErrorBody) {
    found.kind = text(object, "type").or_else(|| text(object, "__type"));
    found.code = scalar(object, "code");
    found.param = text(object, "param");
    found.status = text(object, "status");
    let message = text(object, "message").or_else(|| text(object, "Message"));
    found.message = message
        .or_else(|| detail(object.get("message")?))
        .or_else(|| detail(object.get("detail")?))
        .or_else(|| detail(object.get("errors")?))
        .unwrap_or_default();
}

/// Reads FastAPI's `detail`: a text, or a list of `{loc, msg}`. Mistral nests it in its `message`.
fn detail(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let first = items.first()?;
            let message = |key: &str| first.get(key).and_then(Value::as_str).map(str::to_owned);
            first.as_str().map(str::to_owned).or_else(|| message("msg")).or_else(|| message("message"))
        }
        Value::Object(object) => {
            text(object, "message").or_else(|| text(object, "msg")).or_else(|| detail(object.get("detail")?))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key)?.as_str().map(shorten).filter(|text| !text.is_empty())
}

fn scalar(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::Number(number) => Some(shorten(&number.to_string())),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            text(object, key)
        }
    }
}

/// Redacts a text, removes control characters and truncates it to [`MAX_MESSAGE`] characters.
fn shorten(text: &str) -> String {
    let clean: String =
        text.trim().chars().take(4 * MAX_MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    redact(&clean).chars().take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests;
