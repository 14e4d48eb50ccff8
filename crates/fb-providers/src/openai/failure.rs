use fb_core::{BlockCategory, FailureKind, Phase};

use crate::exchange::{Class, Said, by_status};

/// Whose errors a server speaks, beyond OpenAI's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    OpenAi,
    Azure,
    Groq,
    Mistral,
    OpenRouter,
    DeepSeek,
    Xai,
    Gemini,
    Cerebras,
    Vllm,
    LlamaCpp,
    LmStudio,
}

/// What an error means: the provider's own codes and words first, then OpenAI's, then the status.
pub(super) fn classify(said: &Said<'_>, flavour: Flavour) -> Class {
    let own = match flavour {
        Flavour::OpenAi => None,
        Flavour::Azure => azure(said),
        Flavour::Groq => groq(said),
        Flavour::Mistral => mistral(said),
        Flavour::OpenRouter => openrouter(said),
        Flavour::DeepSeek => deepseek(said),
        Flavour::Xai => xai(said),
        Flavour::Gemini => gemini(said),
        Flavour::Cerebras => cerebras(said),
        Flavour::Vllm => vllm(said),
        Flavour::LlamaCpp => llama_cpp(said),
        Flavour::LmStudio => lm_studio(said),
    };
    own.or_else(|| coded(said)).or_else(|| worded(said)).unwrap_or_else(|| match said.status() {
        Some(status) => by_status(status).into(),
        None if said.is(&["invalid_request_error"]) => FailureKind::InvalidRequest.into(),
        None => FailureKind::ServerError.into(),
    })
}

const BLOCKED: Class = Class::Blocked(BlockCategory::Input);

fn when(condition: bool, class: impl Into<Class>) -> Option<Class> {
    condition.then(|| class.into())
}

/// OpenAI's codes and types. Quota comes before rate limit: waiting does not refill an account.
fn coded(said: &Said<'_>) -> Option<Class> {
    use FailureKind::{
        Auth, ContextLength, InvalidRequest, ModelNotFound, Overloaded, Permission, QuotaExhausted,
        RateLimited, Region, ServerError, Timeout, TooLarge,
    };
    let rows: [(&[&str], Class); 16] = [
        (QUOTA, QuotaExhausted.into()),
        (POLICY, BLOCKED),
        (&["context_length_exceeded"], ContextLength.into()),
        // Of one field, such as `user`: no word about the prompt.
        (&["string_above_max_length", "array_above_max_length"], InvalidRequest.into()),
        (&["unsupported_country_region_territory"], Region.into()),
        (
            &["invalid_api_key", "ip_not_authorized", "account_deactivated", "invalid_organization"],
            Auth.into(),
        ),
        (&["model_not_found", "model_not_available"], ModelNotFound.into()),
        (&["server_is_overloaded", "overloaded_error", "engine_overloaded_error"], Overloaded.into()),
        (&["slow_down"], if said.status() == Some(503) { Overloaded } else { RateLimited }.into()),
        (&["data_residency_mismatch", "insufficient_permissions"], Permission.into()),
        (
            &["rate_limit_exceeded", "rate_limit_error"],
            if said.says(&[ONE_REQUEST]) { TooLarge } else { RateLimited }.into(),
        ),
        (
            &["unsupported_parameter", "unsupported_value", "invalid_type", "missing_required_parameter"],
            InvalidRequest.into(),
        ),
        (&["service_unavailable_error"], Overloaded.into()),
        (&["timeout", "timeout_error"], Timeout(Phase::FirstByte).into()),
        (&["server_error", "api_error", "internal_error"], ServerError.into()),
        (&["invalid_prompt"], if said.says(&["usage polic"]) { BLOCKED } else { InvalidRequest.into() }),
    ];
    let found = rows.into_iter().find(|(words, _)| said.is(words)).map(|(_, class)| class)?;
    // A word for a failure of the server tells nothing that a status of 4xx or another 5xx does not tell better.
    let vague = found == Class::Failed(ServerError);
    if vague && said.status.is_some() { None } else { Some(found) }
}

const QUOTA: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
];

