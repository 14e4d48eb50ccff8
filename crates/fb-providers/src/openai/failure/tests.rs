//! The classification of all known errors.

use super::*;
use crate::{
    exchange,
    openai::filters,
    preset::Flavour::{Cerebras, DeepSeek, Gemini, Groq, LlamaCpp, LmStudio, Mistral, Vllm, Xai},
};

#[track_caller]
fn check(flavour: Flavour, status: u16, body: &str, expected: &str) {
    exchange::check(|error| classify(error, flavour), status, body, expected);
}

/// An error body of OpenAI's shape.
fn error(kind: &str, code: &str, message: &str) -> String {
    let quoted = |text: &str| if text.is_empty() { "null".to_owned() } else { format!("{text:?}") };
    format!(
        r#"{{"error":{{"message":{message:?},"type":{},"param":null,"code":{}}}}}"#,
        quoted(kind),
        quoted(code)
    )
}

const XAI_BLOCK: &str = r#"{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Team: t, API key ID: k, Model: grok-4.5, Failed check: SAFETY_CHECK_TYPE_BIO"}"#;
const BLOCK: &str = "blocked: input filtered";
const INVALID: &str = "invalid_request_error";

#[test]
fn openai_errors() {
    let long = "This model's maximum context length is 128000 tokens.";
    for (status, kind, code, message, expected) in [
        (400, INVALID, "context_length_exceeded", "", "context_length"),
        (400, INVALID, "", long, "context_length"),
        (400, INVALID, "", "Your input tokens exceed the configured limit of 272000.", "context_length"),
        (400, INVALID, "content_policy_violation", "", BLOCK),
        (400, INVALID, "cyber_policy", "", BLOCK),
        (400, INVALID, "bio_policy", "", BLOCK),
        (400, INVALID, "misalignment_policy_violation", "", BLOCK),
        (400, INVALID, "image_content_policy_violation", "", BLOCK),
        (400, INVALID, "invalid_prompt", "flagged as potentially violating our usage policy.", BLOCK),
        (400, INVALID, "invalid_prompt", "The prompt is empty.", "invalid_request"),
        (400, INVALID, "", "Your request was rejected as a result of our safety system.", BLOCK),
        (400, INVALID, "unsupported_parameter", "", "invalid_request"),
        (400, INVALID, "unsupported_value", "", "invalid_request"),
        (400, INVALID, "invalid_type", "", "invalid_request"),
        (400, INVALID, "string_above_max_length", "string too long, maximum length 512", "invalid_request"),
        (400, INVALID, "", "We could not parse the JSON body of your request.", "invalid_request"),
        (400, INVALID, "billing_hard_limit_reached", "", "quota_exhausted"),
        (401, INVALID, "invalid_api_key", "", "auth"),
        (401, INVALID, "", "You must be a member of an organization to use the API", "auth"),
        (401, INVALID, "ip_not_authorized", "", "auth"),
        (403, "request_forbidden", "unsupported_country_region_territory", "", "region"),
        (403, INVALID, "", "Project does not have access to model", "permission"),
        (404, INVALID, "model_not_found", "", "model_not_found"),
        (408, "", "", "Request timeout", "timeout"),
        (409, "", "", "conflict", "server_error"),
        (413, INVALID, "", "Maximum content size limit exceeded.", "too_large"),
        (422, INVALID, "", "", "invalid_request"),
        (429, "insufficient_quota", "insufficient_quota", "", "quota_exhausted"),
        (429, "insufficient_quota", "credit_balance_exhausted", "", "quota_exhausted"),
        (429, "insufficient_quota", "organization_spend_limit_exceeded", "", "quota_exhausted"),
        (429, "insufficient_quota", "project_spend_limit_exceeded", "", "quota_exhausted"),
        (429, "insufficient_quota", "organization_usage_limit_exceeded", "", "quota_exhausted"),
        (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests", "rate_limited"),
        (429, "tokens", "rate_limit_exceeded", "Rate limit reached for tokens", "rate_limited"),
        (
            429,
            "tokens",
            "rate_limit_exceeded",
            "Request too large for gpt-6 on tokens per min",
            "too_large of the model",
        ),
        (429, "rate_limit_error", "slow_down", "", "rate_limited"),
        (500, "server_error", "", "", "server_error"),
        (502, "", "", "", "server_error"),
        (503, "service_unavailable_error", "server_is_overloaded", "", "overloaded"),
        (503, "", "slow_down", "", "overloaded"),
        (503, "server_error", "", "", "server_error"),
        (504, "", "", "", "timeout"),
        // Errors that blame the caller are ignored with a 5xx status.
        (500, INVALID, "context_length_exceeded", "", "server_error"),
        (503, INVALID, "content_policy_violation", "", "server_error"),
        (500, "", "", long, "server_error"),
        // Messages that echo a prompt: numbers and codes in them are ignored.
        (400, INVALID, "", "Invalid value: '429 rate limit, insufficient balance'.", "invalid_request"),
        (405, "", "", "", "unknown"),
        (505, "", "", "", "unknown"),
        // Inside an answer with a success status.
        (0, "service_unavailable_error", "server_is_overloaded", "", "overloaded"),
        (0, "server_error", "", "", "server_error"),
        (0, "rate_limit_error", "rate_limit_exceeded", "", "rate_limited"),
        (0, INVALID, "", "bad", "invalid_request"),
        (0, INVALID, "context_length_exceeded", "", "context_length"),
        (0, "", "cyber_policy", "", BLOCK),
        (0, "", "", "something", "server_error"),
    ] {
        check(Flavour::OpenAi, status, &error(kind, code, message), expected);
    }
}

#[test]
fn invalid_bodies_are_classified_by_status() {
    for (status, expected) in [
        (400, "invalid_request"),
        (401, "auth"),
        (402, "quota_exhausted"),
        (403, "permission"),
        (404, "model_not_found"),
        (413, "too_large"),
        (429, "rate_limited"),
        (451, "region"),
        (499, "network"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "server_error"),
        (504, "timeout"),
        (520, "network"),
        (521, "network"),
        (522, "timeout"),
        (523, "network"),
        (524, "timeout"),
        (525, "network"),
        (526, "network"),
        (529, "overloaded"),
        (302, "malformed"),
    ] {
        for body in [
            "",
            "<html><body>429 maximum context length</body></html>",
            "{",
            "null",
            "[]",
            "{\"error\":null}",
        ] {
            check(Flavour::OpenAi, status, body, expected);
        }
    }
}

#[test]
fn azure_errors() {
    let filtered = r#"{"error":{"code":"content_filter","type":null,"param":"prompt","status":400,"message":"The response was filtered","innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":false,"severity":"safe"},"violence":{"filtered":true,"severity":"high"},"jailbreak":{"filtered":true,"detected":true}}}}}"#;
    for (status, body, expected) in [
        (400, filtered.to_owned(), BLOCK),
        (400, error("", "", "This model's maximum context length is 8192 tokens"), "context_length"),
        (401, error("", "401", "Access denied due to invalid subscription key"), "auth"),
        (401, error("", "PermissionDenied", "The principal lacks the required data action"), "auth"),
        (403, error("", "403", "Access denied due to Virtual Network/Firewall rules."), "permission"),
        (403, error("", "", "Your resource has been temporarily blocked"), "permission"),
        (
            404,
            error("", "DeploymentNotFound", "The API deployment for this resource does not exist."),
            "model_not_found",
        ),
        (
            429,
            error("", "429", "Requests have exceeded call rate limit. Rate limit is exceeded."),
            "rate_limited",
        ),
        (429, error("", "429", "Your requests have been limited for a minute"), "rate_limited"),
        (
            429,
            error("", "429", "The system is currently experiencing high demand and cannot process"),
            "overloaded",
        ),
        (429, error("", "429", "The service is temporarily unable to process your request"), "overloaded"),
        (500, error("", "InternalServerError", ""), "server_error"),
    ] {
        check(Flavour::Azure, status, &body, expected);
    }
    let detail = filters::describe(filtered.as_bytes());
    assert_eq!(detail.as_deref(), Some("prompt filtered: jailbreak, violence (high)"));
    assert_eq!(filters::describe(b"{}"), None);
}

macro_rules! gemini_quota {
    ($id:literal) => {
        concat!(
            r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":""#,
            $id,
            r#""}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"38s"}]}}]"#
        )
    };
}

/// Errors of compatible servers: status (0: inside an answer with a success status), body, and expected class.
const COMPATIBLE: &[(Flavour, u16, &str, &str)] = &[
    (Groq, 498, r#"{"error":{"message":"flex","type":"capacity_exceeded"}}"#, "overloaded"),
    (
        Groq,
        400,
        r#"{"error":{"message":"bad","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"x"}}"#,
        "malformed",
    ),
    (
        Groq,
        413,
        r#"{"error":{"message":"Request too large for model","type":"tokens","code":"rate_limit_exceeded"}}"#,
        "too_large of the model",
    ),
    (Groq, 424, r#"{"error":{"message":"dependency"}}"#, "server_error"),
    (
        Groq,
        429,
        r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#,
        "rate_limited",
    ),
    (
        Mistral,
        429,
        r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"invalid_request_error","param":null,"code":"3505"}"#,
        "overloaded",
    ),
    (
        Mistral,
        429,
        r#"{"object":"error","message":"Requests rate limit exceeded","type":"rate_limited","code":"1300"}"#,
        "rate_limited",
    ),
    (
        Mistral,
        422,
        r#"{"detail":[{"type":"extra_forbidden","loc":["body","x"],"msg":"Extra inputs are not permitted"}]}"#,
        "invalid_request",
    ),
    (
        Mistral,
        400,
        r#"{"object":"error","message":"Prompt contains 40000 tokens, too large for model with 32768 maximum context length","type":"invalid_request_error"}"#,
        "context_length",
    ),
    (Mistral, 401, r#"{"message":"Unauthorized","request_id":"r"}"#, "auth"),
    (
        DeepSeek,
        402,
        r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}"#,
        "quota_exhausted",
    ),
    (DeepSeek, 422, r#"{"error":{"message":"Invalid Parameters"}}"#, "invalid_request"),
    (DeepSeek, 503, r#"{"error":{"message":"Server overloaded"}}"#, "overloaded"),
    (
        Xai,
        400,
        r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***."}"#,
        "auth",
    ),
    (
        Xai,
        403,
        r#"{"code":"The caller does not have permission","error":"Your team has used all available credits"}"#,
        "quota_exhausted",
    ),
    (Xai, 403, r#"{"error":"Your API key is blocked"}"#, "permission"),
    (Xai, 403, XAI_BLOCK, BLOCK),
    (Xai, 0, XAI_BLOCK, BLOCK),
    // A server that passes on xAI's error.
    (Flavour::OpenAi, 403, XAI_BLOCK, BLOCK),
    (
        DeepSeek,
        400,
        r#"{"error":{"message":"Content Exists Risk","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
        BLOCK,
    ),
    // DashScope.
    (
        Flavour::OpenAi,
        400,
        r#"{"error":{"code":"data_inspection_failed","param":null,"message":"Input data may contain inappropriate content.","type":"data_inspection_failed"},"request_id":"r"}"#,
        BLOCK,
    ),
    (
        Flavour::OpenAi,
        400,
        r#"{"error":{"code":"invalid_parameter_error","message":"<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content."}}"#,
        BLOCK,
    ),
    // Moonshot.
    (
        Flavour::OpenAi,
        400,
        r#"{"error":{"code":400,"message":"The request was rejected because it was considered high risk","param":"prompt","type":"content_filter"}}"#,
        BLOCK,
    ),
    (
        Flavour::OpenRouter,
        403,
        r#"{"error":{"code":403,"message":"Input rejected","metadata":{"reasons":["violence"],"flagged_input":"x"}}}"#,
        BLOCK,
    ),
    (
        Flavour::OpenRouter,
        403,
        r#"{"error":{"code":403,"message":"Provider returned error","metadata":{"provider_name":"xAI","raw":"{\"code\":\"c\",\"error\":\"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO\"}"}}}"#,
        BLOCK,
    ),
    (
        Flavour::OpenRouter,
        400,
        r#"{"error":{"code":400,"message":"Provider returned error","metadata":{"provider_name":"Alibaba","raw":"{\"error\":{\"code\":\"data_inspection_failed\"}}"}}}"#,
        BLOCK,
    ),
    (
        Flavour::OpenRouter,
        403,
        r#"{"error":{"code":403,"message":"Provider returned error","metadata":{"raw":"{\"error\":\"no\"}"}}}"#,
        "permission",
    ),
    (
        Flavour::Azure,
        400,
        r#"{"error":{"code":null,"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy."}}"#,
        BLOCK,
    ),
    (Xai, 400, r#"{"error":{"message":"stop is not supported"}}"#, "invalid_request"),
    (
        Gemini,
        400,
        r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
        "auth",
    ),
    (
        Gemini,
        400,
        r#"[{"error":{"code":400,"message":"The input token count exceeds the maximum number of tokens allowed","status":"INVALID_ARGUMENT"}}]"#,
        "context_length",
    ),
    (
        Gemini,
        400,
        r#"{"error":{"code":400,"message":"User location is not supported","status":"FAILED_PRECONDITION"}}"#,
        "permission",
    ),
    (Gemini, 400, r#"{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT"}}"#, "invalid_request"),
    (Gemini, 401, r#"{"error":{"code":401,"message":"x","status":"UNAUTHENTICATED"}}"#, "auth"),
    (Gemini, 402, r#"{"error":{"code":402,"message":"x","status":"RESOURCE_EXHAUSTED"}}"#, "quota_exhausted"),
    (Gemini, 403, r#"{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}}"#, "permission"),
    (Gemini, 404, r#"{"error":{"code":404,"message":"x","status":"NOT_FOUND"}}"#, "model_not_found"),
    (
        Gemini,
        429,
        r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.1s"}]}}"#,
        "rate_limited",
    ),
    (
        Gemini,
        429,
        r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"600s"}]}}"#,
        "quota_exhausted of the model",
    ),
    (
        Gemini,
        429,
        r#"{"error":{"code":429,"message":"Quota exceeded for metric: GenerateRequestsPerDay","status":"RESOURCE_EXHAUSTED"}}"#,
        "quota_exhausted of the model",
    ),
    (Gemini, 429, gemini_quota!("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), "rate_limited"),
    (
        Gemini,
        429,
        gemini_quota!("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
        "quota_exhausted of the model",
    ),
    (
        Gemini,
        429,
        r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED"}}"#,
        "rate_limited",
    ),
    (
        Flavour::OpenRouter,
        404,
        r#"{"error":{"message":"No endpoints found that support tool use. To learn more","code":404}}"#,
        "model_not_found of the request",
    ),
    (
        Flavour::OpenRouter,
        404,
        r#"{"error":{"message":"No endpoints found for a/b.","code":404}}"#,
        "model_not_found",
    ),
    (Gemini, 500, r#"{"error":{"code":500,"message":"x","status":"INTERNAL"}}"#, "server_error"),
    (
        Gemini,
        503,
        r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
        "overloaded",
    ),
    (Gemini, 504, r#"{"error":{"code":504,"message":"x","status":"DEADLINE_EXCEEDED"}}"#, "timeout"),
    (
        Cerebras,
        400,
        r#"{"message":"Please reduce the length of the messages. Current length is 9000 while limit is 8192","type":"invalid_request_error"}"#,
        "context_length",
    ),
    (
        Cerebras,
        429,
        r#"{"message":"Tokens per minute limit exceeded","type":"too_many_tokens_error","code":"token_quota_reached"}"#,
        "rate_limited",
    ),
    (
        Vllm,
        400,
        r#"{"error":{"message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}}"#,
        "context_length",
    ),
    (
        Vllm,
        400,
        r#"{"error":{"message":"You passed 5000 input tokens and requested 1 output tokens, resulting in a maximum input length of 4095","type":"BadRequestError","code":400}}"#,
        "context_length",
    ),
    (
        Vllm,
        400,
        r#"{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400}"#,
        "invalid_request",
    ),
    (
        Vllm,
        404,
        r#"{"error":{"message":"The model `x` does not exist.","type":"NotFoundError","code":404}}"#,
        "model_not_found",
    ),
    (
        LlamaCpp,
        503,
        r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
        "overloaded",
    ),
    (
        LlamaCpp,
        400,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}"#,
        "context_length",
    ),
    (
        LlamaCpp,
        0,
        r#"{"error":{"code":400,"message":"too long","type":"exceed_context_size_error"}}"#,
        "context_length",
    ),
    (
        LlamaCpp,
        501,
        r#"{"error":{"code":501,"message":"x","type":"not_supported_error"}}"#,
        "invalid_request",
    ),
    (
        LlamaCpp,
        401,
        r#"{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}"#,
        "auth",
    ),
    (LlamaCpp, 500, r#"{"error":{"code":500,"message":"x","type":"server_error"}}"#, "server_error"),
    (LmStudio, 404, r#"{"error":"No models loaded. Please load a model."}"#, "model_not_found"),
    (
        LmStudio,
        400,
        r#"{"error":"Trying to keep the first 9000 tokens when context overflows the context length of 4096"}"#,
        "context_length",
    ),
    (LmStudio, 400, r#"{"error":"bad"}"#, "invalid_request"),
];

#[test]
fn errors_of_compatible_servers() {
    for (flavour, status, body, expected) in COMPATIBLE {
        check(*flavour, *status, body, expected);
    }
}

#[test]
fn openrouter_errors() {
    for (status, metadata, expected) in [
        (400, r#"{"error_type":"context_length_exceeded"}"#, "context_length"),
        (400, r#"{"error_type":"token_limit_exceeded"}"#, "context_length"),
        (400, r#"{"error_type":"max_tokens_exceeded"}"#, "invalid_request"),
        (400, r#"{"error_type":"string_too_long"}"#, "invalid_request"),
        (401, r#"{"error_type":"authentication"}"#, "auth"),
        (403, r#"{"error_type":"permission_denied"}"#, "permission"),
        (402, r#"{"error_type":"payment_required"}"#, "quota_exhausted"),
        (
            402,
            r#"{"error_type":"payment_required","limit_source":"openrouter_in_flight_budget"}"#,
            "rate_limited",
        ),
        (402, "{}", "quota_exhausted"),
        (403, r#"{"limit_source":"openrouter_guardrail_budget"}"#, "quota_exhausted"),
        (403, r#"{"limit_source":"openrouter_workspace_budget"}"#, "quota_exhausted"),
        (403, r#"{"limit_source":"openrouter_key_limit"}"#, "quota_exhausted"),
        (403, r#"{"error_type":"content_policy_violation"}"#, BLOCK),
        (429, r#"{"error_type":"rate_limit_exceeded"}"#, "rate_limited"),
        (529, r#"{"error_type":"provider_overloaded"}"#, "overloaded"),
        (502, r#"{"error_type":"provider_unavailable"}"#, "server_error"),
        (400, r#"{"error_type":"invalid_request"}"#, "invalid_request"),
        (400, r#"{"error_type":"invalid_prompt"}"#, "invalid_request"),
        (404, r#"{"error_type":"not_found"}"#, "model_not_found"),
        (412, r#"{"error_type":"precondition_failed"}"#, "invalid_request"),
        (413, r#"{"error_type":"payload_too_large"}"#, "too_large"),
        (422, r#"{"error_type":"unprocessable"}"#, "invalid_request"),
        (403, r#"{"error_type":"refusal"}"#, "blocked: refused"),
        (400, r#"{"error_type":"invalid_image"}"#, "invalid_request"),
        (400, r#"{"error_type":"image_too_large"}"#, "invalid_request"),
        (500, r#"{"error_type":"server"}"#, "server_error"),
        (524, r#"{"error_type":"timeout"}"#, "timeout"),
        (503, r#"{"error_type":"unmapped"}"#, "server_error"),
    ] {
        let body = format!(r#"{{"error":{{"code":{status},"message":"m","metadata":{metadata}}}}}"#);
        check(Flavour::OpenRouter, status, &body, expected);
        // The same inside an answer with a success status, where the code contains the error status.
        check(Flavour::OpenRouter, 0, &body, expected);
    }
    let flagged =
        "x/y requires moderation on Z. Your input was flagged for violence. No credits were charged.";
    check(Flavour::OpenRouter, 403, &error("", "", flagged), BLOCK);
}
