//! JSON request bodies, and times as JSON numbers.

use std::time::{Duration, Instant};

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
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_error| too_large(MAX_BODY))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| {
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
