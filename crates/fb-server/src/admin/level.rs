//! The level of its degradation ladder at which a route starts.

use std::time::Duration;

use bytes::Bytes;
use fb::{Client, ErrorCode, Level, RouteLevel};
use http::HeaderMap;
use http_body::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    json::{millis, read},
    state::AdminState,
};
use crate::{
    body::{self, Response},
    error::Rejection,
    routing::BoxError,
};

/// A level set by an operator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    /// A level, or `auto` to end an earlier decision.
    level: String,
    /// Without a route the decision applies to all.
    #[serde(default)]
    route: Option<String>,
    /// Without a duration the decision lasts until the next one.
    #[serde(default, rename = "for", with = "humantime_serde")]
    duration: Option<Duration>,
}

/// Lists every route with its level.
pub(super) fn list(state: &AdminState) -> Response {
    body::json(&levels(&state.client))
}

/// Sets the level of one or all routes and returns every route with its new level.
pub(super) async fn set<B>(state: &AdminState, headers: &HeaderMap, body: B) -> Result<Response, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    state.authorize(headers)?;
    let expected = r#"{"level": "reduced", "route": "default", "for": "10m"}, route and for optional"#;
    let Decision { level, route, duration } = read(body, expected).await?;
    let decision = match level.as_str() {
        "auto" => None,
        name => {
            let level = name.parse::<Level>().map_err(|unknown| {
                let message = format!("level: {unknown}, or \"auto\"");
                Rejection::new(ErrorCode::UnknownLevel, message).with_param("level")
            })?;
            Some((level, duration))
        }
    };
    if !state.client.set_level(route.as_deref(), decision) {
        let routes: Vec<String> = state.client.levels().into_iter().map(|one| one.route).collect();
        let route = route.unwrap_or_default();
        let message = format!("no route is named {route:?}; routes: {}", routes.join(", "));
        return Err(Rejection::new(ErrorCode::RouteNotFound, message).with_param("route"));
    }
    tracing::info!(level, route, lasts = ?duration, "level set by an operator");
    Ok(body::json(&levels(&state.client)))
}

fn levels(client: &Client) -> Value {
    let routes = client.levels().into_iter().map(|RouteLevel { route, level, forced, remaining }| {
        json!({ "route": route, "level": level.name(), "forced": forced, "left_ms": remaining.map(millis) })
    });
    json!({ "routes": routes.collect::<Vec<_>>(), "levels": Level::ALL.map(Level::name) })
}
