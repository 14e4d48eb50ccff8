use bytes::Bytes;
use fb_core::{ChatRequest, Dialect, Head, InvalidRequest, RawBody};

use super::parse;
use crate::{
    raw,
    top_level::{field, flag, has_items, model},
    value::{Path, holds_items},
};

/// Reads the fields of a caller's body that routing needs; its messages are parsed on first use.
///
/// The last of duplicate fields wins, as in most JSON parsers. `null` counts as missing.
///
/// # Errors
/// Names the invalid field, the type of its value and what was expected.
pub fn request(bytes: Bytes) -> Result<ChatRequest, InvalidRequest> {
    let request = prompt(bytes)?;
    if request.head().max_tokens.is_none() {
        return Err(Path::Top("max_tokens").missing(MAX_TOKENS));
    }
    Ok(request)
}

/// Reads a body as [`request`] does, but `max_tokens` may be missing: for a count of the tokens of a prompt.
///
/// # Errors
/// Names the invalid field, the type of its value and what was expected.
pub fn prompt(bytes: Bytes) -> Result<ChatRequest, InvalidRequest> {
    let fields = raw::scan(&bytes)?;
    let body =
        RawBody { dialect: Dialect::Anthropic, bytes, fields, headers: Vec::new(), parse: parse::chat };
    Ok(ChatRequest::from_raw(head(&body)?, body))
}

fn head(body: &RawBody) -> Result<Head, InvalidRequest> {
    let model = model(body)?;
    check_messages(body)?;
    Ok(Head {
        model,
        stream: flag(body, "stream")?,
        include_usage: true,
        max_tokens: max_tokens(body)?,
        tools: has_items(body, "tools")?,
    })
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

const MAX_TOKENS: &str = "an integer of at least 0";

/// Reads `max_tokens`. Zero is valid and warms the cache.
fn max_tokens(body: &RawBody) -> Result<Option<u32>, InvalidRequest> {
    let text = field(body, "max_tokens")?;
    text.map(|text| Path::Top("max_tokens").number(text, MAX_TOKENS)).transpose()
}

#[cfg(test)]
mod tests;
