//! Tolerant reading of answers: servers that imitate a dialect deviate from it in many small ways.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{errors, outcome::WireError};

/// Token counts above this are treated as invalid.
pub(crate) const MAX_TOKENS: u64 = 1_000_000_000_000;

/// A string, borrowed if it has no escapes.
#[derive(Deserialize)]
pub(crate) struct BorrowedString<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Returns the value if it has the wanted type. An invalid value in a minor field does not invalidate the answer.
pub(crate) fn lenient<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// Creates the error for a body in which the provider reports one.
pub(crate) fn reported_error(body: &[u8]) -> WireError {
    WireError::Reported(Box::new(errors::read(body)))
}
