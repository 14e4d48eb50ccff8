//! A request as a dialect receives it.

use ::http::{HeaderMap, Method};
use serde::de::{DeserializeOwned, IgnoredAny};

/// The parts of a request that a dialect uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inbound<'r> {
    pub(crate) method: &'r Method,
    /// The path without the query.
    pub(crate) path: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r [u8],
    /// The number of the request, from 1. Ids derive from it, so that they are the same in every run.
    pub(crate) number: u64,
}

/// Parses a body as real providers do: of two equal keys, the last one counts.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice::<serde_json::Value>(body).and_then(serde_json::from_value)
}

pub(crate) fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}
