//! Statistics: attempts by provider, and success and fallback rates per attempt and per request (row 5).

use fb::{BreakerConfig, ChatRequest, Client, ProviderStats, Route, Stats, Strategy, SuccessCounts, Target};
use fb_testkit::Script;
use serde_json::{Value, json};

use crate::{
    brief::{scripted, without_retries},
    harness::{CHAT, Gateway, Sims, operator, prepared},
};

/// Creates a client without retries, of which only the strategy decides which target comes first.
fn with_strategy(text: &str, strategy: Strategy) -> (Script, Client) {
    let (script, builder) = scripted(text);
    let target = |(name, weight)| Target::new(name, "m").weight(weight).max_retries(0);
    let route = Route::new("default", strategy, [("a", 0.7), ("b", 0.3)].map(target));
    let never = BreakerConfig::with(|config| {
        config.consecutive = None;
        config.min_calls = u32::MAX;
    });
    (script, builder.seed(7).breaker(never).route(route).build().unwrap())
}

async fn send(client: &Client, requests: u32) -> Stats {
    for _ in 0..requests {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    client.stats()
}

#[tokio::test(start_paused = true)]
async fn weighted_client_with_7_fallbacks_in_200_requests_has_a_fallback_rate_of_0_035() {
    let (_script, client) = with_strategy("a: 503x7, 200 / b: 200", Strategy::Weighted);
    let stats = send(&client, 200).await;
    assert_eq!((stats.requests, stats.answered), (200, 200));
    assert_eq!(stats.per_request, SuccessCounts { total: 200, by_primary: 193, by_fallback: 7 });
    assert_eq!(stats.per_request.primary_success_rate(), Some(0.965));
    assert_eq!(stats.per_request.fallback_rate(), Some(0.035));
    assert_eq!(stats.per_attempt, SuccessCounts { total: 207, by_primary: 193, by_fallback: 7 });
    assert_eq!(stats.per_attempt.primary_success_rate(), Some(193.0 / 207.0));
    assert_eq!(stats.per_attempt.fallback_rate(), Some(7.0 / 207.0));

    let [a, b] = ["a/m", "b/m"].map(|id| &stats.targets[&id.parse().unwrap()]);
    assert_eq!((a.primary_requests, a.primary_success_rate), (140, Some(0.95)));
    assert_eq!((b.primary_requests, b.primary_success_rate, b.fallback_rate), (60, Some(1.0), Some(0.0)));
    let by_provider: Vec<_> = stats
        .providers
        .values()
        .map(|ProviderStats { calls, successes, failures, .. }| {
            (*calls, *successes, failures.iter().collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(by_provider, [(140, 133, vec![(&"server_error", &7)]), (67, 67, Vec::new())]);
}

#[tokio::test(start_paused = true)]
async fn primary_is_the_first_choice_of_every_strategy() {
    use Strategy::{Fastest, Hedged, LeastBusy, Priority, Race, Sticky, Weighted};
    for strategy in [Priority, Weighted, Fastest, LeastBusy, Sticky, Hedged] {
        let (_script, client) = with_strategy("a: 200 / b: 200", strategy);
        let stats = send(&client, 100).await;
        let all = SuccessCounts { total: 100, by_primary: 100, by_fallback: 0 };
        assert_eq!((stats.per_request, stats.per_attempt), (all, all), "{strategy:?}");

        let (script, client) = with_strategy("a: 503 / b: 200", strategy);
        let stats = send(&client, 100).await;
        let failed = u64::from(script.provider("a").calls());
        let [requests, attempts] = [100, 100 + failed].map(|total| SuccessCounts {
            total,
            by_primary: 100 - failed,
            by_fallback: failed,
        });
        assert_eq!((stats.per_request, stats.per_attempt), (requests, attempts), "{strategy:?}");
    }
    // The second target wins every race, in which the first call is cancelled.
    let (_script, client) = with_strategy("a: 200 in 2s / b: 200 in 1s", Race);
    let stats = send(&client, 10).await;
    let won = SuccessCounts { total: 10, by_primary: 0, by_fallback: 10 };
    assert_eq!((stats.per_request, stats.per_attempt), (won, won));
    let cancelled: Vec<_> = stats.providers.values().map(|counts| (counts.calls, counts.cancelled)).collect();
    assert_eq!(cancelled, [(0, 10), (10, 0)]);
}

#[tokio::test(start_paused = true)]
async fn average_latency_is_that_of_answers() {
    let (_script, client) =
        with_strategy("a: 200 in 1s, 503 in 9s, 200 in 2s / b: 200 in 4s", Strategy::Priority);
    let stats = send(&client, 3).await;
    let mean: Vec<_> =
        stats.providers.values().map(|counts| counts.mean_latency.unwrap().as_millis()).collect();
    assert_eq!(mean, [1_500, 4_000]);
}

/// Replaces the times in a row of statistics, and returns it.
fn without_times(mut row: Value) -> Value {
    assert!(row["avg_latency_ms"].is_f64() && row["max_latency_ms"].is_u64(), "{row}");
    for time in ["avg_latency_ms", "max_latency_ms"] {
        row[time] = json!(0);
    }
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_api_shows_statistics_by_provider() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &without_retries(&sims, "")).await;
    let admin = gateway.admin().await;
    sims.primary.fault_next(1, fb_sim::Fault::status(500));
    for _ in 0..4 {
        assert_eq!(gateway.post(CHAT).await.status, 200);
    }
    let stats = operator().get(format!("{admin}/v1/stats")).send().await.unwrap().text().await.unwrap();
    let mut stats: Value = serde_json::from_str(&stats).unwrap();
    let row = |total: u64, success: u64, failures: Value| {
        json!({
            "total": total, "success": success, "failures": failures, "blocked": 0, "cancelled": 0,
            "avg_latency_ms": 0, "max_latency_ms": 0,
        })
    };
    let by_provider = &mut stats["by_provider"];
    let [primary, backup] = ["primary", "backup"].map(|name| without_times(by_provider[name].take()));
    assert_eq!(primary, row(4, 3, json!({ "server_error": 1 })));
    assert_eq!(backup, row(1, 1, json!({})));
    let target = &stats["by_target"]["primary/gpt-4.1"];
    assert_eq!(
        (&target["total"], &target["selected"], &target["fallback_from"]),
        (&json!(4), &json!(4), &json!(1))
    );
    let as_primary = json!({ "requests": 4, "primary_success_rate": 0.75, "fallback_rate": 0.25 });
    assert_eq!(target["as_primary"], as_primary);

    assert_eq!(stats["total_attempts"], 5);
    assert_eq!((&stats["primary_success_rate"], &stats["fallback_rate"]), (&json!(0.6), &json!(0.2)));
    let rates = |total: u64, primary: f64, fallback: f64| {
        json!({
            "total": total, "by_primary": 3, "by_fallback": 1,
            "primary_success_rate": primary, "fallback_rate": fallback,
        })
    };
    assert_eq!(stats["per_attempt"], rates(5, 0.6, 0.2));
    assert_eq!(stats["per_request"], rates(4, 0.75, 0.25));
    assert_eq!(stats["requests"], json!({ "total": 4, "answered": 4, "cached": 0, "cancelled": 0 }));
    let metrics = operator().get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    for series in [
        r#"fb_attempt_successes_total{route="default",target="primary/gpt-4.1",role="primary"} 3"#,
        r#"fb_attempt_successes_total{route="default",target="backup/claude-sonnet-4",role="fallback"} 1"#,
        r#"fb_primary_requests_total{route="default",target="primary/gpt-4.1",role="primary"} 3"#,
        r#"fb_primary_requests_total{route="default",target="primary/gpt-4.1",role="fallback"} 1"#,
    ] {
        assert!(metrics.lines().any(|line| line == series), "{series} in {metrics}");
    }
}
