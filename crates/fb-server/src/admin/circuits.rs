use std::time::{Duration, Instant};

use bytes::Bytes;
use fb::{Breaker, ErrorCode, Mode, Override, State, TargetId, TargetStats};
use http::request::Parts;
use http_body::Body;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    audit,
    json::{iso_time, millis, now, read},
    state::AdminState,
};
use crate::{
    body::{self, Response},
    error::Rejection,
    routing::BoxError,
};

/// Maximum length of the reason for a change, in bytes.
const MAX_REASON: usize = 500;

/// Lists every circuit breaker: in full under `circuits`, in short under the name of each target, and those of whole
/// providers under `providers`.
pub(super) fn list(state: &AdminState) -> Response {
    let at = now();
    let stats = state.client.stats();
    let (mut listed, mut circuits) = (Map::new(), Vec::new());
    for (id, breaker) in state.client.breakers() {
        let counted = stats.targets.get(&id).cloned().unwrap_or_default();
        let summary = json!({
            "state": state_name(breaker.state(at)),
            "failure_count": breaker.consecutive_failures(),
            "last_failure": counted.last_failure.map(|(_, at)| iso_time(at)),
        });
        listed.insert(id.to_string(), summary);
        circuits.push(circuit(&id, &breaker, &counted, at));
    }
    let providers = state.client.provider_breakers();
    let providers: Vec<_> = providers.iter().map(|(name, breaker)| provider(name, breaker, at)).collect();
    // The name of a target contains a slash, so it is neither of these.
    listed.insert("circuits".to_owned(), circuits.into());
    listed.insert("providers".to_owned(), providers.into());
    body::json(&Value::Object(listed))
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open { .. } => "open",
        _ => "half_open",
    }
}

fn reopens_in_ms(state: State) -> Option<u64> {
    match state {
        State::Open { reopens_in } => Some(millis(reopens_in)),
        _ => None,
    }
}

/// Returns the breaker that all targets of a provider share.
fn provider(name: &str, breaker: &Breaker, at: Instant) -> Value {
    let state = breaker.state(at);
    json!({
        "provider": name,
        "state": state_name(state),
        "allows_request": breaker.peek(at).is_ok(),
        "reopens_in_ms": reopens_in_ms(state),
        "in_flight": breaker.outstanding(),
        "consecutive_failures": breaker.consecutive_failures(),
    })
}

fn circuit(id: &TargetId, breaker: &Breaker, counted: &TargetStats, at: Instant) -> Value {
    let state = breaker.state(at);
    let forced = breaker.forced(at).map(|decision| {
        let left = decision.until.map(|until| millis(until.saturating_duration_since(at)));
        json!({ "mode": decision.mode, "reason": &*decision.reason, "left_ms": left })
    });
    json!({
        "target": id.to_string(),
        "state": state_name(state),
        "allows_request": breaker.peek(at).is_ok(),
        "reopens_in_ms": reopens_in_ms(state),
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

pub(super) fn last_failure(counted: &TargetStats, at: Instant) -> Option<Value> {
    let (kind, when) = counted.last_failure?;
    Some(json!({ "kind": kind, "ago_ms": millis(at.saturating_duration_since(when)) }))
}

/// A change of a circuit breaker by an operator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    action: Action,
    /// Shown with the circuit.
    #[serde(default)]
    reason: String,
    /// Without a duration the override lasts until it is lifted.
    #[serde(default, rename = "for", with = "humantime_serde")]
    duration: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    ForceOpen,
    ForceClosed,
    MetricsOnly,
    /// Ends an override.
    Lift,
    /// Ends whatever keeps calls from the target: see [`Client::reset`](fb::Client::reset).
    Reset,
}

impl Action {
    /// Returns the name in the audit log.
    const fn name(self) -> &'static str {
        match self {
            Self::ForceOpen => "circuit.force_open",
            Self::ForceClosed => "circuit.force_closed",
            Self::MetricsOnly => "circuit.metrics_only",
            Self::Lift => "circuit.lift",
            Self::Reset => "circuit.reset",
        }
    }
}

/// Returns what a change of a circuit breaker may alter.
fn admission(breaker: &Breaker, at: Instant) -> Value {
    let forced = breaker.forced(at);
    let left = forced
        .as_ref()
        .and_then(|forced| forced.until)
        .map(|until| millis(until.saturating_duration_since(at)));
    json!({
        "state": state_name(breaker.state(at)),
        "override": forced.map(|forced| forced.mode),
        "left_ms": left,
    })
}

/// Changes a circuit breaker and returns its new state.
pub(super) async fn change<B>(
    state: &AdminState,
    target: &str,
    parts: &Parts,
    body: B,
) -> Result<Response, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    state.authorize(&parts.headers)?;
    let expected = r#"{"action": "force_open" | "force_closed" | "metrics_only" | "lift" | "reset", "reason": "…", "for": "10m"}"#;
    let change: Change = read(body, expected).await?;
    if change.reason.len() > MAX_REASON {
        let message = format!("the reason has {} bytes; expected at most {MAX_REASON}", change.reason.len());
        return Err(Rejection::invalid("reason", message));
    }
    let breakers = state.client.breakers();
    let Some((id, breaker)) = breakers.iter().find(|(id, _)| id.to_string() == target) else {
        let names: Vec<String> = breakers.iter().map(|(id, _)| id.to_string()).collect();
        let message = format!("no target is named {target:?}; targets: {}", names.join(", "));
        return Err(Rejection::new(ErrorCode::TargetNotFound, message).with_param("target"));
    };
    let at = now();
    let before = admission(breaker, at);
    let force = |mode| {
        let decision = Override::new(mode, change.reason.as_str());
        breaker.force(match change.duration.and_then(|duration| at.checked_add(duration)) {
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
            state.client.reset(id).await;
        }
    }
    let mut after = admission(breaker, at);
    after["reason"] = json!(change.reason);
    audit::record(parts, change.action.name(), target, &before, &after);
    let counted = state.client.stats().targets.get(id).cloned().unwrap_or_default();
    Ok(body::json(&circuit(id, breaker, &counted, at)))
}
