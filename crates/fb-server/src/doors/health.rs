use axum::{
    extract,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::state::State;

/// The process runs.
pub(crate) async fn livez() -> &'static str {
    "ok"
}

/// At least one target may be called now; else 503 with the reason for each.
pub(crate) async fn readyz(extract::State(state): extract::State<State>) -> Response {
    let targets = state.client.targets();
    let ready = targets.iter().any(|(_, eligibility)| eligibility.is_usable());
    let rows: serde_json::Map<_, _> = targets
        .iter()
        .map(|(id, eligibility)| {
            let reasons: Vec<String> = eligibility.reasons.iter().map(ToString::to_string).collect();
            (id.to_string(), if reasons.is_empty() { json!("ok") } else { json!(reasons.join(", ")) })
        })
        .collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": ready, "targets": rows }).to_string();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
