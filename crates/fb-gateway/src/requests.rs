//! Chat requests read from files.

use bytes::Bytes;
use fb::ChatRequest;
use fb_wire::openai;
use serde_json::{Map, Value};

/// Parses a request body in OpenAI's dialect, with its messages.
///
/// # Errors
/// The first invalid field.
pub(crate) fn from_body(body: impl Into<Bytes>) -> Result<ChatRequest, String> {
    let request = openai::request(body.into()).map_err(|error| error.to_string())?;
    request.chat().map_err(ToString::to_string)?;
    Ok(request)
}

/// Parses the fields of a request body.
///
/// # Errors
/// As [`from_body`].
pub(crate) fn from_fields(fields: Map<String, Value>) -> Result<ChatRequest, String> {
    from_body(Value::Object(fields).to_string())
}
