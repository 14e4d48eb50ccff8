use fb::{Check, Condition, Eligibility, HealthStatus, KeyStatus, LastCheck};
use serde_json::{Value, json};

use super::{
    circuits::last_failure,
    json::{iso_time, millis, now},
    state::AdminState,
};
use crate::body::{self, Response};

/// Shows the health of every target: in short under `providers`, in full under `targets`.
pub(super) fn health(state: &AdminState) -> Response {
    let at = now();
    let (stats, health) = (state.client.stats(), state.client.health());
    let targets = state.client.targets();
    let is_healthy =
        |eligibility: &Eligibility, seen: &HealthStatus| eligibility.weight >= 1.0 && !seen.panic;
    let healthy =
        targets.iter().zip(&health).all(|((_, eligibility), (_, seen))| is_healthy(eligibility, seen));
    let any = targets.iter().any(|(_, eligibility)| eligibility.is_usable());
    let status = match any {
        true if healthy => "healthy",
        true => "degraded",
        false => "unavailable",
    };
    let keys = state.client.keys();
    let rows = targets.iter().zip(&health).zip(&keys).map(|(((id, eligibility), (_, seen)), (_, keys))| {
        let counted = stats.targets.get(id).cloned().unwrap_or_default();
        let mut row = json!({
            "target": id.to_string(),
            "model": id.model(),
            "healthy": is_healthy(eligibility, seen),
            "available": eligibility.is_usable(),
            "share": eligibility.weight,
            "reasons": eligibility.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "available_in_ms": eligibility.not_before.map(millis),
            "panic": seen.panic,
            "endpoint": condition(seen.condition),
            "consecutive_failures": seen.consecutive_failures,
            "error_count": seen.errors,
            "calls_in_window": seen.calls,
            "failed_in_window": seen.failed,
            "mean_latency_ms": seen.latency.map(|latency| millis(latency.mean)),
            "p95_latency_ms": seen.latency.map(|latency| millis(latency.p95)),
            "max_latency_ms": seen.latency.map(|latency| millis(latency.max)),
            "tokens_per_second": seen.tokens_per_second,
            "last_check": seen.last_check.as_ref().map(last_check),
            "last_error": seen.last_error.as_ref().map(|(why, ago)| json!({ "error": **why, "ago_ms": millis(*ago) })),
            "last_failure": last_failure(&counted, at),
        });
        if !keys.is_empty() {
            row["keys"] = keys.iter().map(key).collect();
        }
        row
    });
    let providers = targets.iter().zip(&health).map(|((id, eligibility), (_, seen))| {
        let last_failure = stats.targets.get(id).and_then(|counted| counted.last_failure);
        json!({
            "name": id.provider().as_str(),
            "model": id.model(),
            "is_healthy": is_healthy(eligibility, seen),
            "consecutive_failures": seen.consecutive_failures,
            "last_failure": last_failure.map(|(_, at)| iso_time(at)),
        })
    });
    let providers: Vec<_> = providers.collect();
    body::json(&json!({ "status": status, "providers": providers, "targets": rows.collect::<Vec<_>>() }))
}

fn key(key: &KeyStatus) -> Value {
    json!({
        "name": &*key.name,
        "rejected": key.rejected,
        "free_in_ms": key.free_in.map(millis),
        "share_left": key.share_left,
    })
}

const fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Unknown => "unknown",
        Condition::Healthy => "healthy",
        Condition::Unhealthy => "unhealthy",
    }
}

fn last_check(check: &LastCheck) -> Value {
    let (found, error) = match &check.result {
        Check::Passed => ("passed", None),
        Check::Failed(error) => ("failed", Some(error)),
        Check::Unknown => ("unknown", None),
    };
    json!({ "found": found, "error": error, "ago_ms": millis(check.ago) })
}