const POLICY: &[&str] = &[
    "content_policy_violation",
    "cyber_policy",
    "bio_policy",
    "misalignment_policy_violation",
    "image_content_policy_violation",
    "content_filter",
    "ResponsibleAIPolicyViolation",
];

/// A single request above the whole rate: no wait makes it fit.
const ONE_REQUEST: &str = "request too large for";

/// What stands only in words.
fn worded(said: &Said<'_>) -> Option<Class> {
    let of_prompt = said.body.param.as_deref() != Some("user");
    match said.status() {
        Some(400 | 413 | 422) | None => when(
            of_prompt && said.says(&["maximum context length", "input tokens exceed the configured limit"]),
            FailureKind::ContextLength,
        )
        .or_else(|| when(said.says(&["rejected as a result of our safety system"]), BLOCKED)),
        Some(429) => when(said.says(&[ONE_REQUEST]), FailureKind::TooLarge)
            .or_else(|| when(said.says(&["exceeded your current quota"]), FailureKind::QuotaExhausted)),
        Some(403) => when(said.says(&["country, region, or territory not supported"]), FailureKind::Region),
        _ => None,
    }
}

fn azure(said: &Said<'_>) -> Option<Class> {
    when(said.is(&["DeploymentNotFound"]), FailureKind::ModelNotFound)
        .or_else(|| when(said.is(&["ResponsibleAIPolicyViolation", "content_filter"]), BLOCKED))
        .or_else(|| {
            let shared = said.says(&["experiencing high demand", "temporarily unable", "no capacity"]);
            when(said.status() == Some(429) && shared, FailureKind::Overloaded)
        })
        // `PermissionDenied` comes with 401 and 403, and the status says which it is.
        .or_else(|| when(said.status() == Some(401), FailureKind::Auth))
        .or_else(|| when(said.status() == Some(403), FailureKind::Permission))
}

fn groq(said: &Said<'_>) -> Option<Class> {
    when(said.status() == Some(498) || said.is(&["capacity_exceeded"]), FailureKind::Overloaded)
        // The model wrote a call or an object that its own server could not read.
        .or_else(|| when(said.is(&["tool_use_failed", "json_validate_failed"]), FailureKind::Malformed))
}

fn mistral(said: &Said<'_>) -> Option<Class> {
    let capacity = said.says(&["service tier capacity exceeded"]);
    when(said.status() == Some(429) && capacity, FailureKind::Overloaded).or_else(|| {
        when(said.says(&["too large for model with", "tokens in prompt"]), FailureKind::ContextLength)
    })
}

fn openrouter(said: &Said<'_>) -> Option<Class> {
    use FailureKind::{
        Auth, ContextLength, InvalidRequest, ModelNotFound, Overloaded, Permission, QuotaExhausted,
        RateLimited, ServerError, Timeout, TooLarge,
    };
    if said.body.limit_source.as_deref().is_some_and(|source| BUDGETS.contains(&source)) {
        return Some(QuotaExhausted.into());
    }
    if said.is(&["openrouter_in_flight_budget"]) || said.body.limit_source.as_deref() == Some(IN_FLIGHT) {
        return Some(RateLimited.into());
    }
    if said.status() == Some(403) && said.says(&["requires moderation", "was flagged"]) {
        return Some(BLOCKED);
    }
    let named = match said.body.error_type.as_deref()? {
        "context_length_exceeded" | "token_limit_exceeded" => ContextLength.into(),
        "authentication" => Auth.into(),
        "permission_denied" => Permission.into(),
        "payment_required" => QuotaExhausted.into(),
        "rate_limit_exceeded" => RateLimited.into(),
        "provider_overloaded" => Overloaded.into(),
        "provider_unavailable" | "server" => ServerError.into(),
        "not_found" => ModelNotFound.into(),
        "payload_too_large" => TooLarge.into(),
        "content_policy_violation" => BLOCKED,
        "refusal" => Class::Blocked(BlockCategory::Refusal),
        "timeout" => Timeout(Phase::FirstByte).into(),
        "max_tokens_exceeded"
        | "string_too_long"
        | "invalid_request"
        | "invalid_prompt"
        | "precondition_failed"
        | "unprocessable" => InvalidRequest.into(),
        image if image == "invalid_image" || image.starts_with("image_") => InvalidRequest.into(),
        _ => return None,
    };
    Some(named)
}

