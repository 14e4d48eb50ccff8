use fb_core::{BlockCategory, FailureKind, Phase};

use crate::exchange::{Class, Said, by_status};

/// What an error of Anthropic's means: its machine-readable code, the few texts that stand for a code it lacks, its
/// type, and the status.
pub(super) fn classify(said: &Said<'_>) -> Class {
    coded(said)
        .or_else(|| worded(said))
        .or_else(|| typed(said))
        .unwrap_or_else(|| said.status().map_or(FailureKind::ServerError, by_status).into())
}

/// `error.details.error_code`.
fn coded(said: &Said<'_>) -> Option<Class> {
    let kind = match said.body.detail_code.as_deref()? {
        "enforced_spend_limit_reached"
        | "contract_spend_limit_reached"
        | "credit_balance_too_low"
        | "linked_organization_billing_unavailable" => FailureKind::QuotaExhausted,
        code if code.ends_with("spend_limit_reached") => FailureKind::QuotaExhausted,
        "ramp_limit_exceeded" => FailureKind::RateLimited,
        "organization_on_hold"
        | "claude_code_key_creator_not_member"
        | "cmek_key_disabled"
        | "cmek_key_network_blocked"
        | "sandbox_egress_restricted" => FailureKind::Permission,
        code if code.starts_with("user_profile_not_billable") => FailureKind::Permission,
        "cmek_key_unreachable" | "cmek_context_unavailable" => FailureKind::ServerError,
        "compaction_unavailable" => FailureKind::Overloaded,
        "request_body_too_large_after_decoding" => FailureKind::TooLarge,
        _ => return None,
    };
    Some(kind.into())
}

/// What has a type for anything, `invalid_request_error`, and is told apart by words only.
fn worded(said: &Said<'_>) -> Option<Class> {
    if !matches!(said.status(), Some(400) | None) {
        return None;
    }
    if said.says(&["prompt is too long", "prompt: length", "exceed context limit"]) {
        return Some(FailureKind::ContextLength.into());
    }
    // "You have reached your specified (workspace )API usage limits".
    let usage = said.says(&["you have reached your specified"]) && said.says(&["api usage limits"]);
    if usage || said.says(&["credit balance is too low"]) {
        return Some(FailureKind::QuotaExhausted.into());
    }
    if said.says(&["content filtering policy"]) {
        return Some(Class::Blocked(BlockCategory::Output));
    }
    None
}

/// `error.type`; all there is inside a stream.
fn typed(said: &Said<'_>) -> Option<Class> {
    let kind = match said.body.kind.as_deref()? {
        "invalid_request_error" => FailureKind::InvalidRequest,
        "authentication_error" => FailureKind::Auth,
        "billing_error" => FailureKind::QuotaExhausted,
        "permission_error" => FailureKind::Permission,
        "not_found_error" => FailureKind::ModelNotFound,
        "conflict_error" => FailureKind::ServerError,
        "request_too_large" => FailureKind::TooLarge,
        "rate_limit_error" => FailureKind::RateLimited,
        "timeout_error" => FailureKind::Timeout(Phase::FirstByte),
        "overloaded_error" => FailureKind::Overloaded,
        // Says less than the status of the answer that carries it.
        "api_error" if said.status().is_none() => FailureKind::ServerError,
        _ => return None,
    };
    Some(kind.into())
}

#[cfg(test)]
mod tests;
