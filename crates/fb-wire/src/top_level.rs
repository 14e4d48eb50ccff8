//! Top-level fields of a request body.

use std::{ops::Range, str};

use fb_core::{InvalidRequest, RawBody};

use crate::value::{Path, holds_items};

/// Returns the text of the last field with this name; `None` when it is missing or `null`.
pub(crate) fn field<'a>(body: &'a RawBody, name: &str) -> Result<Option<&'a str>, InvalidRequest> {
    let Some(field) = body.fields.iter().rev().find(|field| &*field.name == name) else {
        return Ok(None);
    };
    text(body, name, field.value.clone()).map(|text| Some(text).filter(|text| *text != "null"))
}

/// Returns the text of the value at `span`, which belongs to the field `name`.
pub(crate) fn text<'a>(body: &'a RawBody, name: &str, span: Range<usize>) -> Result<&'a str, InvalidRequest> {
    let bytes = body.bytes.get(span).unwrap_or_default();
    str::from_utf8(bytes)
        .map_err(|error| InvalidRequest::field(name, format!("{name}: not UTF-8 text: {error}")))
}

/// Reads the required field `model`.
pub(crate) fn model(body: &RawBody) -> Result<String, InvalidRequest> {
    let (path, expected) = (Path::Top("model"), "the name of a route or PROVIDER/MODEL");
    let Some(text) = field(body, "model")? else { return Err(path.missing(expected)) };
    let model = path.string(text)?;
    if model.trim().is_empty() {
        return Err(InvalidRequest::field(
            "model",
            format!("model: expected {expected}, got an empty string"),
        ));
    }
    Ok(model)
}

/// Reads a boolean field; a missing one is false.
pub(crate) fn flag(body: &RawBody, name: &str) -> Result<bool, InvalidRequest> {
    field(body, name)?.map_or(Ok(false), |text| Path::Top(name).boolean(text))
}

/// Returns true if an array field has items.
pub(crate) fn has_items(body: &RawBody, name: &str) -> Result<bool, InvalidRequest> {
    match field(body, name)? {
        None => Ok(false),
        Some(text) if text.starts_with('[') => Ok(holds_items(text)),
        Some(text) => Err(Path::Top(name).invalid("an array", text)),
    }
}
