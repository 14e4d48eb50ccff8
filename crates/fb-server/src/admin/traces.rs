//! What was decided for the latest requests.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, header::ACCEPT},
    response::{IntoResponse, Response},
};
use fb::{AttemptEnd, Plan, Record, RequestId};
use serde_json::{Value, json};

use super::{Admin, answer, millis, now};
use crate::error;

/// Most records of one answer.
const MOST: usize = 1_000;

/// Records of an answer unless `limit` says otherwise.
const USUAL: usize = 100;

/// The latest requests, the newest first.
pub(super) async fn latest(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let limit = match query.as_deref().and_then(|query| query.strip_prefix("limit=")) {
        None => USUAL,
        Some(limit) => match limit.parse() {
            Ok(limit) if (1..=MOST).contains(&limit) => limit,
            _ => {
                let message = format!("limit: {limit:?}; expected 1 to {MOST}");
                return error::admin(400, &message, Some("limit"), "invalid_request");
            }
        },
    };
    let records = admin.client.traces(limit);
    answer(&json!({ "traces": records.iter().map(summary).collect::<Vec<_>>() }))
}

/// One request, whole; as text for a caller that accepts no JSON.
pub(super) async fn one(State(admin): State<Admin>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let id: RequestId = match id.parse() {
        Ok(id) => id,
        Err(wrong) => return error::admin(400, &format!("id: {wrong}"), Some("id"), "invalid_request"),
    };
    let Some(record) = admin.client.trace(id) else {
        let message = format!("no request {id} is remembered: it runs still, or others came after it");
        return error::admin(404, &message, Some("id"), "trace_not_found");
    };
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.starts_with("text/plain") {
        return format!("{record}\n").into_response();
    }
    answer(&whole(&record))
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
        "hops": report.hops(),
        "cost_usd": report.cost().map(|cost| cost.to_string()),
        "trace": report.trace.one_line(),
    })
}

fn whole(record: &Arc<Record>) -> Value {
    let mut all = summary(record);
    all["asked"] = json!(record.asked);
    all["reason"] = json!(record.report.degraded);
    all["plan"] = json!(record.plan.as_ref().map(plan));
    let rows = record.report.trace.rows().iter().map(|row| {
        let kind = match &row.end {
            AttemptEnd::Failed(failure) => Some(failure.kind().name()),
            _ => None,
        };
        json!({
            "target": row.target.to_string(),
            "number": row.number,
            "at_ms": millis(row.at),
            "took_ms": millis(row.took),
            "end": row.end.to_string(),
            "failure": kind,
            "next": row.next.to_string(),
        })
    });
    all["attempts"] = rows.collect();
    all
}

fn plan(plan: &Plan) -> Value {
    let ranked = plan.order.iter().map(|one| {
        let barred = one.skip.as_ref().map(ToString::to_string);
        json!({ "target": one.target.to_string(), "why": one.reason.to_string(), "not_now": barred })
    });
    let refused = plan
        .inadmissible
        .iter()
        .map(|one| json!({ "target": one.target.to_string(), "why": one.refusal.to_string() }));
    json!({
        "order": ranked.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "start": plan.start.to_string(),
    })
}
