use fb_core::{BlockCategory, FailureKind, Phase, Scope};

use crate::{
    exchange::{ErrorClass, ErrorResponse},
    preset::Flavour,
};

/// Classifies an error by the provider's own codes and messages, then OpenAI's, then the status.
pub(super) fn classify(error: &ErrorResponse<'_>, flavour: Flavour) -> ErrorClass {
    let specific = match flavour {
        Flavour::OpenAi => None,
        Flavour::Azure => azure(error),
        Flavour::Groq => groq(error),
        Flavour::Mistral => mistral(error),
        Flavour::OpenRouter => openrouter(error),
        Flavour::DeepSeek => deepseek(error),
        Flavour::Xai => xai(error),
        Flavour::Gemini => gemini(error),
        Flavour::Cerebras => cerebras(error),
        Flavour::Vllm => vllm(error),
        Flavour::LlamaCpp => llama_cpp(error),
        Flavour::LmStudio => lm_studio(error),
    };
    let blocked = || when(is_blocked(error), BLOCKED);
    specific.or_else(blocked).or_else(|| by_code(error)).or_else(|| by_message(error)).unwrap_or_else(|| {
        match error.status() {
            Some(status) => ErrorClass::by_status(status),
            None if error.has_code(&["invalid_request_error"]) => FailureKind::InvalidRequest.into(),
            None => FailureKind::ServerError.into(),
        }
    })
}

/// The account's limit of tokens per minute for a model is below the size of the request.
const TOO_LARGE: ErrorClass = ErrorClass::Failed(FailureKind::TooLarge, Scope::Model);
/// The model's quota is used up, and not the credit of the account.
const MODEL_QUOTA: ErrorClass = ErrorClass::Failed(FailureKind::QuotaExhausted, Scope::Model);
const BLOCKED: ErrorClass = ErrorClass::Blocked(BlockCategory::Input);

fn when(condition: bool, class: impl Into<ErrorClass>) -> Option<ErrorClass> {
    condition.then(|| class.into())
}

/// Returns true if the model rejected a field that only models reject that always think.
pub(super) fn shows_thinking(error: &ErrorResponse<'_>) -> bool {
    const FIELDS: [&str; 5] = ["max_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty"];
    error.status() == Some(400)
        && error.has_code(&["unsupported_parameter", "unsupported_value"])
        && error.body.param.as_deref().is_some_and(|param| FIELDS.contains(&param))
        && error.message_contains(&["with this model"])
}

/// Classifies by OpenAI's codes and types. Quota comes before rate limit: waiting does not refill an account.
fn by_code(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    use FailureKind::{
        Auth, ContextLength, InvalidRequest, ModelNotFound, Overloaded, Permission, QuotaExhausted,
        RateLimited, Region, ServerError, Timeout,
    };
    let rows: [(&[&str], ErrorClass); 15] = [
        (QUOTA, QuotaExhausted.into()),
        (&["context_length_exceeded"], ContextLength.into()),
        // Concerns a single field, such as `user`, and not the length of the prompt.
        (&["string_above_max_length", "array_above_max_length"], InvalidRequest.into()),
        (&["unsupported_country_region_territory"], Region.into()),
        (
            &["invalid_api_key", "ip_not_authorized", "account_deactivated", "invalid_organization"],
            Auth.into(),
        ),
        (&["model_not_found", "model_not_available"], ModelNotFound.into()),
        (&["server_is_overloaded", "overloaded_error", "engine_overloaded_error"], Overloaded.into()),
        (&["slow_down"], if error.status() == Some(503) { Overloaded } else { RateLimited }.into()),
        (&["data_residency_mismatch", "insufficient_permissions"], Permission.into()),
        (
            &["rate_limit_exceeded", "rate_limit_error"],
            if error.message_contains(&[REQUEST_TOO_LARGE]) { TOO_LARGE } else { RateLimited.into() },
        ),
        (
            &["unsupported_parameter", "unsupported_value", "invalid_type", "missing_required_parameter"],
            InvalidRequest.into(),
        ),
        (&["service_unavailable_error"], Overloaded.into()),
        (&["timeout", "timeout_error"], Timeout(Phase::FirstByte).into()),
        (&["server_error", "api_error", "internal_error"], ServerError.into()),
        (
            &["invalid_prompt"],
            if error.message_contains(&["usage polic"]) { BLOCKED } else { InvalidRequest.into() },
        ),
    ];
    let found = rows.into_iter().find(|(codes, _)| error.has_code(codes)).map(|(_, class)| class)?;
    // A code for a server failure is less specific than the status.
    let is_unspecific = found == ServerError.into();
    if is_unspecific && error.status.is_some() { None } else { Some(found) }
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
    // DashScope's inspection of the prompt, or of the answer.
    "data_inspection_failed",
    "DataInspectionFailed",
];

