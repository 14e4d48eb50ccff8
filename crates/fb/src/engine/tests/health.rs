//! Requests and the health of targets.

use fb_core::{Failure, Probe, TargetId};
use fb_health::HealthConfig;
use tokio::time::sleep;

use super::*;

/// Builds a client with breakers that never open, so that only health counts.
fn without_breakers(script: &Script) -> Client {
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m").max_retries(0));
    let breaker = BreakerConfig::with(|config| {
        config.consecutive = None;
        config.min_calls = u32::MAX;
    });
    let mut builder = Client::builder().seed(7).breaker(breaker).route(Route::priority("default", targets));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    builder.build().unwrap()
}

async fn send(client: &Client, model: &str) -> String {
    outcome(&client.chat(named(model)).await)
}

#[tokio::test(start_paused = true)]
async fn outlier_is_ejected_and_returns() {
    let script = script("a: 503 / b: 200 / c: 200");
    let client = without_breakers(&script);
    for _ in 0..20 {
        send(&client, "b/m").await;
        send(&client, "c/m").await;
        plain(&client).await;
    }
    assert_eq!(client.healthy_targets().iter().map(ToString::to_string).collect::<Vec<_>>(), ["b/m", "c/m"]);
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: ejected, reopens in 9.96 s            hop
        0.000s  b/m  1  ok  15 tokens                            0 ms
    "#]]
    .assert_eq(&plain(&client).await);
    // The only target is not ejected.
    assert!(send(&client, "a/m").await.contains("a/m  1  server_error (503)"));
    sleep(Duration::from_secs(11)).await;
    let before = script.provider("a").calls();
    for _ in 0..100 {
        plain(&client).await;
    }
    let share = script.provider("a").calls() - before;
    assert!((3..=20).contains(&share), "a tenth to begin with, not {share} %");
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn targets_of_an_unreachable_provider_are_skipped_if_others_exist() {
    let script = script("a: 200 / b: 200");
    let client = without_breakers(&script);
    script.provider("b").with_probe(Ok(Probe::Reachable));
    script.provider("a").with_probe(Err(Failure::new(FailureKind::Connect, "connection refused")));
    for _ in 0..3 {
        assert_eq!(client.healthy_targets().len(), 2);
        client.check_now().await;
    }
    assert_eq!(client.healthy_targets().iter().map(ToString::to_string).collect::<Vec<_>>(), ["b/m"]);
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: unhealthy, reopens in 4.21 s            hop
        0.000s  b/m  1  ok  15 tokens                              0 ms
    "#]]
    .assert_eq(&plain(&client).await);
    script
        .provider("b")
        .with_probe(Err(Failure::new(FailureKind::Timeout(fb_core::Phase::FirstByte), "silent")));
    for _ in 0..3 {
        client.check_now().await;
    }
    assert!(
        plain(&client).await.starts_with(r#"ok "hello from a""#),
        "without any healthy target all are called"
    );
    // A key that may not list models may still be allowed to chat.
    for found in
        [Ok(Probe::Reachable), Err(Failure::new(FailureKind::Permission, "no scope")), Ok(Probe::Reachable)]
    {
        script.provider("a").with_probe(found);
        client.check_now().await;
    }
    assert_eq!(client.healthy_targets().iter().map(ToString::to_string).collect::<Vec<_>>(), ["a/m"]);
}

#[tokio::test(start_paused = true)]
async fn prober_probes_periodically_and_served_calls_count_as_probes() {
    let script = script("a: 200 / b: 200");
    let client = without_breakers(&script);
    for name in ["a", "b"] {
        script.provider(name).with_probe(Err(Failure::new(FailureKind::Connect, "connection refused")));
    }
    let prober = client.probe();
    for _ in 0..12 {
        sleep(Duration::from_secs(5)).await;
        send(&client, "b/m").await;
    }
    prober.shutdown().await;
    let health: Vec<String> =
        client.health().iter().map(|(id, status)| format!("{id} {:?}", status.condition)).collect();
    assert_eq!(health, ["a/m Unhealthy", "b/m Healthy"]);
}

#[tokio::test(start_paused = true)]
async fn target_that_breaks_every_stream_is_left_like_any_other() {
    for fault in ["cut(2)", "stall(2)", "error(2 529)", "error(2 malformed)", "529"] {
        let script = script(&format!("a: {fault} / b: 200"));
        let client = client(&script, |route| Route { max_attempts: 2, ..route });
        let mut by_first = Vec::new();
        for _ in 0..8 {
            streamed(&client).await;
            by_first.push(script.provider("a").calls());
        }
        assert_eq!(by_first, [1, 2, 3, 4, 5, 5, 5, 5], "{fault}");
        // The open time is over, and a probe breaks as well.
        sleep(Duration::from_secs(5)).await;
        for _ in 0..4 {
            streamed(&client).await;
        }
        assert_eq!((script.provider("a").calls(), client.outstanding_permits()), (6, 0), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn stream_that_breaks_is_one_failed_call_for_health() {
    let script = script("a: 200, cut(2), stall(2) / b: 200 gap 1s");
    let client = without_breakers(&script);
    for _ in 0..3 {
        streamed(&client).await;
    }
    let counts = |client: &Client| {
        let health = client.health().into_iter();
        health.map(|(id, of)| format!("{id} {} of {} failed", of.failed, of.calls)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&client), ["a/m 2 of 3 failed", "b/m 0 of 0 failed"]);
    let mut stream = client.stream(named("b/m")).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert_eq!(counts(&client)[1], "b/m 0 of 0 failed", "the stream may still break");
    drop(stream);
    assert_eq!(counts(&client)[1], "b/m 0 of 1 failed", "its caller left");
}

#[tokio::test(start_paused = true)]
async fn unhealthy_target_is_called_again_when_it_is_not_checked_any_more() {
    let script = script("a: 200 / b: 200");
    let client = without_breakers(&script);
    script.provider("b").with_probe(Ok(Probe::Reachable));
    script.provider("a").with_probe(Err(Failure::new(FailureKind::Connect, "connection refused")));
    for _ in 0..3 {
        client.check_now().await;
    }
    for (after, by) in [(0, "b/m"), (89, "b/m"), (2, "a/m")] {
        sleep(Duration::from_secs(after)).await;
        let answer = client.chat(ChatRequest::user("hi")).await.unwrap();
        assert_eq!(answer.served_by(), by, "after {after} s more");
    }
}

#[tokio::test(start_paused = true)]
async fn reset_ends_whatever_keeps_calls_from_a_target() {
    let answers = async |client: &Client| client.chat(named("default")).await.unwrap().served_by();
    let a: TargetId = "a/m".parse().unwrap();

    // Ejected as an outlier.
    let ejected = script("a: 503 x20, 200 / b: 200 / c: 200");
    let client = without_breakers(&ejected);
    for _ in 0..20 {
        send(&client, "b/m").await;
        send(&client, "c/m").await;
        plain(&client).await;
    }
    assert_eq!(answers(&client).await, "b/m");
    assert!(client.reset(&a).await);
    for _ in 0..20 {
        assert_eq!(answers(&client).await, "a/m", "no ramp either");
    }

    // Ejected by its error count.
    let counted = script("a: 503 x3, 200 / b: 200");
    let targets = ["a", "b"].map(|name| Target::new(name, "m").max_retries(0));
    let builder =
        Client::builder().health(HealthConfig::without_breakers()).route(Route::priority("default", targets));
    let providers = counted.providers().into_iter();
    let client = providers
        .fold(builder, |builder, (name, provider)| builder.provider(name, provider))
        .build()
        .unwrap();
    for _ in 0..4 {
        assert_eq!(answers(&client).await, "b/m");
    }
    assert!(client.reset(&a).await);
    assert_eq!((answers(&client).await.as_str(), client.health()[0].1.errors), ("a/m", 0));

    // Unhealthy by its probes.
    let unhealthy = script("a: 200 / b: 200");
    let client = without_breakers(&unhealthy);
    unhealthy.provider("a").with_probe(Err(Failure::new(FailureKind::Connect, "connection refused")));
    for _ in 0..3 {
        client.check_now().await;
    }
    assert_eq!(answers(&client).await, "b/m");
    assert!(client.reset(&a).await);
    assert_eq!(answers(&client).await, "a/m");

    // Suspected after two of the three requests that would pause it.
    let suspected = script("a: 403(unclear) / b: 200");
    let client = without_breakers(&suspected);
    for prompt in ["one", "two", "three", "four"] {
        if prompt == "three" {
            assert!(client.reset(&a).await);
        }
        client.chat(ChatRequest::user(prompt)).await.unwrap();
    }
    assert_eq!(suspected.provider("a").calls(), 4);
}