/// Limits of money that the account's owner set.
const BUDGETS: &[&str] =
    &["openrouter_guardrail_budget", "openrouter_workspace_budget", "openrouter_key_limit"];

/// The one 402 that passes by itself: too much money reserved by calls in flight.
const IN_FLIGHT: &str = "openrouter_in_flight_budget";

fn deepseek(said: &Said<'_>) -> Option<Class> {
    when(said.status() == Some(503), FailureKind::Overloaded)
        .or_else(|| when(said.says(&["insufficient balance"]), FailureKind::QuotaExhausted))
}

fn xai(said: &Said<'_>) -> Option<Class> {
    match said.status() {
        Some(400) => when(said.says(&["incorrect api key", "invalid api key"]), FailureKind::Auth),
        Some(403) => when(said.says(&["credits", "spending limit"]), FailureKind::QuotaExhausted),
        Some(429) => {
            when(said.says(&["used all available credits", "spending limit"]), FailureKind::QuotaExhausted)
        }
        _ => None,
    }
}

fn gemini(said: &Said<'_>) -> Option<Class> {
    use FailureKind::{
        Auth, ContextLength, InvalidRequest, ModelNotFound, Overloaded, Permission, QuotaExhausted,
        ServerError, Timeout,
    };
    if said.status() == Some(400) {
        return when(said.says(&["api key not valid", "api_key_invalid"]), Auth)
            .or_else(|| when(said.says(&["exceeds the maximum number of tokens allowed"]), ContextLength))
            .or_else(|| when(said.is(&["FAILED_PRECONDITION"]), Permission))
            .or_else(|| when(said.is(&["INVALID_ARGUMENT"]), InvalidRequest));
    }
    when(said.status() == Some(402), QuotaExhausted)
        .or_else(|| when(said.status() == Some(429) && said.says(&["perday", "per day"]), QuotaExhausted))
        // Nobody waits five minutes within a request: what asks for that is a day's quota by another name.
        .or_else(|| when(said.hint().is_some_and(|hint| hint.as_secs() > 300), QuotaExhausted))
        .or_else(|| when(said.is(&["UNAVAILABLE"]), Overloaded))
        .or_else(|| when(said.is(&["DEADLINE_EXCEEDED"]), Timeout(Phase::FirstByte)))
        .or_else(|| when(said.is(&["NOT_FOUND"]), ModelNotFound))
        .or_else(|| when(said.is(&["ABORTED", "INTERNAL"]), ServerError))
}

fn cerebras(said: &Said<'_>) -> Option<Class> {
    // A quota of tokens a minute, by its name only.
    when(
        said.is(&["token_quota_reached", "token_quota_exceeded", "request_quota_exceeded"]),
        FailureKind::RateLimited,
    )
    .or_else(|| when(said.says(&["current length is"]), FailureKind::ContextLength))
}

fn vllm(said: &Said<'_>) -> Option<Class> {
    when(said.says(&["maximum context length is", "maximum input length of"]), FailureKind::ContextLength)
        .or_else(|| when(said.is(&["NotFoundError"]), FailureKind::ModelNotFound))
}

fn llama_cpp(said: &Said<'_>) -> Option<Class> {
    when(said.is(&["exceed_context_size_error"]), FailureKind::ContextLength)
        .or_else(|| when(said.is(&["unavailable_error"]), FailureKind::Overloaded))
        .or_else(|| when(said.is(&["not_supported_error"]), FailureKind::InvalidRequest))
        .or_else(|| when(said.is(&["authentication_error"]), FailureKind::Auth))
}

fn lm_studio(said: &Said<'_>) -> Option<Class> {
    when(said.says(&["context length", "context overflow"]), FailureKind::ContextLength).or_else(|| {
        when(
            said.says(&["no models loaded", "model not found", "failed to load model"]),
            FailureKind::ModelNotFound,
        )
    })
}

#[cfg(test)]
mod tests;
