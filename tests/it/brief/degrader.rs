//! The degrader (row 12): greeting, busy, error; the reason and the original error.

use std::time::Duration;

use fb::{ChatRequest, Client, LadderConfig, OfflineConfig, Route, Target};
use fb_sim::Fault;
use tokio::time::sleep;

use crate::{
    brief::scripted,
    harness::{Gateway, Sims, prepared},
};

/// Creates a client for a route with one target and a fixed text for each case.
fn client(step: &str) -> Client {
    let (_script, builder) = scripted(&format!("openai: {step}"));
    let text = |text: &str| text.to_owned();
    let offline = OfflineConfig::with(|config| {
        config.greeting = text("greeting");
        config.busy = text("busy");
        config.general = text("error");
    });
    let ladder = LadderConfig::with(|config| config.offline = Some(offline));
    let targets = [Target::new("openai", "gpt-4.1").max_retries(0)];
    builder.route(Route::priority("default", targets).ladder(ladder)).build().unwrap()
}

/// Returns the text of a degraded answer, and its reason.
async fn degraded(client: &Client, message: &str) -> (String, String) {
    let answer = client.chat(ChatRequest::user(message)).await.unwrap();
    (answer.text().to_owned(), answer.report.degraded.unwrap())
}

const RATE_LIMITED: &str = "no target could answer: rate_limited (429";
const SERVER_ERROR: &str = "no target could answer: server_error (503)";

#[tokio::test(start_paused = true)]
async fn a_greeting_comes_before_busy_and_busy_before_error() {
    for (message, failure, expected) in [
        ("Hello!", "429", "greeting"),
        ("hi there, can you help me?", "429", "greeting"),
        ("Hey, what is Rust?", "503", "greeting"),
        ("What is Rust?", "429", "busy"),
        ("What is Rust?", "quota", "busy"),
        ("What is high?", "503", "error"),
    ] {
        assert_eq!(degraded(&client(failure), message).await.0, expected, "{message} {failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_remains_the_reason_while_its_target_is_paused() {
    let client = client("429(retry-after 30s)");
    for _ in 0..3 {
        let (text, reason) = degraded(&client, "What is Rust?").await;
        assert_eq!((text.as_str(), reason.starts_with(RATE_LIMITED)), ("busy", true), "{reason}");
        sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_reason_remains_when_the_breaker_is_open() {
    let client = client("503");
    for _ in 0..8 {
        let (text, reason) = degraded(&client, "What is Rust?").await;
        assert_eq!((text.as_str(), reason.starts_with(SERVER_ERROR)), ("error", true), "{reason}");
    }
    let calls: u64 = client.stats().targets.values().map(|stats| stats.calls).sum();
    assert!(calls < 8, "the breaker opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_is_a_header() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = sims.config("[routes.default.ladder.offline]\nbusy = \"busy\"\n");
    let gateway = Gateway::start(&fb, &config).await;
    for sim in [&sims.primary, &sims.backup, &sims.third] {
        sim.fault(Fault::status(429).with_header("retry-after", "30"));
    }
    let body = r#"{"model":"default","messages":[{"role":"user","content":"What is Rust?"}]}"#;
    for _ in 0..3 {
        let response = gateway.post(body).await;
        let text = &response.json()["choices"][0]["message"]["content"];
        let reason = response.header("x-fb-reason");
        assert_eq!((text.as_str(), reason.starts_with(RATE_LIMITED)), (Some("busy"), true), "{reason}");
    }
    assert_eq!(sims.calls(), [1, 1, 1]);
}
