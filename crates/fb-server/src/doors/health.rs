use http::StatusCode;
use serde_json::json;

use crate::{
    body::{self, Response},
    state::State,
};

/// `GET /livez`: the process is running.
pub(crate) fn livez() -> Response {
    body::text("ok")
}

/// `GET /readyz`: 200 if at least one target is usable now, else 503, with the reasons for each target.
pub(crate) fn readyz(state: &State) -> Response {
    let targets = state.client.targets();
    let ready = targets.iter().any(|(_, eligibility)| eligibility.is_usable());
    let rows: serde_json::Map<_, _> = targets
        .iter()
        .map(|(id, eligibility)| {
            let reasons: Vec<String> = eligibility.reasons.iter().map(ToString::to_string).collect();
            (id.to_string(), if reasons.is_empty() { json!("ok") } else { json!(reasons.join(", ")) })
        })
        .collect();
    let mut response = body::json(&json!({ "ready": ready, "targets": rows }));
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
