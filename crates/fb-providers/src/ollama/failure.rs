use fb_core::FailureKind;

use crate::exchange::{ErrorClass, ErrorResponse};

/// Classifies an error of Ollama's, which has a status and a message but no code.
pub(super) fn classify(error: &ErrorResponse<'_>) -> ErrorClass {
    let kind = match error.status() {
        Some(503) => FailureKind::Overloaded,
        // The limits of Ollama's cloud are weekly.
        Some(402 | 429) if error.message_contains(&["usage limit"]) => FailureKind::QuotaExhausted,
        Some(400) | None
            if error.message_contains(&["exceeds the context length", "exceed context window"]) =>
        {
            FailureKind::ContextLength
        }
        None | Some(404) if error.message_contains(&["not found"]) => FailureKind::ModelNotFound,
        Some(status) => return ErrorClass::by_status(status),
        None => FailureKind::ServerError,
    };
    kind.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::check;

    #[test]
    fn errors_are_classified() {
        for (status, body, kind) in [
            (400, r#"{"error":"invalid character 'x' looking for beginning of value"}"#, "invalid_request"),
            (
                400,
                r#"{"error":"registry.ollama.ai/library/gemma:latest does not support tools"}"#,
                "invalid_request",
            ),
            (400, r#"{"error":"the input length exceeds the context length"}"#, "context_length"),
            (401, r#"{"error":"unauthorized"}"#, "auth"),
            (403, r#"{"error":"cloud is disabled"}"#, "permission"),
            (404, r#"{"error":"model 'x' not found"}"#, "model_not_found"),
            (429, r#"{"error":"too many requests"}"#, "rate_limited"),
            (
                429,
                r#"{"error":"you have reached your weekly usage limit, please upgrade to continue"}"#,
                "quota_exhausted",
            ),
            (500, r#"{"error":"llama runner process has terminated"}"#, "server_error"),
            (502, r#"{"error":"cloud unreachable"}"#, "server_error"),
            (
                503,
                r#"{"error":"server busy, please try again. maximum pending requests exceeded"}"#,
                "overloaded",
            ),
            (0, r#"{"error":"an error was encountered while running the model"}"#, "server_error"),
        ] {
            check(classify, status, body, kind);
        }
    }
}