/// Messages of a refused prompt that has no code of its own. No server uses them for anything else, also not one that
/// passes on the errors of another provider.
const POLICY_MESSAGES: &[&str] = &[
    "rejected as a result of our safety system",
    // xAI, which answers 403 with the code of a missing permission.
    "content violates usage guidelines",
    "failed check: safety_check_type_",
    "triggering azure openai's content management policy",
    "internalerror.algo.datainspectionfailed",
];

/// Returns true if the provider's content policy rejected the prompt.
fn is_blocked(error: &ErrorResponse<'_>) -> bool {
    let concerns_content = matches!(error.status(), None | Some(400 | 403 | 422));
    error.has_code(POLICY) || (concerns_content && error.message_contains(POLICY_MESSAGES))
}

/// Reported for a single request that exceeds the whole rate limit, so that waiting does not help.
const REQUEST_TOO_LARGE: &str = "request too large for";

/// Classifies errors that only their message identifies.
fn by_message(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    let concerns_prompt = error.body.param.as_deref() != Some("user");
    match error.status() {
        Some(400 | 413 | 422) | None => when(
            concerns_prompt
                && error.message_contains(&[
                    "maximum context length",
                    "input tokens exceed the configured limit",
                ]),
            FailureKind::ContextLength,
        ),
        Some(429) => when(error.message_contains(&[REQUEST_TOO_LARGE]), TOO_LARGE).or_else(|| {
            when(error.message_contains(&["exceeded your current quota"]), FailureKind::QuotaExhausted)
        }),
        Some(403) => when(
            error.message_contains(&["country, region, or territory not supported"]),
            FailureKind::Region,
        )
        .or_else(|| when(error.message_contains(&["not have access to model"]), FailureKind::Permission)),
        _ => None,
    }
}

fn azure(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    when(is_blocked(error), BLOCKED)
        .or_else(|| when(error.has_code(&["DeploymentNotFound"]), FailureKind::ModelNotFound))
        .or_else(|| {
            let is_shared =
                error.message_contains(&["experiencing high demand", "temporarily unable", "no capacity"]);
            when(error.status() == Some(429) && is_shared, FailureKind::Overloaded)
        })
}

fn groq(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    when(error.status() == Some(498) || error.has_code(&["capacity_exceeded"]), FailureKind::Overloaded)
        // The model produced a tool call or an object that its own server could not parse.
        .or_else(|| {
            when(error.has_code(&["tool_use_failed", "json_validate_failed"]), FailureKind::Malformed)
        })
}

fn mistral(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    let capacity = error.message_contains(&["service tier capacity exceeded"]);
    when(error.status() == Some(429) && capacity, FailureKind::Overloaded).or_else(|| {
        when(
            error.message_contains(&["too large for model with", "tokens in prompt"]),
            FailureKind::ContextLength,
        )
    })
}

