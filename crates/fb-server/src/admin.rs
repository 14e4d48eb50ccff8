mod level;
mod traces;

use std::time::{Duration, Instant};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, header::AUTHORIZATION, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use fb::{
    Breaker, Check, Client, Condition, Eligibility, HealthStatus, LastCheck, Mode, Override, Purge, Standing,
    State as Circuit, TargetId, TargetStats,
};
use fb_telemetry::Metrics;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{auth::same, error, telemetry::Scrape};

/// Largest body of an operator's request.
const MAX_BODY: usize = 64 << 10;
/// Longest reason an operator may give.
const MAX_REASON: usize = 500;

/// What the handlers of the operators' listener see.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) client: Client,
    pub(crate) scrape: Scrape,
    /// Without one nothing can be changed.
    pub(crate) token: Option<SecretString>,
}

/// The paths of the operators' listener.
pub(crate) fn router(admin: Admin) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/circuits", get(circuits))
        .route("/v1/circuits/{*target}", post(change))
        .route("/v1/cache", get(cache))
        .route("/v1/cache/purge", post(purge))
        .route("/v1/degradation/level", get(level::levels).post(level::decide))
        .route("/v1/tenants", get(tenants))
        .route("/v1/traces", get(traces::latest))
        .route("/v1/traces/{id}", get(traces::one))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn answer(body: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What every tenant used, and how near it is to its limits.
async fn tenants(State(admin): State<Admin>) -> Response {
    let rows = admin.client.tenants().into_iter().map(|(name, used, standing)| {
        let (word, limit) = match standing {
            Standing::Free => ("free", None),
            Standing::Soft { limit, .. } => ("soft", Some(limit)),
            Standing::Hard { limit, .. } => ("hard", Some(limit)),
        };
        json!({ "tenant": name, "standing": word, "limit": limit, "used": used })
    });
    let rows: Vec<Value> = rows.collect();
    answer(&json!({ "ledger_failure": admin.client.ledger_failure(), "tenants": rows }))
}

/// What Prometheus fetches.
async fn metrics(State(admin): State<Admin>) -> Response {
    ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], admin.scrape.render(&admin.client)).into_response()
}

/// How every target fares.
async fn health(State(admin): State<Admin>) -> Response {
    let at = now();
    let (stats, health) = (admin.client.stats(), admin.client.health());
    let targets = admin.client.targets();
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
    let rows = targets.iter().zip(&health).map(|((id, eligibility), (_, seen))| {
        let counted = stats.targets.get(id).cloned().unwrap_or_default();
        json!({
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
            "error_count": counted.failures.values().sum::<u64>(),
            "calls_in_window": seen.calls,
            "failed_in_window": seen.failed,
            "mean_latency_ms": seen.latency.map(|latency| millis(latency.mean)),
            "p95_latency_ms": seen.latency.map(|latency| millis(latency.p95)),
            "max_latency_ms": seen.latency.map(|latency| millis(latency.max)),
            "tokens_per_second": seen.tokens_per_second,
            "last_check": seen.last_check.as_ref().map(last_check),
            "last_error": seen.last_error.as_ref().map(|(why, ago)| json!({ "error": **why, "ago_ms": millis(*ago) })),
            "last_failure": last_failure(&counted, at),
        })
    });
    answer(&json!({ "status": status, "targets": rows.collect::<Vec<_>>() }))
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

/// Every circuit breaker.
async fn circuits(State(admin): State<Admin>) -> Response {
    let at = now();
    let stats = admin.client.stats();
    let rows = admin.client.breakers().into_iter().map(|(id, breaker)| {
        let counted = stats.targets.get(&id).cloned().unwrap_or_default();
        circuit(&id, &breaker, &counted, at)
    });
    answer(&json!({ "circuits": rows.collect::<Vec<_>>() }))
}

fn circuit(id: &TargetId, breaker: &Breaker, counted: &TargetStats, at: Instant) -> Value {
    let (state, reopens_in) = match breaker.state(at) {
        Circuit::Closed => ("closed", None),
        Circuit::Open { reopens_in } => ("open", Some(millis(reopens_in))),
        _ => ("half_open", None),
    };
    let forced = breaker.forced(at).map(|decision| {
        let left = decision.until.map(|until| millis(until.saturating_duration_since(at)));
        json!({ "mode": decision.mode, "reason": &*decision.reason, "left_ms": left })
    });
    json!({
        "target": id.to_string(),
        "state": state,
        "allows_request": breaker.peek(at).is_ok(),
        "reopens_in_ms": reopens_in,
        "share": breaker.share(at),
        "override": forced,
        "in_flight": breaker.outstanding(),
        "consecutive_failures": breaker.consecutive_failures(),
        "calls": counted.calls,
        "successes": counted.successes,
        "failures": counted.failures,
        "skipped": counted.skipped,
        "last_failure": last_failure(counted, at),
    })
}

fn last_failure(counted: &TargetStats, at: Instant) -> Option<Value> {
    let (kind, when) = counted.last_failure?;
    Some(json!({ "kind": kind, "ago_ms": millis(at.saturating_duration_since(when)) }))
}

/// What an operator asks of a circuit breaker.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    action: Action,
    /// Why; shown with the circuit.
    #[serde(default)]
    reason: String,
    /// How long it lasts; without it until it is lifted.
    #[serde(default, rename = "for", with = "humantime_serde")]
    lasts: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    ForceOpen,
    ForceClosed,
    MetricsOnly,
    /// Ends what was forced.
    Lift,
    /// Closes, forgets, and ends what was forced.
    Reset,
}

