//! The routes of the client, by name.

use bytes::Bytes;
use fb::{Change, Route};
use http::HeaderMap;
use http_body::Body;
use serde_json::json;

use super::{
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
    headers: &HeaderMap,
    body: B,
) -> Result<Response, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    state.authorize(headers)?;
    let expected = r#"{"targets": [{"provider": "…", "model": "…"}], …} with the fields of [routes.NAME]"#;
    let route: Route = table(read(body, expected).await?, &format!("routes.{name}"))?;
    apply(state, &Change::new().route(Route { name, ..route }))?;
    Ok(list(state))
}

/// Removes a route, and lists the names of the others.
pub(super) fn remove(state: &AdminState, name: &str, headers: &HeaderMap) -> Result<Response, Rejection> {
    state.authorize(headers)?;
    apply(state, &Change::new().remove_route(name))?;
    Ok(list(state))
}
