use bytes::Bytes;
use fb_core::{ChatRequest, Dialect, Head, InvalidRequest, RawBody};

use super::parse;
use crate::{
    raw::{self, Edit, splice},
    top_level::{field, flag, has_items, model},
    value::Path,
};

/// Reads the fields of a caller's body that routing needs; its messages are parsed on first use.
///
/// The last of duplicate fields wins, as in most JSON parsers. `null` counts as missing.
///
/// # Errors
/// Names the invalid field, the type of its value and what was expected.
pub fn request(bytes: Bytes) -> Result<ChatRequest, InvalidRequest> {
    let body = scan(bytes)?;
    Ok(ChatRequest::from_raw(head(&body)?, body))
}

/// Reads a caller's body like [`request`], after setting the missing fields among `defaults`: names with their JSON values.
///
/// # Errors
/// Names the invalid field, the type of its value and what was expected.
pub fn request_with_defaults(bytes: Bytes, defaults: &[(&str, &str)]) -> Result<ChatRequest, InvalidRequest> {
    let body = scan(bytes)?;
    let mut edits = Vec::new();
    for (name, value) in defaults {
        if field(&body, name)?.is_none() {
            edits.push(Edit::Set(name, value));
        }
    }
    let body = if edits.is_empty() { body } else { scan(splice(&body, &edits))? };
    Ok(ChatRequest::from_raw(head(&body)?, body))
}

/// Removes a top-level field that is not meant for a provider. Returns the value of the last field with this name as JSON;
/// `None` when it is missing or `null`.
///
/// # Errors
/// Names the field when its value is not UTF-8.
pub fn take_field(request: ChatRequest, name: &str) -> Result<(ChatRequest, Option<String>), InvalidRequest> {
    let Some(body) = request.raw().filter(|body| body.fields.iter().any(|field| &*field.name == name)) else {
        return Ok((request, None));
    };
    let value = field(body, name)?.map(str::to_owned);
    let rest = scan(splice(body, &[Edit::Remove(name)]))?;
    let rest = ChatRequest::from_raw(request.head().clone(), rest).with_options(request.options().clone());
    Ok((rest, value))
}

fn scan(bytes: Bytes) -> Result<RawBody, InvalidRequest> {
    let fields = raw::scan(&bytes)?;
    Ok(RawBody { dialect: Dialect::OpenAi, bytes, fields, headers: Vec::new(), parse: parse::chat })
}

fn head(body: &RawBody) -> Result<Head, InvalidRequest> {
    let max_tokens = match positive(body, "max_completion_tokens")? {
        None => positive(body, "max_tokens")?,
        some => some,
    };
    check_messages(body)?;
    Ok(Head {
        model: model(body)?,
        stream: flag(body, "stream")?,
        include_usage: include_usage(body)?,
        max_tokens,
        tools: has_items(body, "tools")? || has_items(body, "functions")?,
    })
}

fn check_messages(body: &RawBody) -> Result<(), InvalidRequest> {
    let (path, expected) = (Path::Top("messages"), "an array of messages");
    match field(body, "messages")? {
        Some(text) if text.starts_with('[') => Ok(()),
        Some(text) => Err(path.invalid(expected, text)),
        None => Err(path.missing(expected)),
    }
}

fn positive(body: &RawBody, name: &str) -> Result<Option<u32>, InvalidRequest> {
    field(body, name)?.map(|text| Path::Top(name).positive(text)).transpose()
}

fn include_usage(body: &RawBody) -> Result<bool, InvalidRequest> {
    let path = Path::Top("stream_options");
    let Some(text) = field(body, "stream_options")? else { return Ok(false) };
    let include = path.object(text)?.get("include_usage");
    include.map_or(Ok(false), |text| Path::Key(&path, "include_usage").boolean(text))
}

#[cfg(test)]
mod tests;