/// Forces a circuit breaker open or closed, lifts that, or resets it; answers with the circuit as it is then.
async fn change(State(admin): State<Admin>, Path(target): Path<String>, request: Request) -> Response {
    if let Err(refused) = may_change(&admin, request.headers()) {
        return *refused;
    }
    let expected = r#"{"action": "force_open" | "force_closed" | "metrics_only" | "lift" | "reset", "reason": "…", "for": "10m"}"#;
    let change: Change = match read(request.into_body(), expected).await {
        Ok(change) => change,
        Err(refused) => return *refused,
    };
    if change.reason.len() > MAX_REASON {
        let message = format!("the reason has {} bytes; expected at most {MAX_REASON}", change.reason.len());
        return error::admin(400, &message, Some("reason"), "invalid_request");
    }
    let breakers = admin.client.breakers();
    let Some((id, breaker)) = breakers.iter().find(|(id, _)| id.to_string() == target) else {
        let names: Vec<String> = breakers.iter().map(|(id, _)| id.to_string()).collect();
        let message = format!("no target is named {target:?}; targets: {}", names.join(", "));
        return error::admin(404, &message, Some("target"), "target_not_found");
    };
    let at = now();
    let force = |mode| {
        let decision = Override::new(mode, change.reason.as_str());
        breaker.force(match change.lasts.and_then(|lasts| at.checked_add(lasts)) {
            Some(until) => decision.until(until),
            None => decision,
        });
    };
    match change.action {
        Action::ForceOpen => force(Mode::ForcedOpen),
        Action::ForceClosed => force(Mode::ForcedClosed),
        Action::MetricsOnly => force(Mode::MetricsOnly),
        Action::Lift => breaker.lift(),
        Action::Reset => {
            breaker.lift();
            breaker.reset(at);
        }
    }
    tracing::info!(target = %id, action = ?change.action, reason = change.reason, "circuit changed by an operator");
    let counted = admin.client.stats().targets.get(id).cloned().unwrap_or_default();
    answer(&circuit(id, breaker, &counted, at))
}

/// What the cache of answers has done and holds.
async fn cache(State(admin): State<Admin>) -> Response {
    let stats = admin.client.cache_stats();
    answer(&json!({
        "hits": stats.hits,
        "stale_hits": stats.stale_hits,
        "misses": stats.misses,
        "stored": stats.stored,
        "too_large": stats.too_large,
        "over_quota": stats.over_quota,
        "evicted": stats.evicted,
        "expired": stats.expired,
        "purged": stats.purged,
        "entries": stats.entries,
        "bytes": stats.bytes,
    }))
}

/// Which answers are to be thrown out: those that meet every condition given; all of them if none is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Unwanted {
    tenant: Option<String>,
    route: Option<String>,
    provider: Option<String>,
    /// Given at least so long ago.
    #[serde(with = "humantime_serde")]
    older_than: Option<Duration>,
    /// Given at most so long ago.
    #[serde(with = "humantime_serde")]
    younger_than: Option<Duration>,
}

/// Throws answers out of the cache; answers with how many.
async fn purge(State(admin): State<Admin>, request: Request) -> Response {
    if let Err(refused) = may_change(&admin, request.headers()) {
        return *refused;
    }
    let expected = r#"{"tenant": "…", "route": "…", "provider": "…", "older_than": "1h", "younger_than": "2h"}, all optional"#;
    let unwanted: Unwanted = match read(request.into_body(), expected).await {
        Ok(unwanted) => unwanted,
        Err(refused) => return *refused,
    };
    let Unwanted { tenant, route, provider, older_than, younger_than } = unwanted;
    let age = (older_than.is_some() || younger_than.is_some())
        .then(|| older_than.unwrap_or_default()..=younger_than.unwrap_or(Duration::MAX));
    let purge = Purge { tenant, route, provider, age };
    let purged = admin.client.purge_cache(&purge);
    tracing::info!(?purge, purged, "cache purged by an operator");
    answer(&json!({ "purged": purged }))
}

async fn read<T: DeserializeOwned>(body: Body, expected: &str) -> Result<T, Box<Response>> {
    let bytes = to_bytes(body, MAX_BODY).await.map_err(|_broken| Box::new(error::too_large(MAX_BODY)))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the body is not what was expected: {error}; expected {expected}");
        Box::new(error::admin(400, &message, None, "invalid_request"))
    })
}

/// Whether the caller shows the token.
fn may_change(admin: &Admin, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let Some(token) = &admin.token else {
        let message = "nothing can be changed here: no admin.token is configured";
        return Err(Box::new(error::admin(403, message, None, "admin_token_not_configured")));
    };
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if shown.is_some_and(|shown| same(shown, token.expose_secret().as_bytes())) {
        return Ok(());
    }
    let message = "expected Authorization: Bearer and the admin token";
    Err(Box::new(error::admin(401, message, None, "invalid_admin_token")))
}
