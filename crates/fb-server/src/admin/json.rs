//! JSON request bodies, and times as JSON numbers.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use fb::ErrorCode;
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use crate::{error::Rejection, request_body::too_large, routing::BoxError};

/// Maximum size of a request body.
const MAX_BODY: usize = 64 << 10;

/// Reads a request body; `expected` is the format that an error message names.
pub(super) async fn read<T, B>(body: B, expected: &str) -> Result<T, Rejection>
where
    T: DeserializeOwned,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    parse(&bytes(body).await?, expected)
}

/// Reads a request body; an empty one has the default value.
pub(super) async fn read_optional<T, B>(body: B, expected: &str) -> Result<T, Rejection>
where
    T: DeserializeOwned + Default,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let body = bytes(body).await?;
    if body.is_empty() { Ok(T::default()) } else { parse(&body, expected) }
}

async fn bytes<B>(body: B) -> Result<Bytes, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_error| too_large(MAX_BODY))?;
    Ok(body.to_bytes())
}

fn parse<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Rejection> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not what was expected: {error}; expected {expected}");
        Rejection::new(ErrorCode::InvalidRequest, message)
    })
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Formats a time of the past in ISO 8601, UTC: `2026-11-30T09:00:00.000Z`.
#[expect(clippy::disallowed_methods, reason = "a wall-clock field of the answer, no decision depends on it")]
pub(super) fn iso_time(at: Instant) -> String {
    let ago = now().saturating_duration_since(at);
    let time = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_millis(time).to_string()
}
