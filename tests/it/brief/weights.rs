//! The weighted router (row 15): weights 0.7 and 0.3, its statistics, and the adjustment of the weights.

use fb::{BreakerConfig, ChatRequest, Client, Route, Strategy, Target, TargetStats};

use crate::brief::scripted;

/// Creates a client with the targets a (weight 0.7) and b (0.3). Breakers stay closed, so that only weights decide.
fn client(text: &str, max_retries: u32) -> Client {
    let (_script, builder) = scripted(text);
    let target = |name: &str, weight| Target::new(name, "m").weight(weight).max_retries(max_retries);
    let route = Route::new("default", Strategy::Weighted, [target("a", 0.7), target("b", 0.3)]);
    let never = BreakerConfig::with(|config| {
        config.consecutive = None;
        config.min_calls = u32::MAX;
    });
    builder.seed(7).breaker(never).route(route).build().unwrap()
}

async fn send(client: &Client, requests: u32) {
    for _ in 0..requests {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
}

/// Returns `[selected, successes, fallback_from, fallback_to]` of every target.
fn counts(client: &Client) -> Vec<[u64; 4]> {
    let counts = |stats: &TargetStats| {
        let stats = stats.router_stats();
        [stats.selected, stats.successes, stats.fallback_from, stats.fallback_to]
    };
    client.stats().targets.values().map(counts).collect()
}

fn adjusted(client: &Client) -> Vec<String> {
    let weights = client.adjust_weights("default").unwrap();
    weights.iter().map(|(target, weight)| format!("{target} {weight:.3}")).collect()
}

#[tokio::test(start_paused = true)]
async fn equal_success_rates_move_the_weights_to_six_and_four_tenths() {
    let client = client("a: 200 / b: 200", 0);
    send(&client, 10).await;
    assert_eq!(counts(&client), [[7, 7, 0, 0], [3, 3, 0, 0]]);
    assert_eq!(adjusted(&client), ["a/m 0.600", "b/m 0.400"]);
    send(&client, 10).await;
    assert_eq!(counts(&client), [[13, 13, 0, 0], [7, 7, 0, 0]]);
}

#[tokio::test(start_paused = true)]
async fn half_the_success_rate_leaves_0_517_and_0_483() {
    let client = client(&format!("a: {} / b: 200", ["503, 200"; 7].join(", ")), 0);
    send(&client, 20).await;
    assert_eq!(counts(&client), [[14, 7, 7, 0], [6, 13, 0, 7]]);
    let rates: Vec<_> = client
        .stats()
        .targets
        .values()
        .map(TargetStats::router_stats)
        .map(|stats| (stats.success_rate(), stats.fallback_rate()))
        .collect();
    assert_eq!(rates, [(Some(0.5), Some(0.5)), (Some(1.0), Some(0.0))]);
    assert_eq!(adjusted(&client), ["a/m 0.517", "b/m 0.483"]);
}

#[tokio::test(start_paused = true)]
async fn a_selection_counts_once_however_many_calls_it_takes() {
    let client = client("a: 503, 503, 200 / b: 200", 2);
    send(&client, 1).await;
    let stats = client.stats();
    let a = stats.targets.values().next().unwrap();
    assert_eq!((a.calls, a.router_stats().success_rate()), (3, Some(1.0)));
    assert_eq!(counts(&client), [[1, 1, 0, 0], [0, 0, 0, 0]]);
}
