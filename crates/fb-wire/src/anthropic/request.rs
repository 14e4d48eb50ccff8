use std::str;

use bytes::Bytes;
use fb_core::{ChatRequest, Dialect, Head, InvalidRequest, RawBody};

use super::parse;
use crate::{
    raw,
    value::{Path, holds_items},
};

/// Reads a caller's body as far as routing needs it; its messages are parsed on first need.
///
/// Of a field that stands there twice the last one counts, as JSON parsers have it. An explicit `null` is no field.
///
/// # Errors
/// Names the field, what it holds and what was expected.
pub fn request(bytes: Bytes) -> Result<ChatRequest, InvalidRequest> {
    let fields = raw::scan(&bytes)?;
    let body = RawBody { dialect: Dialect::Anthropic, bytes, fields, parse: parse::chat };
    Ok(ChatRequest::from_raw(head(&body)?, body))
}

fn head(body: &RawBody) -> Result<Head, InvalidRequest> {
    let model = model(body)?;
    check_messages(body)?;
    Ok(Head {
        model,
        stream: field(body, "stream")?.map_or(Ok(false), |text| Path::Top("stream").boolean(text))?,
        include_usage: true,
        max_tokens: Some(max_tokens(body)?),
        tools: declares_tools(body)?,
    })
}

/// The text of the last field of this name; `None` when there is none, or `null`.
pub(super) fn field<'a>(body: &'a RawBody, name: &str) -> Result<Option<&'a str>, InvalidRequest> {
    let Some(field) = body.fields.iter().rev().find(|field| &*field.name == name) else {
        return Ok(None);
    };
    let bytes = body.bytes.get(field.value.clone()).unwrap_or_default();
    let text = str::from_utf8(bytes)
        .map_err(|error| InvalidRequest::field(name, format!("{name}: not UTF-8 text: {error}")))?;
    Ok(Some(text).filter(|text| *text != "null"))
}

fn model(body: &RawBody) -> Result<String, InvalidRequest> {
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

fn check_messages(body: &RawBody) -> Result<(), InvalidRequest> {
    let (path, expected) = (Path::Top("messages"), "an array of at least one message");
    match field(body, "messages")? {
        Some(text) if text.starts_with('[') && holds_items(text) => Ok(()),
        Some(text) if text.starts_with('[') => {
            Err(InvalidRequest::field("messages", format!("messages: expected {expected}, got none")))
        }
        Some(text) => Err(path.invalid(expected, text)),
        None => Err(path.missing(expected)),
    }
}

/// Zero is allowed: it asks to warm the cache.
fn max_tokens(body: &RawBody) -> Result<u32, InvalidRequest> {
    let (path, expected) = (Path::Top("max_tokens"), "an integer of at least 0");
    match field(body, "max_tokens")? {
        Some(text) => path.number(text, expected),
        None => Err(path.missing(expected)),
    }
}

fn declares_tools(body: &RawBody) -> Result<bool, InvalidRequest> {
    match field(body, "tools")? {
        None => Ok(false),
        Some(text) if text.starts_with('[') => Ok(holds_items(text)),
        Some(text) => Err(Path::Top("tools").invalid("an array", text)),
    }
}

#[cfg(test)]
mod tests;
