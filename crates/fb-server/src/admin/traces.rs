//! The traces of the latest requests.

use std::sync::Arc;

use fb::{ErrorCode, Plan, Record, RequestId};
use http::{HeaderMap, header::ACCEPT};
use serde_json::{Value, json};

use super::{
    json::{millis, now},
    state::AdminState,
};
use crate::{
    body::{self, Response},
    error::Rejection,
};

/// Maximum number of traces in one answer.
const MAX_LIMIT: usize = 1_000;
/// Number of traces in an answer without `limit`.
const DEFAULT_LIMIT: usize = 100;

/// Lists the latest requests, the newest first.
pub(super) fn list(state: &AdminState, query: Option<&str>) -> Result<Response, Rejection> {
    let limit = match query.and_then(|query| query.strip_prefix("limit=")) {
        None => DEFAULT_LIMIT,
        Some(limit) => {
            let parsed = limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
            parsed.ok_or_else(|| {
                let message = format!("limit: {limit:?}; expected 1 to {MAX_LIMIT}");
                Rejection::invalid("limit", message)
            })?
        }
    };
    let records = state.client.traces(limit);
    Ok(body::json(&json!({ "traces": records.iter().map(summary).collect::<Vec<_>>() })))
}

/// Shows one request in full, as plain text if the client accepts that first.
pub(super) fn find(state: &AdminState, id: &str, headers: &HeaderMap) -> Result<Response, Rejection> {
    let id: RequestId = id.parse().map_err(|invalid| Rejection::invalid("id", format!("id: {invalid}")))?;
    let record = state.client.trace(id).ok_or_else(|| {
        let message =
            format!("no request {id} is remembered: it is still running, or newer requests replaced it");
        Rejection::new(ErrorCode::TraceNotFound, message).with_param("id")
    })?;
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.starts_with("text/plain") {
        return Ok(body::text(format!("{record}\n")));
    }
    Ok(body::json(&full(&record)))
}

fn summary(record: &Arc<Record>) -> Value {
    let report = &record.report;
    json!({
        "id": record.id().to_string(),
        "route": record.route,
        "tenant": record.tenant.as_deref().unwrap_or("default"),
        "ago_ms": millis(record.age(now())),
        "took_ms": millis(report.took),
        "served_by": report.served_by.as_ref().map(ToString::to_string),
        "level": report.level.name(),
        "cache": report.cache.as_ref().map(ToString::to_string),
        "attempts": report.attempts(),
        "hops": report.hops,
        "cost_usd": report.cost().map(|cost| cost.to_string()),
        "trace": report.trace.one_line(),
    })
}

fn full(record: &Arc<Record>) -> Value {
    let mut full = summary(record);
    full["asked"] = json!(record.requested);
    full["reason"] = json!(record.report.degraded);
    full["plan"] = json!(record.plan.as_ref().map(plan));
    full["attempts"] = json!(record.report.trace);
    full
}

fn plan(plan: &Plan) -> Value {
    let order = plan.order.iter().map(|ranked| {
        let skip = ranked.skip.as_ref().map(ToString::to_string);
        json!({ "target": ranked.target.to_string(), "why": ranked.reason.to_string(), "not_now": skip })
    });
    let refused = plan
        .inadmissible
        .iter()
        .map(|one| json!({ "target": one.target.to_string(), "why": one.refusal.to_string() }));
    json!({
        "order": order.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "start": plan.start.to_string(),
    })
}
