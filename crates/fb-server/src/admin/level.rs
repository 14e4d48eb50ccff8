//! The level of its degradation ladder at which a route starts.

use std::time::Duration;

use bytes::Bytes;
use fb::{Client, ErrorCode, Level, RouteLevel};
use http::request::Parts;
use http_body::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    audit,
    json::{millis, read_optional},
    query,
    state::AdminState,
};
use crate::{
    body::{self, Response},
    error::Rejection,
    routing::BoxError,
};

/// A level set by an operator, in the body, in the query, or in both: the query has precedence.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Decision {
    /// A level, or `auto` to end an earlier decision. Required.
    level: Option<String>,
    /// Without a route the decision applies to all.
    route: Option<String>,
    /// Without a duration the decision lasts until the next one.
    #[serde(rename = "for", with = "humantime_serde")]
    duration: Option<Duration>,
}

impl Decision {
    /// Sets the fields that a query has: `level=reduced&route=default&for=10m`.
    fn with_query(mut self, query: &str) -> Result<Self, Rejection> {
        for (name, value) in query::pairs(query)? {
            match name.as_str() {
                "level" => self.level = Some(value),
                "route" => self.route = Some(value),
                "for" => {
                    let duration = humantime::parse_duration(&value).map_err(|error| {
                        Rejection::invalid(
                            "for",
                            format!("for: {value:?}: {error}; expected a time such as 10m"),
                        )
                    })?;
                    self.duration = Some(duration);
                }
                other => {
                    let message = format!("{other:?} in the query; expected level, route or for");
                    return Err(Rejection::new(ErrorCode::InvalidRequest, message));
                }
            }
        }
        Ok(self)
    }
}

/// Lists every route with its level.
pub(super) fn list(state: &AdminState) -> Response {
    body::json(&levels(&state.client))
}

/// Sets the level of one or all routes and returns it, with every route and its new level.
pub(super) async fn set<B>(state: &AdminState, parts: &Parts, body: B) -> Result<Response, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    state.authorize(&parts.headers)?;
    let expected = r#"{"level": "reduced", "route": "default", "for": "10m"}, route and for optional"#;
    let decision: Decision = read_optional(body, expected).await?;
    let Decision { level, route, duration } = decision.with_query(parts.uri.query().unwrap_or_default())?;
    let Some(level) = level else {
        let message = format!("level: missing; expected ?level=reduced, or a body: {expected}");
        return Err(Rejection::invalid("level", message));
    };
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
    let before = levels_of(&state.client, route.as_deref());
    if !state.client.set_level(route.as_deref(), decision) {
        let routes: Vec<String> = state.client.levels().into_iter().map(|one| one.route).collect();
        let route = route.unwrap_or_default();
        let message = format!("no route is named {route:?}; routes: {}", routes.join(", "));
        return Err(Rejection::new(ErrorCode::RouteNotFound, message).with_param("route"));
    }
    let after = levels_of(&state.client, route.as_deref());
    audit::record(parts, "level.set", route.as_deref().unwrap_or("all routes"), &before, &after);
    let mut answer = levels(&state.client);
    answer["level"] = json!(level);
    answer["status"] = json!("updated");
    Ok(body::json(&answer))
}

fn levels(client: &Client) -> Value {
    json!({ "routes": levels_of(client, None), "levels": Level::ALL.map(Level::name) })
}

/// Returns the level of one or all routes.
fn levels_of(client: &Client, route: Option<&str>) -> Value {
    let mut levels = client.levels();
    levels.retain(|level| route.is_none_or(|route| level.route == route));
    let levels = levels.into_iter().map(|RouteLevel { route, level, forced, remaining, .. }| {
        json!({ "route": route, "level": level.name(), "forced": forced, "left_ms": remaining.map(millis) })
    });
    levels.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_has_precedence_over_the_body() {
        let body = || Decision {
            level: Some("minimal".to_owned()),
            route: Some("default".to_owned()),
            duration: Some(Duration::from_secs(60)),
        };
        let read = |query: &str| body().with_query(query).unwrap();
        assert_eq!(read(""), body());
        assert_eq!(read("level=reduced"), Decision { level: Some("reduced".to_owned()), ..body() });
        let all = Decision {
            level: Some("cached".to_owned()),
            route: Some("a b/c".to_owned()),
            duration: Some(Duration::from_secs(600)),
        };
        assert_eq!(read("for=10m&route=a+b%2Fc&level=cached"), all);
        for query in ["levle=reduced", "for=soon", "level=%ff"] {
            let status = body().with_query(query).unwrap_err().into_response().status();
            assert_eq!(status, 400, "{query}");
        }
    }
}
