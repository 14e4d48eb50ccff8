//! Chat requests that a file holds.

use bytes::Bytes;
use fb::ChatRequest;
use fb_wire::openai;
use serde_json::{Map, Value};

/// A body in OpenAI's dialect as a request; its messages can be read.
///
/// # Errors
/// Names the field that is wrong.
pub(crate) fn of_body(body: impl Into<Bytes>) -> Result<ChatRequest, String> {
    let request = openai::request(body.into()).map_err(|error| error.to_string())?;
    request.chat().map_err(ToString::to_string)?;
    Ok(request)
}

/// The same of the fields of a body.
///
/// # Errors
/// As [`of_body`].
pub(crate) fn of_fields(fields: Map<String, Value>) -> Result<ChatRequest, String> {
    of_body(Value::Object(fields).to_string())
}
