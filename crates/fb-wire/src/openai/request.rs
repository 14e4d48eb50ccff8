use std::{ops::Range, str};

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
    let body = RawBody { dialect: Dialect::OpenAi, bytes, fields, parse: parse::chat };
    Ok(ChatRequest::from_raw(head(&body)?, body))
}

fn head(body: &RawBody) -> Result<Head, InvalidRequest> {
    let most = match positive(body, "max_completion_tokens")? {
        None => positive(body, "max_tokens")?,
        some => some,
    };
    check_messages(body)?;
    Ok(Head {
        model: model(body)?,
        stream: flag(body, "stream")?,
        include_usage: include_usage(body)?,
        max_tokens: most,
        tools: declares(body, "tools")? || declares(body, "functions")?,
    })
}

/// The text of the last field of this name; `None` when there is none, or `null`.
fn field<'a>(body: &'a RawBody, name: &str) -> Result<Option<&'a str>, InvalidRequest> {
    let Some(field) = body.fields.iter().rev().find(|field| &*field.name == name) else {
        return Ok(None);
    };
    text(body, name, field.value.clone()).map(|text| Some(text).filter(|text| *text != "null"))
}

/// The text of a top-level value.
pub(super) fn text<'a>(body: &'a RawBody, name: &str, span: Range<usize>) -> Result<&'a str, InvalidRequest> {
    let bytes = body.bytes.get(span).unwrap_or_default();
    str::from_utf8(bytes)
        .map_err(|error| InvalidRequest::field(name, format!("{name}: not UTF-8 text: {error}")))
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
    let (path, expected) = (Path::Top("messages"), "an array of messages");
    match field(body, "messages")? {
        Some(text) if text.starts_with('[') => Ok(()),
        Some(text) => Err(path.invalid(expected, text)),
        None => Err(path.missing(expected)),
    }
}

fn flag(body: &RawBody, name: &str) -> Result<bool, InvalidRequest> {
    field(body, name)?.map_or(Ok(false), |text| Path::Top(name).boolean(text))
}

fn positive(body: &RawBody, name: &str) -> Result<Option<u32>, InvalidRequest> {
    field(body, name)?.map(|text| Path::Top(name).positive(text)).transpose()
}

fn declares(body: &RawBody, name: &str) -> Result<bool, InvalidRequest> {
    match field(body, name)? {
        None => Ok(false),
        Some(text) if text.starts_with('[') => Ok(holds_items(text)),
        Some(text) => Err(Path::Top(name).invalid("an array", text)),
    }
}

fn include_usage(body: &RawBody) -> Result<bool, InvalidRequest> {
    let path = Path::Top("stream_options");
    let Some(text) = field(body, "stream_options")? else { return Ok(false) };
    let include = path.object(text)?.get("include_usage");
    include.map_or(Ok(false), |text| Path::Key(&path, "include_usage").boolean(text))
}

#[cfg(test)]
mod tests;
