//! Chat requests that a file holds.

use bytes::Bytes;
use fb::ChatRequest;
use fb_wire::openai;
use serde_json::{Map, Value};

/// The fields of a body in OpenAI's dialect as a request; its messages can be read.
///
/// # Errors
/// Names the field that is wrong.
pub(crate) fn request(fields: Map<String, Value>) -> Result<ChatRequest, String> {
    let body = Bytes::from(Value::Object(fields).to_string());
    let request = openai::request(body).map_err(|error| error.to_string())?;
    request.chat().map_err(ToString::to_string)?;
    Ok(request)
}
