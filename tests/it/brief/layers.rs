//! The layers (row 21): breaker, retry, timeout, balancer with health, primary, fallbacks, cache or a graceful error.

use std::time::Duration;

use fb::{
    BreakerConfig, ChatRequest, Client, Error, Failure, FailureKind, HealthConfig, Route, RouteCache, Target,
    UnavailablePolicy,
};
use fb_health::ProbeConfig;

use crate::brief::{calls, rows, scripted};

fn route() -> Route {
    let target = |name: &str| Target::new(name, "m").max_retries(1).timeout_secs(30);
    let cache = RouteCache::with(|cache| cache.stale_if_error = Some(Duration::from_secs(86_400)));
    Route {
        last_resort_wait: Duration::ZERO,
        when_all_unavailable: UnavailablePolicy::Fail,
        ..Route::priority("default", [target("primary"), target("backup")]).cache(cache)
    }
}

/// Sends a request and returns the source of its answer, or the error, and the trace.
async fn send(client: &Client, text: &str) -> (String, String) {
    match client.chat(ChatRequest::user(text)).await {
        Ok(answer) => (answer.served_by(), rows(&answer.report)),
        Err(error) => (format!("{} {}", error.status(), error.code()), rows(error.report().unwrap())),
    }
}

#[tokio::test(start_paused = true)]
async fn breaker_encloses_retries_and_an_open_one_leaves_the_cached_answer() {
    let (script, builder) = scripted("primary: 200, 500 / backup: 500");
    // Five failures in a row, 60 s.
    let client = builder.breaker(BreakerConfig::classic()).route(route()).build().unwrap();
    assert_eq!(
        send(&client, "known").await,
        ("primary/m".to_owned(), "primary/m 1 ok  15 tokens".to_owned())
    );

    let all = "primary/m 1 server_error (500); primary/m 2 server_error (500); backup/m 1 server_error (500); \
               backup/m 2 server_error (500)";
    for _ in 0..2 {
        assert_eq!(send(&client, "known").await, ("cache".to_owned(), all.to_owned()));
    }
    // The fifth failure opens the breaker, which ends the retries.
    let fifth = "primary/m 1 server_error (500); backup/m 1 server_error (500)";
    assert_eq!(send(&client, "known").await, ("cache".to_owned(), fifth.to_owned()));
    assert_eq!(calls(&script), [6, 5]);

    // Both are open: the cached answer, or a graceful error with the time until the next call.
    let (by, trace) = send(&client, "known").await;
    assert_eq!((by.as_str(), trace.matches("skipped: breaker open").count()), ("cache", 2), "{trace}");
    let error = client.chat(ChatRequest::user("unknown")).await.unwrap_err();
    assert!(matches!(error, Error::Exhausted(_)));
    assert_eq!((error.status(), error.code()), (503, "all_targets_unavailable"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(calls(&script), [6, 5]);
}

#[tokio::test(start_paused = true)]
async fn timeout_ends_each_attempt_and_health_skips_the_primary() {
    let (script, builder) = scripted("primary: hang / backup: 200 in 1s");
    let probe = ProbeConfig::with(|config| config.fall = 1);
    let health = HealthConfig::with(|config| config.probe = probe);
    let client = builder.health(health).route(route()).build().unwrap();
    let answer = client.chat(ChatRequest::user("Hello!")).await.unwrap();
    assert_eq!((answer.served_by().as_str(), answer.report.took), ("backup/m", Duration::from_secs(31)));

    script.provider("primary").with_probe(Err(Failure::new(FailureKind::Connect, "connection refused")));
    client.check_now().await;
    let (by, trace) = send(&client, "Hello again!").await;
    assert!(by == "backup/m" && trace.starts_with("primary/m skipped: unhealthy"), "{by}: {trace}");
    assert_eq!(calls(&script), [1, 2]);
}
