//! What health does to requests.

use fb_core::{Failure, Probe};
use tokio::time::sleep;

use super::*;

/// A client whose breakers never open, so that health is alone.
fn without_breakers(script: &Script) -> Client {
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m").max_retries(0));
    let breaker = BreakerConfig { consecutive: None, min_calls: u32::MAX, ..BreakerConfig::default() };
    let mut builder = Client::builder().seed(7).breaker(breaker).route(Route::priority("default", targets));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    builder.build().unwrap()
}

async fn ask(client: &Client, model: &str) -> String {
    outcome(&client.chat(named(model)).await)
}

#[tokio::test(start_paused = true)]
async fn a_target_that_fails_more_than_its_peers_is_left_out_and_comes_back() {
    let script = script("a: 503 / b: 200 / c: 200");
    let client = without_breakers(&script);
    for _ in 0..20 {
        ask(&client, "b/m").await;
        ask(&client, "c/m").await;
        plain(&client).await;
    }
    assert_eq!(client.healthy_targets().iter().map(ToString::to_string).collect::<Vec<_>>(), ["b/m", "c/m"]);
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: ejected, reopens in 29.9 s            hop
        0.000s  b/m  1  ok  15 tokens                            0 ms
    "#]]
    .assert_eq(&plain(&client).await);
    // One target alone is not left out: there would be nobody else.
    assert!(ask(&client, "a/m").await.contains("a/m  1  server_error (503)"));
    sleep(Duration::from_secs(33)).await;
    let before = script.provider("a").calls();
    for _ in 0..100 {
        plain(&client).await;
    }
    let share = script.provider("a").calls() - before;
    assert!((3..=20).contains(&share), "a tenth to begin with, not {share} %");
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn targets_of_a_provider_that_answers_no_probe_are_left_out_while_there_are_others() {
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
    assert!(plain(&client).await.starts_with(r#"ok "hello from a""#), "with nobody healthy all are called");
    // A key that may not list models says nothing of its chats.
    for found in
        [Ok(Probe::Reachable), Err(Failure::new(FailureKind::Permission, "no scope")), Ok(Probe::Reachable)]
    {
        script.provider("a").with_probe(found);
        client.check_now().await;
    }
    assert_eq!(client.healthy_targets().iter().map(ToString::to_string).collect::<Vec<_>>(), ["a/m"]);
}

#[tokio::test(start_paused = true)]
async fn the_prober_asks_by_itself_and_a_served_call_is_as_good() {
    let script = script("a: 200 / b: 200");
    let client = without_breakers(&script);
    for name in ["a", "b"] {
        script.provider(name).with_probe(Err(Failure::new(FailureKind::Connect, "connection refused")));
    }
    let prober = client.probe();
    for _ in 0..12 {
        sleep(Duration::from_secs(5)).await;
        ask(&client, "b/m").await;
    }
    prober.shutdown().await;
    let health: Vec<String> =
        client.health().iter().map(|(id, status)| format!("{id} {:?}", status.condition)).collect();
    assert_eq!(health, ["a/m Unhealthy", "b/m Healthy"]);
}
