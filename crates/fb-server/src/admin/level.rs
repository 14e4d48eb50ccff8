//! At which level of its ladder a route begins.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::Response,
};
use fb::{Client, Level, RouteLevel};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, answer, may_change, millis, read};
use crate::error;

/// What an operator decides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    /// A level, or `auto` to leave it to the route again.
    level: String,
    /// Which route; all of them without it.
    #[serde(default)]
    route: Option<String>,
    /// How long it lasts; without it until it is decided anew.
    #[serde(default, rename = "for", with = "humantime_serde")]
    lasts: Option<Duration>,
}

/// Every route and its level.
pub(super) async fn levels(State(admin): State<Admin>) -> Response {
    answer(&shown(&admin.client))
}

/// Decides over a route's head, or leaves it to the route again; answers with every route as it is then.
pub(super) async fn decide(State(admin): State<Admin>, request: Request) -> Response {
    if let Err(refused) = may_change(&admin, request.headers()) {
        return *refused;
    }
    let expected = r#"{"level": "reduced", "route": "default", "for": "10m"}, route and for optional"#;
    let Decision { level, route, lasts } = match read(request.into_body(), expected).await {
        Ok(decision) => decision,
        Err(refused) => return *refused,
    };
    let decision = match level.as_str() {
        "auto" => None,
        word => match word.parse::<Level>() {
            Ok(level) => Some((level, lasts)),
            Err(unknown) => {
                let message = format!("level: {unknown}, or \"auto\"");
                return error::admin(400, &message, Some("level"), "unknown_level");
            }
        },
    };
    if !admin.client.set_level(route.as_deref(), decision) {
        let routes: Vec<String> = admin.client.levels().into_iter().map(|one| one.route).collect();
        let message = format!("no route is named {route:?}; routes: {}", routes.join(", "));
        return error::admin(404, &message, Some("route"), "route_not_found");
    }
    tracing::info!(level, route, ?lasts, "level decided by an operator");
    answer(&shown(&admin.client))
}

fn shown(client: &Client) -> Value {
    let routes = client.levels().into_iter().map(|RouteLevel { route, level, forced, remaining }| {
        json!({ "route": route, "level": level.name(), "forced": forced, "left_ms": remaining.map(millis) })
    });
    json!({ "routes": routes.collect::<Vec<_>>(), "levels": Level::ALL.map(Level::name) })
}
