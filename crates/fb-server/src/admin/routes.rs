//! The routes of the client, by name.

use bytes::Bytes;
use fb::{Change, Route};
use http::request::Parts;
use http_body::Body;
use serde_json::{Value, json};

use super::{
    audit,
    change::{apply, table},
    json::read,
    state::AdminState,
};
use crate::{
    body::{self, Response},
    error::Rejection,
    routing::BoxError,
};

/// Lists the names of the routes.
pub(super) fn list(state: &AdminState) -> Response {
    body::json(&json!({ "routes": state.client.routes() }))
}

/// Replaces a route or adds one, and lists the names of all.
pub(super) async fn set<B>(
    state: &AdminState,
    name: String,
    parts: &Parts,
    body: B,
) -> Result<Response, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    state.authorize(&parts.headers)?;
    let expected = r#"{"targets": [{"provider": "…", "model": "…"}], …} with the fields of [routes.NAME]"#;
    let fields: Value = read(body, expected).await?;
    let route: Route = table(fields.clone(), &format!("routes.{name}"))?;
    let before = summary(state, &name);
    apply(state, &Change::new().route(Route { name: name.clone(), ..route }))?;
    audit::record(parts, "route.set", &name, &before, &fields);
    Ok(list(state))
}

/// Removes a route, and lists the names of the others.
pub(super) fn remove(state: &AdminState, name: &str, parts: &Parts) -> Result<Response, Rejection> {
    state.authorize(&parts.headers)?;
    let before = summary(state, name);
    apply(state, &Change::new().remove_route(name))?;
    audit::record(parts, "route.remove", name, &before, &Value::Null);
    Ok(list(state))
}

/// Returns what the audit log has of a route before a change: its strategy and its targets.
pub(super) fn summary(state: &AdminState, name: &str) -> Value {
    state.client.route(name).map_or(Value::Null, |route| {
        let targets = route.targets.iter().map(|target| format!("{}/{}", target.provider, target.model));
        json!({ "strategy": route.strategy, "targets": targets.collect::<Vec<_>>() })
    })
}
