//! Error bodies of every shape providers send, read tolerantly: reading one never fails, so a strange shape never
//! hides the real error.

mod redact;

use std::time::Duration;

use serde_json::{Map, Value};

pub use self::redact::redact;

/// Most bytes of a body that are looked at.
const MAX_BODY: usize = 64 << 10;
/// Most characters of a message that are kept.
const MAX_MESSAGE: usize = 300;

/// What an error body says, as far as it says anything. Every text is redacted, free of control characters and at
/// most 300 characters long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The message for people; of HTML or text, its beginning.
    pub message: String,
    /// The provider's `type`.
    pub kind: Option<String>,
    /// The provider's `code`, a number printed.
    pub code: Option<String>,
    /// The field at fault.
    pub param: Option<String>,
    /// Google's status name, such as `RESOURCE_EXHAUSTED`.
    pub status: Option<String>,
    /// Anthropic's `error.details.error_code`.
    pub detail_code: Option<String>,
    /// OpenRouter's `error.metadata.error_type`, and why it limits.
    pub error_type: Option<String>,
    /// OpenRouter's `error.metadata.limit_source`.
    pub limit_source: Option<String>,
    /// Azure's `error.innererror.code`.
    pub inner_code: Option<String>,
    /// The provider's id of the request, when it stands in the body: `request_id`, `responseId` or `id`.
    pub request_id: Option<String>,
    /// Google's `RetryInfo`.
    pub retry_delay: Option<Duration>,
    /// Whether the body was JSON at all.
    pub json: bool,
}

/// Reads an error body of any shape; what it does not know, it leaves out. Bytes that are not UTF-8 are replaced, so
/// they hide no code. Looks at the first 64 KiB: a longer body is text, as is JSON nested deeper than 127 levels.
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
        // Google wraps errors of streams in an array of one.
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

/// The usual shape: OpenAI, Anthropic, Google, Azure, OpenRouter.
fn read_error(error: &Map<String, Value>, found: &mut ErrorBody) {
    read_flat(error, found);
    let inside = |name: &str, key: &str| scalar(error.get(name)?.as_object()?, key);
    found.detail_code = inside("details", "error_code");
    found.error_type = inside("metadata", "error_type");
    found.limit_source = inside("metadata", "limit_source");
    found.inner_code = inside("innererror", "code");
    if let Some(Value::Array(details)) = error.get("details") {
        let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str());
        found.retry_delay = delay.and_then(crate::headers::go_duration);
    }
}

/// Flat shapes: Mistral and old vLLM (`object: error`), AWS and Cohere (`message`), FastAPI (`detail`), `errors`.
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

/// FastAPI's `detail`: a text, or a list of `{loc, msg}`. Mistral nests it once more, as its `message`.
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

/// Redacted, without control characters, at most 300 characters.
fn shorten(text: &str) -> String {
    let clean: String =
        text.trim().chars().take(4 * MAX_MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    redact(&clean).chars().take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests;
