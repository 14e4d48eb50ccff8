use std::time::Duration;

use bytes::Bytes;
use fb::Purge;
use http::request::Parts;
use http_body::Body;
use serde::Deserialize;
use serde_json::json;

use super::{audit, json::read, state::AdminState};
use crate::{
    body::{self, Response},
    error::Rejection,
    routing::BoxError,
};

/// Shows the statistics of the answer cache.
pub(super) fn stats(state: &AdminState) -> Response {
    let stats = state.client.cache_stats();
    body::json(&json!({
        "hits": stats.hits,
        "stale_hits": stats.stale_hits,
        "misses": stats.misses,
        "stored": stats.stored,
        "too_large": stats.too_large,
        "over_quota": stats.over_quota,
        "evicted": stats.evicted,
        "expired": stats.expired,
        "purged": stats.purged,
        "entries": stats.entries,
        "bytes": stats.bytes,
    }))
}

/// The answers to remove: those that meet every given condition. Without conditions, all.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Conditions {
    tenant: Option<String>,
    route: Option<String>,
    provider: Option<String>,
    /// Minimum age.
    #[serde(with = "humantime_serde")]
    older_than: Option<Duration>,
    /// Maximum age.
    #[serde(with = "humantime_serde")]
    younger_than: Option<Duration>,
}

/// Removes answers from the cache and returns their number.
pub(super) async fn purge<B>(state: &AdminState, parts: &Parts, body: B) -> Result<Response, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    state.authorize(&parts.headers)?;
    let expected = r#"{"tenant": "…", "route": "…", "provider": "…", "older_than": "1h", "younger_than": "2h"}, all optional"#;
    let Conditions { tenant, route, provider, older_than, younger_than } = read(body, expected).await?;
    let age = (older_than.is_some() || younger_than.is_some())
        .then(|| older_than.unwrap_or_default()..=younger_than.unwrap_or(Duration::MAX));
    let purge = Purge { tenant, route, provider, age };
    let before = json!({ "entries": state.client.cache_stats().entries });
    let purged = state.client.purge_cache(&purge);
    let after = json!({ "entries": state.client.cache_stats().entries, "purged": purged });
    audit::record(parts, "cache.purge", &format!("{purge:?}"), &before, &after);
    Ok(body::json(&json!({ "purged": purged })))
}
