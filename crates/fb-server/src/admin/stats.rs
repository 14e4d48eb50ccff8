//! The counts of attempts and requests.

use std::{collections::BTreeMap, time::Duration};

use fb::{ProviderStats, SuccessCounts, TargetStats};
use serde_json::{Map, Value, json};

use super::{
    circuits::last_failure,
    json::{millis, now},
    state::AdminState,
};
use crate::body::{self, Response};

/// Shows the counts since the start: in total, per attempt and per request, by provider and by target.
pub(super) fn stats(state: &AdminState) -> Response {
    let (stats, at) = (state.client.stats(), now());
    let providers = stats.providers.iter().map(|(id, counted)| {
        let ProviderStats {
            calls, successes, failures, blocked, cancelled, mean_latency, max_latency, ..
        } = counted;
        let row = attempts([*calls, *successes, *blocked, *cancelled], failures, *mean_latency, *max_latency);
        (id.to_string(), Value::Object(row))
    });
    let targets = stats.targets.iter().map(|(id, counted)| {
        let TargetStats { calls, successes, failures, blocked, cancelled, .. } = counted;
        let counts = [*calls, *successes, *blocked, *cancelled];
        let mut row = attempts(counts, failures, counted.mean_latency, counted.max_latency);
        row.insert("skipped".to_owned(), json!(counted.skipped));
        row.insert("selected".to_owned(), json!(counted.selected));
        row.insert("fallback_from".to_owned(), json!(counted.fallback_from));
        row.insert("fallback_to".to_owned(), json!(counted.fallback_to));
        row.insert("last_failure".to_owned(), json!(last_failure(counted, at)));
        let as_primary = json!({
            "requests": counted.primary_requests,
            "primary_success_rate": counted.primary_success_rate,
            "fallback_rate": counted.fallback_rate,
        });
        row.insert("as_primary".to_owned(), as_primary);
        (id.to_string(), Value::Object(row))
    });
    body::json(&json!({
        "total_attempts": stats.per_attempt.total,
        "primary_success_rate": stats.per_attempt.primary_success_rate(),
        "fallback_rate": stats.per_attempt.fallback_rate(),
        "by_provider": providers.collect::<Map<_, _>>(),
        "by_target": targets.collect::<Map<_, _>>(),
        "per_attempt": successes(&stats.per_attempt),
        "per_request": successes(&stats.per_request),
        "requests": {
            "total": stats.requests,
            "answered": stats.answered,
            "cached": stats.cached,
            "cancelled": stats.cancelled,
        },
    }))
}

fn attempts(
    [total, success, blocked, cancelled]: [u64; 4],
    failures: &BTreeMap<&'static str, u64>,
    mean_latency: Option<Duration>,
    max_latency: Duration,
) -> Map<String, Value> {
    let row = json!({
        "total": total,
        "success": success,
        "failures": failures,
        "blocked": blocked,
        "cancelled": cancelled,
        "avg_latency_ms": mean_latency.map(|mean| mean.as_secs_f64() * 1e3),
        "max_latency_ms": millis(max_latency),
    });
    if let Value::Object(row) = row { row } else { Map::new() }
}

fn successes(counts: &SuccessCounts) -> Value {
    json!({
        "total": counts.total,
        "by_primary": counts.by_primary,
        "by_fallback": counts.by_fallback,
        "primary_success_rate": counts.primary_success_rate(),
        "fallback_rate": counts.fallback_rate(),
    })
}
