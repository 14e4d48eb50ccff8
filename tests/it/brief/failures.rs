//! Failure types (row 1).

use fb::{AttemptEnd, ChatRequest, Route, Target};

use crate::brief::scripted;

/// Sends a request to a chain of two targets of which the first one fails as scripted. Returns the outcome of the first
/// attempt and the calls to the second target.
async fn outcome(step: &str) -> (String, u32) {
    let (script, builder) = scripted(&format!("openai: {step} / anthropic: 200"));
    let targets =
        [Target::new("openai", "gpt-4.1").max_retries(0), Target::new("anthropic", "claude-sonnet-4")];
    let client = builder.route(Route::priority("default", targets)).build().unwrap();
    let report = match client.chat(ChatRequest::user("Hello!")).await {
        Ok(answer) => answer.report,
        Err(error) => error.report().unwrap().clone(),
    };
    let kind = match &report.trace.rows()[0].end {
        AttemptEnd::Failed(failure) => failure.kind().to_string(),
        other => other.to_string(),
    };
    (kind, script.provider("anthropic").calls())
}

#[tokio::test(start_paused = true)]
async fn seven_types_are_distinguished_and_a_content_filter_is_never_a_fallback() {
    for (step, kind, calls) in [
        ("timeout", "timeout", 1),
        ("429", "rate_limited", 1),
        ("500", "server_error", 1),
        ("401", "auth", 1),
        ("reset", "network", 1),
        ("block(400)", "blocked (input filtered)", 0),
        ("418", "unknown", 0),
    ] {
        assert_eq!(outcome(step).await, (kind.to_owned(), calls), "{step}");
    }
}
