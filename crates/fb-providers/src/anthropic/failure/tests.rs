use super::*;
use crate::exchange::check;

#[test]
fn errors_are_classified() {
    let invalid = "invalid_request_error";
    for (status, kind, code, message, expected) in [
        (400, invalid, "", "prompt is too long: 200001 tokens > 200000 maximum", "context_length"),
        (400, invalid, "", "prompt: length: 9 > 8", "context_length"),
        (400, invalid, "", "input length and `max_tokens` exceed context limit: 1 + 2 > 2", "context_length"),
        (400, invalid, "", "You have reached your specified API usage limits.", "quota_exhausted"),
        (400, invalid, "", "You have reached your specified workspace API usage limits.", "quota_exhausted"),
        (400, invalid, "", "Output blocked by content filtering policy", "blocked: output filtered"),
        (400, invalid, "organization_on_hold", "", "permission"),
        (400, invalid, "claude_code_key_creator_not_member", "", "permission"),
        (400, invalid, "cmek_key_disabled", "", "permission"),
        (400, invalid, "cmek_key_network_blocked", "", "permission"),
        (400, invalid, "tool_name_conflict", "", "invalid_request"),
        (400, invalid, "tool_reference_unresolved", "", "invalid_request"),
        (400, invalid, "available_tools_limit_exceeded", "", "invalid_request"),
        (400, invalid, "compaction_trigger_invalid", "", "invalid_request"),
        (400, invalid, "request_body_encoding_unsupported", "", "invalid_request"),
        (400, invalid, "", "temperature: Extra inputs are not permitted", "invalid_request"),
        (400, invalid, "", "Your credit balance is too low to access the Anthropic API.", "quota_exhausted"),
        (401, "authentication_error", "", "invalid x-api-key", "auth"),
        (402, "billing_error", "", "", "quota_exhausted"),
        (402, "billing_error", "linked_organization_billing_unavailable", "", "quota_exhausted"),
        (402, "billing_error", "linked_organization_spend_limit_reached", "", "quota_exhausted"),
        (403, "permission_error", "", "", "permission"),
        (403, "permission_error", "user_profile_not_billable", "", "permission"),
        (403, "permission_error", "sandbox_egress_restricted", "", "permission"),
        (404, "not_found_error", "", "model: x", "model_not_found"),
        (408, "timeout_error", "", "", "timeout"),
        (409, "conflict_error", "", "", "server_error"),
        (413, "request_too_large", "", "", "too_large"),
        (413, "request_too_large", "request_body_too_large_after_decoding", "", "too_large"),
        (429, "rate_limit_error", "", "", "rate_limited"),
        (429, "rate_limit_error", "ramp_limit_exceeded", "", "rate_limited"),
        (429, "rate_limit_error", "enforced_spend_limit_reached", "", "quota_exhausted"),
        (429, "rate_limit_error", "contract_spend_limit_reached", "", "quota_exhausted"),
        (499, "", "", "client closed", "network"),
        (500, "api_error", "", "", "server_error"),
        (503, "api_error", "cmek_key_unreachable", "", "server_error"),
        (503, "api_error", "cmek_context_unavailable", "", "server_error"),
        (504, "timeout_error", "", "", "timeout"),
        (529, "overloaded_error", "", "Overloaded", "overloaded"),
        (529, "overloaded_error", "compaction_unavailable", "", "overloaded"),
        // Errors that blame the caller are ignored with a 5xx status.
        (500, "api_error", "", "prompt is too long", "server_error"),
        (500, invalid, "", "Output blocked by content filtering policy", "server_error"),
        // Inside a stream.
        (0, "overloaded_error", "", "Overloaded", "overloaded"),
        (0, "api_error", "", "Internal server error", "server_error"),
        (0, "rate_limit_error", "", "", "rate_limited"),
        (0, invalid, "", "Output blocked by content filtering policy", "blocked: output filtered"),
        (0, "", "", "", "server_error"),
    ] {
        let details =
            if code.is_empty() { String::new() } else { format!(r#","details":{{"error_code":{code:?}}}"#) };
        let body = format!(
            r#"{{"type":"error","error":{{"type":{kind:?},"message":{message:?}{details}}},"request_id":"req_1"}}"#
        );
        check(classify, status, &body, expected);
    }
}
