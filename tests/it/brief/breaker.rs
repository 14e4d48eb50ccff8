//! The circuit breakers: presets of three textbook breakers, and what operators see of an open one.

use std::{cell::Cell, time::Duration};

use fb::{Breaker, ChatRequest, Client, State};
use fb_sim::Fault;
use serde_json::Value;
use tokio::time::{Instant, advance};

use super::{configured, scripted};
use crate::harness::{CHAT, Gateway, Sims, operator, prepared};

fn config(global: &str, provider: &str, target: &str) -> String {
    format!(
        r#"
        {global}
        [providers.p]
        kind = "ollama"
        {provider}
        [routes.default]
        when_all_unavailable = "fail"
        last_resort_wait = "1ms"
        targets = [{{ provider = "p", model = "m", max_retries = 0, {target} }}]
        "#
    )
}

async fn send(client: &Client, times: u32) {
    for _ in 0..times {
        drop(client.chat(ChatRequest::user("hi")).await);
    }
}

fn breaker(client: &Client) -> Breaker {
    client.breakers().pop().unwrap().1
}

fn state(client: &Client) -> State {
    breaker(client).state(Instant::now().into_std())
}

/// Opens the breaker, waits for its time and closes it again.
async fn check(config: &str, seconds: u64, probes: u32, successes: u32) {
    let open_for = Duration::from_secs(seconds);
    let (script, client) = configured("p: 500x5, 200 in 1s", config);
    send(&client, 4).await;
    assert_eq!(state(&client), State::Closed);
    send(&client, 1).await;
    assert_eq!(state(&client), State::Open { reopens_in: open_for });
    send(&client, 9).await;
    assert_eq!(script.provider("p").calls(), 5, "an open breaker admits no call");

    advance(Duration::from_millis(seconds * 1_000 - 1)).await;
    assert_eq!(state(&client), State::Open { reopens_in: Duration::from_millis(1) });
    advance(Duration::from_millis(1)).await;
    assert_eq!(state(&client), State::HalfOpen, "before any call");
    let calls = (0..9).map(|_| client.chat(ChatRequest::user("hi")));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), probes as usize);
    let rest = successes.saturating_sub(probes);
    send(&client, rest).await;
    assert_eq!(state(&client), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn presets_stand_wherever_a_table_may_stand() {
    check(&config(r#"breaker = "classic""#, "", ""), 60, 3, 2).await;
    check(&config("", r#"breaker = "classic""#, ""), 60, 3, 2).await;
    check(&config("", "", r#"breaker = "classic""#), 60, 3, 2).await;
    check(&config("", "", r#"breaker = "classic-30s""#), 30, 3, 3).await;
    check(&config("", "", r#"breaker = "classic-single""#), 60, 1, 1).await;
    let changed = config("", r#"breaker = "classic""#, r#"breaker = { half_open = { permits = 1 } }"#);
    check(&changed, 60, 1, 2).await;
}

#[tokio::test(start_paused = true)]
async fn preset_in_rust_is_the_same_as_in_a_config() {
    let named = toml::from_str::<fb::Config>(r#"breaker = "classic-30s""#).unwrap();
    assert_eq!(named.breaker, fb::BreakerConfig::classic_30s());
    let target = fb::Target::new("p", "m").max_retries(0).breaker(&fb::BreakerConfig::classic_30s());
    let (_, builder) = scripted("p: 500");
    let client = builder.route(fb::Route::priority("default", [target])).build().unwrap();
    send(&client, 5).await;
    assert_eq!(state(&client), State::Open { reopens_in: Duration::from_secs(30) });
}

#[tokio::test(start_paused = true)]
async fn snapshot_of_an_open_breaker_has_its_failures() {
    let (_, client) = configured("p: 500", &config(r#"breaker = "classic""#, "", ""));
    send(&client, 5).await;
    advance(Duration::from_secs(20)).await;
    let snapshot = breaker(&client).snapshot(Instant::now().into_std());
    let expected = (Some(Duration::from_secs(40)), 5, Some(Duration::from_secs(20)));
    assert_eq!((snapshot.open_for, snapshot.failures, snapshot.last_failure), expected);
    advance(Duration::from_secs(40)).await;
    send(&client, 1).await;
    let snapshot = breaker(&client).snapshot(Instant::now().into_std());
    let expected = (Some(Duration::from_secs(60)), 6, Some(Duration::ZERO));
    assert_eq!((snapshot.open_for, snapshot.failures, snapshot.last_failure), expected, "a failed probe");
}

#[tokio::test(flavor = "multi_thread")]
async fn circuit_of_an_open_breaker_shows_failures() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    sims.primary.fault(Fault::status(500));
    let config = format!(
        "{}[admin]\nlisten = \"127.0.0.1:0\"\ntoken = {{ env = \"FB_TEST_KEY\" }}\n",
        sims.config("").replacen("timeout = \"5s\"", "breaker = \"classic\"", 1)
    );
    let gateway = Gateway::start(&fb, &config).await;
    let admin = gateway.admin().await;
    for _ in 0..5 {
        gateway.post(CHAT).await;
    }
    let all = operator().get(format!("{admin}/v1/circuits")).send().await.unwrap().text().await.unwrap();
    let all: Value = serde_json::from_str(&all).unwrap();
    let circuits = all["circuits"].as_array().unwrap();
    let primary = circuits.iter().find(|circuit| circuit["target"] == "primary/gpt-6.1-sol").unwrap();
    let shown = (&primary["state"], &primary["allows_request"], &primary["consecutive_failures"]);
    assert_eq!(shown, (&Value::from("open"), &Value::from(false), &Value::from(5)), "{primary}");
    assert_eq!(primary["last_failure"]["kind"], "server_error");
    let reopens = primary["reopens_in_ms"].as_u64().unwrap();
    assert!((30_000..=60_000).contains(&reopens), "{primary}");
}

#[tokio::test(start_paused = true)]
async fn breaker_is_reset_by_hand() {
    let (script, client) = configured("p: 500x5, 200", &config(r#"breaker = "classic""#, "", ""));
    send(&client, 6).await;
    assert_eq!(script.provider("p").calls(), 5);
    breaker(&client).reset(Instant::now().into_std());
    assert_eq!(state(&client), State::Closed);
    assert_eq!(client.chat(ChatRequest::user("hi")).await.unwrap().served_by(), "p/m");
}

#[tokio::test(start_paused = true)]
async fn call_has_a_fallback_closure() {
    let breaker = Breaker::new(fb::BreakerConfig::classic_30s(), || Instant::now().into_std()).unwrap();
    let (calls, failing) = (Cell::new(0), async || Err::<&str, &str>("connection refused"));
    for _ in 0..7 {
        let answer = breaker.call_or(
            async || {
                calls.set(calls.get() + 1);
                failing().await
            },
            |_| "fallback",
        );
        assert_eq!(answer.await, "fallback");
    }
    assert_eq!(calls.get(), 5, "the breaker is open");
    advance(Duration::from_secs(30)).await;
    for _ in 0..3 {
        assert_eq!(breaker.state(Instant::now().into_std()), State::HalfOpen);
        assert_eq!(breaker.call_or(async || Ok::<_, &str>("answer"), |_| "fallback").await, "answer");
    }
    assert_eq!(breaker.state(Instant::now().into_std()), State::Closed);
}
