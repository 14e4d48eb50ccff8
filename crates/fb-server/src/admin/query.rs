//! Query strings.

use fb::ErrorCode;
use percent_encoding::percent_decode_str;

use crate::error::Rejection;

/// Returns the names and values of a query in form encoding. A name without `=` has an empty value.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, Rejection> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String, Rejection> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|error| {
        Rejection::new(ErrorCode::InvalidRequest, format!("the query is not valid UTF-8: {error}"))
    })?;
    Ok(decoded.into_owned())
}
