use fb_core::{BlockCategory, FailureKind, Phase, Scope};

use crate::exchange::{ErrorClass, ErrorResponse};

/// Classifies an error of Anthropic's by its code, then by the messages that have no code, its type, and the status.
pub(super) fn classify(error: &ErrorResponse<'_>) -> ErrorClass {
    by_code(error).or_else(|| by_message(error)).or_else(|| by_type(error)).unwrap_or_else(|| {
        error.status().map_or_else(|| FailureKind::ServerError.into(), ErrorClass::by_status)
    })
}

/// Classifies by `error.details.error_code`.
fn by_code(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    let kind = match error.body.detail_code.as_deref()? {
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

/// Classifies errors of the general type `invalid_request_error` that only their message identifies.
fn by_message(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    if !matches!(error.status(), Some(400) | None) {
        return None;
    }
    if error.message_contains(&["prompt is too long", "prompt: length", "exceed context limit"]) {
        return Some(FailureKind::ContextLength.into());
    }
    // "You have reached your specified (workspace )API usage limits".
    let is_usage_limit = error.message_contains(&["you have reached your specified"])
        && error.message_contains(&["api usage limits"]);
    if is_usage_limit || error.message_contains(&["credit balance is too low"]) {
        return Some(FailureKind::QuotaExhausted.into());
    }
    if error.message_contains(&["content filtering policy"]) {
        return Some(ErrorClass::Blocked(BlockCategory::Output));
    }
    None
}

/// Classifies by `error.type`, the only field of errors inside a stream.
fn by_type(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    let kind = match error.body.kind.as_deref()? {
        "invalid_request_error" => FailureKind::InvalidRequest,
        "authentication_error" => FailureKind::Auth,
        "billing_error" => FailureKind::QuotaExhausted,
        // The types also concern a file that the request names.
        "permission_error" => return Some(ErrorClass::Failed(FailureKind::Permission, Scope::Unclear)),
        "not_found_error" => {
            let names_model = error.body.message.starts_with("model:");
            let scope = if names_model { Scope::Kind } else { Scope::Unclear };
            return Some(ErrorClass::Failed(FailureKind::ModelNotFound, scope));
        }
        "conflict_error" => FailureKind::ServerError,
        "request_too_large" => FailureKind::TooLarge,
        "rate_limit_error" => FailureKind::RateLimited,
        "timeout_error" => FailureKind::Timeout(Phase::FirstByte),
        "overloaded_error" => FailureKind::Overloaded,
        // Less specific than the status of the response.
        "api_error" if error.status().is_none() => FailureKind::ServerError,
        _ => return None,
    };
    Some(kind.into())
}

#[cfg(test)]
mod tests;
