//! The health checker (row 9).

use std::time::Duration;

use fb::{
    Builder, ChatRequest, Check, Client, Condition, Failure, FailureKind, HealthConfig, Probe, Route, Target,
};
use fb_health::ProbeConfig;
use fb_testkit::Script;
use tokio::time::sleep;

use crate::brief::{calls, scripted};

/// Builds a client with an interval of 60 s and a timeout of 10 s. Every check counts at once.
fn client(builder: Builder, script: &Script) -> Client {
    let probe = ProbeConfig::with(|config| {
        config.interval = Duration::from_secs(60);
        config.unhealthy_interval = Duration::from_secs(60);
        config.jitter = 0.0;
        config.timeout = Duration::from_secs(10);
        config.rise = 1;
        config.fall = 1;
    });
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m").max_retries(0));
    let route = Route::priority("default", targets);
    builder.health(HealthConfig::with(|config| config.probe = probe)).route(route).build().unwrap()
}

fn down() -> Result<Probe, Failure> {
    Err(Failure::new(FailureKind::Connect, "connection refused"))
}

fn conditions(client: &Client) -> Vec<Condition> {
    client.health().into_iter().map(|(_, status)| status.condition).collect()
}

fn healthy(client: &Client) -> Vec<String> {
    client.healthy_targets().iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn unknown_is_healthy_and_all_providers_are_checked_at_once() {
    let (script, builder) = scripted("a: 200 / b: 200 / c: 200");
    let client = client(builder, &script);
    assert_eq!(conditions(&client), [Condition::Unknown; 3]);
    assert_eq!(healthy(&client), ["a/m", "b/m", "c/m"]);

    script.provider("a").with_probe(Ok(Probe::Reachable));
    script.provider("b").with_probe(down());
    client.check_now().await;
    sleep(Duration::from_secs(7)).await;
    assert_eq!(conditions(&client), [Condition::Healthy, Condition::Unhealthy, Condition::Unknown]);
    assert_eq!(healthy(&client), ["a/m", "c/m"]);
    let (_, b) = client.health().swap_remove(1);
    let check = b.last_check.unwrap();
    assert_eq!(check.ago, Duration::from_secs(7));
    assert!(
        matches!(&check.result, Check::Failed(error) if error.contains("connection refused")),
        "{check:?}"
    );

    let answer = client.chat(ChatRequest::user("Hello!")).await.unwrap();
    assert_eq!((answer.served_by().as_str(), calls(&script)), ("a/m", vec![1, 0, 0]));
    let (_, a) = client.health().swap_remove(0);
    assert_eq!((a.calls, a.latency.unwrap().calls), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_started_checker_checks_every_60_seconds_until_it_is_stopped() {
    let (script, builder) = scripted("a: 200 / b: 200 / c: 200");
    let client = client(builder, &script);
    for (_, provider) in script.providers() {
        provider.with_probe(Ok(Probe::Reachable));
    }
    let prober = client.probe();
    prober.check_now().await;
    assert_eq!(conditions(&client), [Condition::Healthy; 3]);

    script.provider("a").with_probe(down());
    sleep(Duration::from_secs(59)).await;
    assert_eq!(conditions(&client)[0], Condition::Healthy);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(conditions(&client)[0], Condition::Unhealthy);

    prober.shutdown().await;
    script.provider("a").with_probe(Ok(Probe::Reachable));
    sleep(Duration::from_secs(170)).await;
    assert_eq!(conditions(&client)[0], Condition::Unhealthy);
    // Three intervals after its last check the condition is not known any more.
    sleep(Duration::from_secs(600)).await;
    assert_eq!(conditions(&client)[0], Condition::Unknown);
}

#[tokio::test(start_paused = true)]
async fn if_all_are_unhealthy_they_are_tried_anyway() {
    let (script, builder) = scripted("a: 500 / b: 200");
    let client = client(builder, &script);
    for (_, provider) in script.providers() {
        provider.with_probe(down());
    }
    client.check_now().await;
    assert_eq!(conditions(&client), [Condition::Unhealthy; 2]);
    let answer = client.chat(ChatRequest::user("Hello!")).await.unwrap();
    assert_eq!((answer.served_by().as_str(), calls(&script)), ("b/m", vec![1, 1]));
}
