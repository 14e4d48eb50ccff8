//! The health checker (row 9): availability first, then a completion, opt-in.

use std::time::Duration;

use fb::{
    BreakerConfig, Check, Client, Condition, Failure, FailureKind, HealthConfig, Limits, Message, Price,
    Probe, ProbeConfig, ProbeKind, Role, Route, SuccessCounts, Target,
};
use fb_testkit::Script;
use tokio::time::sleep;

use crate::brief::scripted;

const INTERVAL: Duration = Duration::from_secs(60);

/// Creates a client with the targets openai/dear and openai/cheap, and probes every 60 s. Breakers stay closed.
fn client(text: &str, kind: ProbeKind) -> (Script, Client) {
    let (script, builder) = scripted(text);
    let target = |model: &str, dollars| {
        let price = Price { input: dollars, output: dollars };
        Target::new("openai", model).price(price).max_retries(2)
    };
    let probe = ProbeConfig::with(|config| {
        config.kind = kind;
        config.interval = INTERVAL;
    });
    let limits = Limits::with(|limits| limits.usd_per_day = Some(1_000.0));
    let client = builder
        .seed(7)
        .breaker(BreakerConfig::with(|config| {
            config.consecutive = None;
            config.min_calls = u32::MAX;
        }))
        .health(HealthConfig::with(|config| config.probe = probe))
        .tenant("default", limits)
        .route(Route::priority("default", [target("dear", 9.0), target("cheap", 1.0)]))
        .build()
        .unwrap();
    (script, client)
}

fn last_check(client: &Client) -> Option<Check> {
    client.health()[0].1.last_check.as_ref().map(|last| last.result.clone())
}

#[tokio::test(start_paused = true)]
async fn a_completion_probe_sends_ten_tokens_to_the_cheapest_target_and_counts_as_spend() {
    let (script, client) = client("openai: 200", ProbeKind::Completion);
    client.check_now().await;
    let log = script.provider("openai").log();
    let [call] = log.as_slice() else { panic!("one call, not {}", log.len()) };
    let (chat, head) = (call.request.chat().unwrap(), call.request.head());
    assert_eq!((call.model.as_str(), head.max_tokens), ("cheap", Some(10)));
    assert_eq!(chat.messages, [Message::text(Role::User, "Say 'OK' if you're working.")]);
    assert_eq!(last_check(&client), Some(Check::Passed));
    // 10 tokens in and 5 out at a dollar per million.
    let tenants = client.tenants();
    let spent: Vec<_> = tenants.iter().map(|(name, used, _)| (name.as_str(), used.day_nanos)).collect();
    assert_eq!(spent, [("default", 15_000)]);
    assert_eq!(client.outstanding_permits(), 0);
    let counts = SuccessCounts { total: 1, by_primary: 1, by_fallback: 0 };
    assert_eq!((client.stats().per_attempt, client.stats().per_request), (counts, counts), "no fallback");
}

#[tokio::test(start_paused = true)]
async fn completion_probes_are_never_closer_than_their_interval() {
    let (script, client) = client("openai: 503", ProbeKind::Completion);
    let prober = client.probe();
    for _ in 0..100 {
        sleep(Duration::from_secs(7)).await;
        prober.check_now().await;
        client.check_now().await;
    }
    prober.shutdown().await;
    let began: Vec<_> = script.provider("openai").log().iter().map(|call| call.began).collect();
    let gaps: Vec<_> = began.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap >= INTERVAL), "{gaps:?}");
    assert!((10..=12).contains(&began.len()), "about one per interval, not {}", began.len());
    let (_, status) = &client.health()[0];
    assert_eq!(status.condition, Condition::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_provider_is_sent_no_completion() {
    let (script, client) = client("openai: 200", ProbeKind::Completion);
    let refused = Failure::new(FailureKind::Connect, "connection refused");
    script.provider("openai").with_probe(Err(refused));
    client.check_now().await;
    assert_eq!(script.provider("openai").calls(), 0);
    assert!(matches!(last_check(&client), Some(Check::Failed(_))), "{:?}", last_check(&client));
}

#[tokio::test(start_paused = true)]
async fn probes_are_free_by_default() {
    let (script, client) = client("openai: 200", ProbeConfig::default().kind);
    script.provider("openai").with_probe(Ok(Probe::Reachable));
    client.check_now().await;
    assert_eq!((script.provider("openai").calls(), last_check(&client)), (0, Some(Check::Passed)));
}

#[tokio::test(start_paused = true)]
async fn a_completion_probe_times_out_after_ten_seconds() {
    let (_script, client) = client("openai: hang", ProbeKind::Completion);
    let began = tokio::time::Instant::now();
    client.check_now().await;
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert!(matches!(last_check(&client), Some(Check::Failed(_))), "{:?}", last_check(&client));
}

#[test]
fn completion_is_one_word_in_a_config() {
    let text = r#"{ "probe": { "kind": "completion" } }"#;
    let config: HealthConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.probe, ProbeConfig::with(|config| config.kind = ProbeKind::Completion));
}