fn openrouter(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    use FailureKind::{
        Auth, ContextLength, InvalidRequest, ModelNotFound, Overloaded, Permission, QuotaExhausted,
        RateLimited, ServerError, Timeout, TooLarge,
    };
    if error.body.limit_source.as_deref().is_some_and(|source| BUDGETS.contains(&source)) {
        return Some(QuotaExhausted.into());
    }
    if error.has_code(&["openrouter_in_flight_budget"])
        || error.body.limit_source.as_deref() == Some(IN_FLIGHT)
    {
        return Some(RateLimited.into());
    }
    let is_moderated = || error.message_contains(&["requires moderation", "was flagged"]);
    if error.status() == Some(403) && (error.body.flagged || is_moderated()) {
        return Some(BLOCKED);
    }
    // The providers behind it report their blocks in the metadata only.
    if let Some(body) = error.body.upstream.as_deref()
        && is_blocked(&ErrorResponse { status: error.status(), body })
    {
        return Some(BLOCKED);
    }
    if let Some(class) = no_endpoint(error) {
        return Some(class);
    }
    let class = match error.body.error_type.as_deref()? {
        "context_length_exceeded" | "token_limit_exceeded" => ContextLength.into(),
        "authentication" => Auth.into(),
        "permission_denied" => ErrorClass::Failed(Permission, Scope::Unclear),
        "payment_required" => QuotaExhausted.into(),
        "rate_limit_exceeded" => RateLimited.into(),
        "provider_overloaded" => Overloaded.into(),
        "provider_unavailable" | "server" => ServerError.into(),
        "not_found" => ErrorClass::Failed(ModelNotFound, Scope::Unclear),
        "payload_too_large" => TooLarge.into(),
        "content_policy_violation" => BLOCKED,
        "refusal" => ErrorClass::Blocked(BlockCategory::Refusal),
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
    Some(class)
}

/// Classifies the 404 of a model without an endpoint that may serve the request: the request needs what none of them
/// has, or the model has no endpoint at all.
fn no_endpoint(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    let of_request = &["no endpoints found that", "no endpoints available that"];
    let is_404 = error.status() == Some(404);
    when(
        is_404 && error.message_contains(of_request),
        ErrorClass::Failed(FailureKind::ModelNotFound, Scope::Request),
    )
    .or_else(|| {
        when(is_404 && error.message_contains(&["no endpoints found for"]), FailureKind::ModelNotFound)
    })
}

/// Spend limits set by the owner of the account.
const BUDGETS: &[&str] =
    &["openrouter_guardrail_budget", "openrouter_workspace_budget", "openrouter_key_limit"];

/// The only 402 that resolves by itself: calls in flight have reserved too much money.
const IN_FLIGHT: &str = "openrouter_in_flight_budget";

fn deepseek(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    when(error.status() == Some(503), FailureKind::Overloaded)
        .or_else(|| when(error.message_contains(&["insufficient balance"]), FailureKind::QuotaExhausted))
        // The code is the same as of an invalid request.
        .or_else(|| when(error.message_contains(&["content exists risk"]), BLOCKED))
}

fn xai(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    match error.status() {
        Some(400) => {
            when(error.message_contains(&["incorrect api key", "invalid api key"]), FailureKind::Auth)
        }
        Some(403) => when(is_blocked(error), BLOCKED).or_else(|| {
            when(error.message_contains(&["credits", "spending limit"]), FailureKind::QuotaExhausted)
                .or_else(|| when(error.message_contains(&["api key is blocked"]), FailureKind::Permission))
        }),
        Some(429) => when(
            error.message_contains(&["used all available credits", "spending limit"]),
            FailureKind::QuotaExhausted,
        ),
        _ => None,
    }
}

fn gemini(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    use FailureKind::{
        Auth, ContextLength, InvalidRequest, ModelNotFound, Overloaded, Permission, QuotaExhausted,
        RateLimited, ServerError, Timeout,
    };
    if error.status() == Some(400) {
        return when(error.message_contains(&["api key not valid", "api_key_invalid"]), Auth)
            .or_else(|| {
                when(error.message_contains(&["exceeds the maximum number of tokens allowed"]), ContextLength)
            })
            .or_else(|| when(error.has_code(&["FAILED_PRECONDITION"]), Permission))
            .or_else(|| when(error.has_code(&["INVALID_ARGUMENT"]), InvalidRequest));
    }
    // The message is the same for every quota: it names the plan and the billing also for a limit per minute. All quotas
    // are those of one model; an empty account is a 402.
    if error.status() == Some(429) {
        let is_daily = error.has_quota(&["perday", "daily"])
            || (error.body.quota_ids.is_empty() && error.message_contains(&["perday", "per day"]))
            // A delay of more than five minutes is in effect a daily quota.
            || error.retry_delay().is_some_and(|hint| hint.as_secs() > 300);
        return Some(if is_daily { MODEL_QUOTA } else { RateLimited.into() });
    }
    when(error.status() == Some(402), QuotaExhausted)
        .or_else(|| when(error.has_code(&["UNAVAILABLE"]), Overloaded))
        .or_else(|| when(error.has_code(&["DEADLINE_EXCEEDED"]), Timeout(Phase::FirstByte)))
        .or_else(|| when(error.has_code(&["NOT_FOUND"]), ModelNotFound))
        .or_else(|| when(error.has_code(&["ABORTED", "INTERNAL"]), ServerError))
}

fn cerebras(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    // Despite the name, this is a limit of tokens per minute.
    when(
        error.has_code(&["token_quota_reached", "token_quota_exceeded", "request_quota_exceeded"]),
        FailureKind::RateLimited,
    )
    .or_else(|| when(error.message_contains(&["current length is"]), FailureKind::ContextLength))
}

fn vllm(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    when(
        error.message_contains(&["maximum context length is", "maximum input length of"]),
        FailureKind::ContextLength,
    )
    .or_else(|| when(error.has_code(&["NotFoundError"]), FailureKind::ModelNotFound))
}

fn llama_cpp(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    when(error.has_code(&["exceed_context_size_error"]), FailureKind::ContextLength)
        .or_else(|| when(error.has_code(&["unavailable_error"]), FailureKind::Overloaded))
        .or_else(|| when(error.has_code(&["not_supported_error"]), FailureKind::InvalidRequest))
        .or_else(|| when(error.has_code(&["authentication_error"]), FailureKind::Auth))
}

fn lm_studio(error: &ErrorResponse<'_>) -> Option<ErrorClass> {
    when(error.message_contains(&["context length", "context overflow"]), FailureKind::ContextLength).or_else(
        || {
            when(
                error.message_contains(&["no models loaded", "model not found", "failed to load model"]),
                FailureKind::ModelNotFound,
            )
        },
    )
}

#[cfg(test)]
mod tests;
