use fb::{Eligibility, TargetId};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, json};

use crate::{
    body::{self, Response},
    state::State,
};

/// `GET /livez`: the process is running.
pub(crate) fn livez() -> Response {
    body::text("ok")
}

/// `GET /readyz`: 200 if at least one target is usable and the server is not about to stop, else 503. A request with the
/// admin token gets the reasons for each target.
pub(crate) fn readyz(state: &State, headers: &HeaderMap) -> Response {
    let targets = state.client.targets();
    let ready = !state.shutdown.has_begun() && targets.iter().any(|(_, eligibility)| eligibility.is_usable());
    let is_operator = state.operators.as_ref().is_some_and(|admin| admin.authorize(headers).is_ok());
    let rows = is_operator.then(|| {
        let row = |(id, eligibility): &(TargetId, Eligibility)| {
            let reasons: Vec<String> = eligibility.reasons.iter().map(ToString::to_string).collect();
            (id.to_string(), if reasons.is_empty() { json!("ok") } else { json!(reasons.join(", ")) })
        };
        targets.iter().map(row).collect::<Map<_, _>>()
    });
    let mut readiness = json!({ "ready": ready });
    if let Some(rows) = rows {
        readiness["targets"] = rows.into();
    }
    let mut response = body::json(&readiness);
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
