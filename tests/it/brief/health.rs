//! Health by error count: with decay, and by consecutive failures.

use std::time::Duration;

use fb::{ChatRequest, Client, HealthStatus};
use tokio::time::advance;

use super::configured;

/// Returns a config of targets at these providers, with these health settings. The breakers never open.
fn config(health: &str, providers: &str) -> String {
    let targets = providers
        .split(' ')
        .map(|provider| format!("{{ provider = {provider:?}, model = \"m\", max_retries = 0 }},"));
    format!(
        "{health}\nbreaker = {{ consecutive = 1000, min_calls = 1000000 }}\n\
         routes.default = {{ targets = [{}] }}\n",
        targets.collect::<String>()
    )
}

async fn send(client: &Client, target: &str, times: u32) {
    let request = ChatRequest::from_chat(target, ChatRequest::user("hi").chat().unwrap().clone());
    for _ in 0..times {
        drop(client.chat(request.clone()).await);
    }
}

fn health(client: &Client, target: &str) -> HealthStatus {
    let found = client.health().into_iter().find(|(id, _)| id.to_string() == target);
    found.unwrap().1
}

fn available(client: &Client) -> Vec<String> {
    client.healthy_targets().iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn three_errors_make_a_target_unhealthy_among_any_number() {
    let others = ["b/m", "c/m", "d/m"];
    for peers in [1, 2, 3] {
        for outliers in [true, false] {
            let settings =
                format!("health = {{ errors = {{ limit = 3 }}, outlier = {{ enabled = {outliers} }} }}");
            let (_, client) = configured(
                "a: 503x2, 200, 503x2, 200x9 / b: 200 / c: 200 / d: 200",
                &config(&settings, &"a b c d"[..=2 * peers]),
            );
            send(&client, "a/m", 3).await;
            assert_eq!(health(&client, "a/m").errors, 1, "a success takes one error off");
            send(&client, "a/m", 1).await;
            assert_eq!(available(&client).len(), peers + 1, "two errors");
            send(&client, "a/m", 1).await;
            assert_eq!(available(&client), others[..peers], "{peers} peers, outliers {outliers}");
            advance(Duration::from_millis(59_999)).await;
            assert_eq!(available(&client), others[..peers]);
            advance(Duration::from_millis(1)).await;
            assert_eq!(available(&client).len(), peers + 1, "after 60 s");
            for errors in [3, 2, 1, 0, 0] {
                assert_eq!(health(&client, "a/m").errors, errors);
                send(&client, "a/m", 1).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn available_targets_are_sorted_by_the_latency_of_the_last_hundred_calls() {
    let (_, client) = configured(
        "a: 200x50 in 9s, 200 in 300ms / b: 200 in 100ms / c: 503x3 / d: 200",
        &config("health.errors = { limit = 3 }", "a b c d"),
    );
    send(&client, "a/m", 50).await;
    send(&client, "b/m", 1).await;
    assert_eq!(health(&client, "a/m").latency.unwrap().mean, Duration::from_secs(9));
    send(&client, "a/m", 100).await;
    let latency = health(&client, "a/m").latency.unwrap();
    assert_eq!((latency.calls, latency.mean), (100, Duration::from_millis(300)));
    send(&client, "c/m", 3).await;
    let fastest: Vec<String> = client.fastest_targets().iter().map(ToString::to_string).collect();
    assert_eq!(fastest, ["b/m", "a/m", "d/m"], "c is unhealthy, and d has not been called");
}

#[tokio::test(start_paused = true)]
async fn preset_of_recovery_ejects_after_three_failures_in_a_row_for_five_minutes() {
    let (script, client) = configured(
        "a: 503x2, 200, 503x3, 200, 503x2, 200 / b: 200 / c: 200",
        &config("health = \"recovery\"", "a b c"),
    );
    send(&client, "a/m", 5).await;
    assert_eq!(available(&client), ["a/m", "b/m", "c/m"], "two in a row");
    send(&client, "a/m", 1).await;
    assert_eq!(available(&client), ["b/m", "c/m"]);
    advance(Duration::from_millis(299_999)).await;
    assert_eq!(available(&client), ["b/m", "c/m"]);
    advance(Duration::from_millis(1)).await;
    let before = script.provider("a").calls();
    send(&client, "default", 1).await;
    assert_eq!(script.provider("a").calls(), before + 1, "tried again, at once with all its requests");
    send(&client, "a/m", 2).await;
    assert_eq!(available(&client), ["a/m", "b/m", "c/m"], "two in a row again");
    assert_eq!(
        toml::from_str::<fb::Config>("health = \"recovery\"").unwrap().health,
        fb::HealthConfig::recovery()
    );
}

#[tokio::test(start_paused = true)]
async fn presets_eject_all_targets_but_one() {
    for (preset, seconds) in [("recovery", 300), ("without_breakers", 60)] {
        let (script, client) =
            configured("a: 503 / b: 503 / c: 200", &config(&format!("health = \"{preset}\""), "a b c"));
        send(&client, "a/m", 3).await;
        send(&client, "b/m", 3).await;
        assert_eq!(available(&client), ["c/m"], "{preset}");
        send(&client, "default", 20).await;
        let calls = ["a", "b", "c"].map(|name| script.provider(name).calls());
        assert_eq!(calls, [3, 3, 20], "{preset}");
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(available(&client), ["a/m", "b/m", "c/m"], "{preset}");
    }
}
