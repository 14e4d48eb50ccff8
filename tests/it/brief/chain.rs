//! The fallback config (row 2) and the example chain (row 3).

use std::time::Duration;

use fb::{ChatRequest, Error, Route, Target};
use serde_json::json;

use crate::brief::{calls, rows, scripted};

/// Creates a target with the numbers of the fallback config.
fn target(provider: &str, priority: u32, enabled: bool) -> Target {
    let settings = json!({
        "provider": provider,
        "model": "m",
        "priority": priority,
        "max_retries": 2,
        "timeout": "30s",
        "trigger_on": ["timeout", "rate_limit", "server_error", "network_error"],
        "enabled": enabled,
    });
    serde_json::from_value(settings).unwrap()
}

/// Sends a request to the targets a (priority 1) and b (priority 2). Returns the trace, the error if there is one, and
/// the calls to both.
async fn outcome(a: &str) -> (String, Option<&'static str>, Vec<u32>) {
    let (script, builder) = scripted(&format!("a: {a} / b: 200"));
    let route = Route::priority("default", [target("b", 2, true), target("a", 1, true)]);
    let client = builder.route(route).build().unwrap();
    let (report, code) = match client.chat(ChatRequest::user("Hello!")).await {
        Ok(answer) => (answer.report, None),
        Err(error) => (error.report().unwrap().clone(), Some(error.code())),
    };
    (rows(&report), code, calls(&script))
}

#[tokio::test(start_paused = true)]
async fn lower_priority_is_first_and_a_disabled_target_is_never_called() {
    let (script, builder) = scripted("a: 500 / b: 200 / c: 200");
    let targets = [target("b", 2, true), target("a", 1, true), target("c", 0, false)];
    let client = builder.route(Route::priority("default", targets)).build().unwrap();
    let answer = client.chat(ChatRequest::user("Hello!")).await.unwrap();
    assert_eq!((answer.served_by().as_str(), calls(&script)), ("b/m", vec![3, 1, 0]));
}

#[tokio::test(start_paused = true)]
async fn two_retries_follow_the_first_attempt() {
    let thrice =
        "a/m 1 server_error (500); a/m 2 server_error (500); a/m 3 server_error (500); b/m 1 ok  15 tokens";
    assert_eq!(outcome("500").await, (thrice.to_owned(), None, vec![3, 1]));
    let second = "a/m 1 server_error (500); a/m 2 ok  15 tokens";
    assert_eq!(outcome("500, 200").await, (second.to_owned(), None, vec![2, 0]));
}

#[tokio::test(start_paused = true)]
async fn four_kinds_of_failure_trigger_a_fallback_and_the_others_are_returned() {
    for (step, code, b) in [
        ("hang", None, 1),
        ("429", None, 1),
        ("500", None, 1),
        ("503", None, 1),
        ("529", None, 1),
        ("reset", None, 1),
        ("refused", None, 1),
        ("401", Some("upstream_credentials"), 0),
        ("418", Some("invalid_request"), 0),
        ("block(400)", Some("content_filter"), 0),
    ] {
        let (trace, found, calls) = outcome(step).await;
        assert_eq!((found, calls[1]), (code, b), "{step}: {trace}");
    }
}

/// The example chain. Its retries sum up to nine calls, more than the default limit of a request.
fn chain() -> Route {
    let targets = [
        Target::new("openai", "gpt-4.1").max_retries(3).timeout_secs(30),
        Target::new("anthropic", "claude-sonnet-4").max_retries(2).timeout_secs(25),
        Target::new("ollama", "llama3.2").max_retries(1).timeout_secs(60),
    ];
    Route { max_attempts: 9, ..Route::priority("default", targets) }
}

#[tokio::test(start_paused = true)]
async fn chain_calls_its_targets_four_three_and_two_times() {
    let (script, builder) = scripted("openai: 500 / anthropic: 500 / ollama: 500");
    let client = builder.route(chain()).build().unwrap();
    let error = client.chat(ChatRequest::user("Hello!")).await.unwrap_err();
    assert!(matches!(error, Error::Exhausted(_)), "{error}");
    assert_eq!((error.status(), error.code(), calls(&script)), (502, "upstream_error", vec![4, 3, 2]));
}

#[tokio::test(start_paused = true)]
async fn chain_waits_30_25_and_60_seconds() {
    let (script, builder) = scripted("openai: hang / anthropic: hang / ollama: 200 in 59s");
    let client = builder.route(chain()).build().unwrap();
    let answer = client.chat(ChatRequest::user("Hello!")).await.unwrap();
    let took: Vec<u64> = answer.trace().rows().iter().map(|row| row.took.as_secs()).collect();
    assert_eq!((answer.served_by().as_str(), took), ("ollama/llama3.2", vec![30, 25, 59]));
    assert_eq!((answer.report.took, calls(&script)), (Duration::from_secs(114), vec![1, 1, 1]));
}
