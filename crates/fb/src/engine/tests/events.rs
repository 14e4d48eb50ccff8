//! The events that an observer receives.

use fb_core::{Chat, Event, Level, Message, Observer, RequestSummary, Role};
use fb_telemetry::{Metrics, Outcome};
use parking_lot::Mutex;

use super::*;
use crate::{LadderConfig, RouteCache, Rung};

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Observer for Events {
    fn on_event(&self, event: &Event<'_>) {
        let line = match event {
            Event::Started { target, number, .. } => format!("started {target} {number}"),
            Event::Ended { attempt, .. } => format!("ended {}", attempt.target),
            Event::Finished { route, tenant, coalesced, report, .. } => {
                let outcome = Outcome::from_report(report).name();
                let cache = report.cache.as_ref().map(|used| format!(", {used}")).unwrap_or_default();
                let calls = if *coalesced { ", with another's calls" } else { "" };
                format!("finished {route} for {tenant:?}: {outcome}{cache}{calls}")
            }
            Event::FirstToken { target, after, .. } => format!("first token of {target} after {after:?}"),
            Event::Breaker { target, from, to, reason } => {
                format!("breaker {target} {from} to {to}: {reason}")
            }
            Event::Hop { tenant, from, to, .. } => format!("hop {from} to {to} for {tenant:?}"),
            Event::Ladder { route, from, to } => format!("ladder {route} {from} to {to}"),
            Event::Budget { tenant, key, limit, share, refused } => {
                let refused = if *refused { ", refused" } else { "" };
                format!("budget {tenant} {key:?} {limit} {share:.2}{refused}")
            }
            other => panic!("{other:?}"),
        };
        self.0.lock().push(line);
    }
}

fn observed_client(script: &Script, configure: impl Fn(Route) -> Route) -> (Arc<Events>, Client) {
    let events = Arc::new(Events::default());
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m").max_retries(0));
    let route = configure(Route::priority("default", targets));
    let once = BreakerConfig::with(|config| config.consecutive = Some(1));
    let mut builder = Client::builder().seed(7).breaker(once).route(route).observer(events.clone());
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    (events, builder.build().unwrap())
}

fn drain(events: &Events) -> String {
    std::mem::take(&mut *events.0.lock()).join("\n")
}

#[tokio::test(start_paused = true)]
async fn events_carry_their_tenant() {
    let script = script("a: 503 / b: 200 in 300ms");
    let (events, client) = observed_client(&script, |route| route);
    let options = Options { tenant: Some("acme".into()), ..Options::default() };
    let stream = client.stream(ChatRequest::user("hi").with_options(options)).await.unwrap();
    stream.collect().await.unwrap();
    expect![[r#"
        started a/m 1
        breaker a/m closed to open: consecutive_failures
        ended a/m
        hop a/m to b/m for Some("acme")
        started b/m 1
        first token of b/m after 300ms
        ended b/m
        finished default for Some("acme"): answered"#]]
    .assert_eq(&drain(&events));
}

#[tokio::test(start_paused = true)]
async fn level_change_is_published() {
    let script = script("a: 503 / b: 200");
    let ladder = LadderConfig {
        reduced: Some(Rung { targets: vec![Target::new("b", "m")], ..Rung::default() }),
        ..LadderConfig::default()
    };
    let (events, client) = observed_client(&script, |mut route| {
        route.targets.truncate(1);
        route.ladder(ladder.clone())
    });
    for _ in 0..4 {
        plain(&client).await;
    }
    tokio::time::advance(Duration::from_secs(61)).await;
    plain(&client).await;
    client.set_level(None, Some((Level::Reduced, None)));
    let moves: Vec<String> =
        drain(&events).lines().filter(|line| line.starts_with("ladder")).map(Into::into).collect();
    assert_eq!(
        moves,
        [
            "ladder default full to reduced",
            "ladder default reduced to full",
            "ladder default full to reduced"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn every_coalesced_request_is_published() {
    let script = script("a: 200 in 1s");
    let cache = RouteCache { any_temperature: true, ..RouteCache::enabled() };
    let (events, client) = observed_client(&script, |route| route.cache(cache.clone()));
    let requests = (0..3).map(|_| client.chat(ChatRequest::user("hi")));
    futures_util::future::join_all(requests).await;
    client.chat(ChatRequest::user("hi")).await.unwrap();
    expect![[r#"
        started a/m 1
        ended a/m
        finished default for None: answered, miss
        finished default for None: answered, coalesced, with another's calls
        finished default for None: answered, coalesced, with another's calls
        finished default for None: answered, hit; age=0; by="a/m""#]]
    .assert_eq(&drain(&events));
}

#[tokio::test(start_paused = true)]
async fn calls_behind_a_shared_stale_answer_belong_to_one_request() {
    let script = script("a: 200, 503 in 1s / b: 503");
    let cache = RouteCache {
        fresh: Some(Duration::from_secs(10)),
        stale_if_error: Some(Duration::from_secs(600)),
        any_temperature: true,
        ..RouteCache::default()
    };
    let (events, client) = observed_client(&script, |route| route.cache(cache.clone()));
    client.chat(ChatRequest::user("hi")).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    drain(&events);
    let requests = (0..2).map(|_| client.chat(ChatRequest::user("hi")));
    futures_util::future::join_all(requests).await;
    expect![[r#"
        started a/m 1
        breaker a/m closed to open: consecutive_failures
        ended a/m
        hop a/m to b/m for None
        started b/m 1
        breaker b/m closed to open: consecutive_failures
        ended b/m
        finished default for None: answered, stale; age=11; by="a/m"
        finished default for None: answered, stale; age=11; by="a/m", with another's calls"#]]
    .assert_eq(&drain(&events));
}

#[tokio::test(start_paused = true)]
async fn trace_of_a_request_is_found_by_its_id() {
    let script = script("a: 503 / b: 200 in 300ms / c: 200");
    let (_, client) = observed_client(&script, |mut route| {
        route.targets[2].region = Some("us".to_owned());
        route.targets[0].region = Some("eu".to_owned());
        route.targets[1].region = Some("eu".to_owned());
        route.alias("gpt-4o")
    });
    let rules = fb_core::Rules { regions: Some(vec!["eu".to_owned()]), ..fb_core::Rules::default() };
    let options = Options { tenant: Some("acme".into()), rules, ..Options::default() };
    let answer = client.chat(named("gpt-4o").with_options(options)).await.unwrap();
    client.chat(ChatRequest::user("hi")).await.unwrap();
    let record = client.trace(answer.report.id).unwrap();
    let text = record.to_string().replace(&record.id().to_string(), "ID");
    expect![[r#"
        ID  route default (asked for gpt-4o), tenant acme
        served by b/m at level full after 300 ms

        plan
        1  a/m  priority 0
        2  b/m  priority 1
        -  c/m  refused, region: us is not allowed
        start: one by one

        trace
        0.000s  c/m     skipped: inadmissible: region: us is not allowed            hop
        0.000s  a/m  1  server_error (503)                                    0 ms  hop
        0.000s  b/m  1  ok  15 tokens                                       300 ms
    "#]]
    .assert_eq(&text);
    let latest = client.traces(10);
    assert_eq!(latest.len(), 2);
    assert!(latest[0].began >= latest[1].began && latest[1].id() == record.id());
    assert!(client.trace(fb_core::RequestId::new(7)).is_none());
}

#[tokio::test(start_paused = true)]
async fn number_of_kept_traces_is_limited() {
    let script = script("a: 200");
    let remembering = |keep| {
        let mut builder = Client::builder()
            .traces(crate::TracesConfig { keep })
            .route(Route::priority("default", [Target::new("a", "m")]));
        for (name, provider) in script.providers() {
            builder = builder.provider(name, provider);
        }
        builder.build().unwrap()
    };
    for (keep, left) in [(0, 0), (3, 3)] {
        let client = remembering(keep);
        let mut last = None;
        for _ in 0..5 {
            last = Some(client.chat(ChatRequest::user("hi")).await.unwrap().report.id);
        }
        let latest = client.traces(100);
        assert_eq!(
            (latest.len(), latest.first().map(|record| record.id())),
            (left, last.filter(|_| keep > 0))
        );
    }
}

/// The summary of a request, true if its caller cancelled it, and the time to the first output of each call.
type Finished = (RequestSummary, bool, Vec<Option<Duration>>);

#[derive(Default)]
struct FinishedEvents(Mutex<Vec<Finished>>);

impl Observer for FinishedEvents {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::Finished { request, cancelled, report, .. } = event {
            let firsts = report.trace.rows().iter().map(|row| row.first).collect();
            self.0.lock().push(((*request).clone(), *cancelled, firsts));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn finished_event_summarizes_the_request_and_reports_cancellation() {
    let script = script("a: 503 / b: 200 in 300ms");
    let finished = Arc::new(FinishedEvents::default());
    let targets = ["a", "b"].map(|name| Target::new(name, "m").max_retries(0));
    let mut builder = Client::builder().route(Route::priority("default", targets)).observer(finished.clone());
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let timeout = Some(Duration::from_secs(5));
    let request = || {
        let messages = vec![Message::text(Role::User, "12345678")];
        let chat = Chat { messages, max_tokens: Some(9), ..Chat::default() };
        ChatRequest::from_chat("default", chat).with_options(Options { timeout, ..Options::default() })
    };
    client.stream(request()).await.unwrap().collect().await.unwrap();
    drop(client.stream(request()).await.unwrap());
    drop(tokio::time::timeout(Duration::from_millis(100), client.chat(request())).await);
    let summary = |stream| RequestSummary {
        model: "default".to_owned(),
        stream,
        input_tokens: 2,
        max_output: Some(9),
        timeout,
        ..RequestSummary::default()
    };
    let first = Some(Duration::from_millis(300));
    let expected = [
        (summary(true), false, vec![None, first]),
        (summary(true), true, vec![None, first]),
        (summary(false), true, vec![None, None]),
    ];
    assert_eq!(*finished.0.lock(), expected);
}

#[tokio::test(start_paused = true)]
async fn every_coalesced_failure_is_published() {
    let script = script("a: 503 in 1s");
    let cache = RouteCache { any_temperature: true, ..RouteCache::enabled() };
    let (events, client) = observed_client(&script, |route| route.cache(cache.clone()));
    let requests = (0..3).map(|_| client.chat(ChatRequest::user("hi")));
    let errors = futures_util::future::join_all(requests).await;
    let ids: std::collections::BTreeSet<_> =
        errors.iter().map(|error| error.as_ref().unwrap_err().report().unwrap().id).collect();
    let lines = drain(&events);
    assert_eq!(
        (ids.len(), lines.lines().filter(|line| line.starts_with("finished")).count()),
        (3, 3),
        "{lines}"
    );
}

#[tokio::test(start_paused = true)]
async fn budget_warning_is_published_once() {
    let script = script("a: 200");
    let events = Arc::new(Events::default());
    let price = fb_core::Price { input: 1_000.0, output: 1_000.0 };
    let target = Target { price: Some(price), ..Target::new("a", "m") };
    let web = fb_budget::KeyLimits::with(|limits| limits.tokens_per_minute = Some(40));
    let limits = fb_budget::Limits::with(|limits| {
        limits.usd_per_day = Some(0.08);
        limits.keys = [("web".to_owned(), web)].into();
    });
    let mut builder = Client::builder().route(Route::priority("default", [target])).tenant("acme", limits);
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.observer(events.clone()).build().unwrap();
    let chat = Chat { max_tokens: Some(5), ..ChatRequest::user("hi").chat().unwrap().clone() };
    let options = Options { tenant: Some("acme".into()), key: Some("web".into()), ..Options::default() };
    let send =
        |options: Options| client.chat(ChatRequest::from_chat("default", chat.clone()).with_options(options));
    // Each answer takes 15 tokens for 1.5 cents; each call reserves 6 of them.
    for _ in 0..5 {
        drop(send(options.clone()).await);
    }
    for _ in 0..3 {
        drop(send(Options { key: None, ..options.clone() }).await);
    }
    let all = drain(&events);
    let budget: Vec<&str> = all.lines().filter(|line| line.starts_with("budget")).collect();
    assert_eq!(
        budget,
        [
            r#"budget acme Some("web") tokens_per_minute 0.90"#,
            r#"budget acme Some("web") tokens_per_minute 1.00, refused"#,
            "budget acme None usd_per_day 0.94",
            "budget acme None usd_per_day 0.94, refused",
        ]
    );
}

/// An observer that panics at every event.
struct Panics;

impl Observer for Panics {
    fn on_event(&self, event: &Event<'_>) {
        panic!("an observer of the test, at {event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn observers_add_up_and_their_panics_change_nothing() {
    let script = script("a: 503 / b: 200 in 300ms");
    let [first, second, late] = [(); 3].map(|()| Arc::new(Events::default()));
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m").max_retries(0));
    let mut builder = Client::builder()
        .observer(first.clone())
        .observer(Arc::new(Panics))
        .observer(second.clone())
        .route(Route::priority("default", targets));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let begun = client.stream(ChatRequest::user("hi")).await.unwrap();
    client.add_observer(late.clone());
    begun.collect().await.unwrap();
    drop(client.stream(ChatRequest::user("hi")).await.unwrap());
    let (lines, requests) = (drain(&first), "finished default for None");
    assert_eq!((lines.matches(requests).count(), &lines), (2, &drain(&second)));
    // The late observer has the second request only, from its first event on.
    let begin = lines.rfind("started a/m 1").unwrap();
    assert_eq!(drain(&late), lines[begin..]);
}

#[tokio::test(start_paused = true)]
async fn metrics_of_a_client_count_its_requests_and_read_its_accounts() {
    let script = script("a: 503 / b: 200");
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m").max_retries(0));
    let limits = crate::Limits::with(|limits| limits.usd_per_day = Some(5.0));
    let mut builder = Client::builder().route(Route::priority("default", targets)).tenant("acme", limits);
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let metrics = Metrics::of(&client);
    client.chat(ChatRequest::user("hi")).await.unwrap();
    let text = metrics.render_of(&client);
    for line in [
        r#"fb_attempts_total{route="default",target="a/m",outcome="server_error"} 1"#,
        r#"fb_attempts_total{route="default",target="b/m",outcome="ok"} 1"#,
        r#"fb_tenant_limit_usd{tenant="acme",window="day"} 5.0"#,
        r#"fb_quality_score{target="b/m"} 1.0"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    assert!(!text.contains("fb_ledger_failing"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn answers_and_statistics_serialize() {
    let script = script("a: 503 in 10ms / b: 200 in 30ms");
    let (_, client) = observed_client(&script, |route| route);
    let answer = client.chat(ChatRequest::user("hi")).await.unwrap();
    let mut answer = serde_json::to_value(&answer).unwrap();
    let end = |row: usize| format!("/report/trace/{row}/end");
    let shown = ["/reply/text", "/report/served_by", "/report/calls", "/report/took_ms", &end(0), &end(1)]
        .map(|path| answer.pointer_mut(path).unwrap().take());
    expect![[r#"["hello from b","b/m",2,40,"server_error (503)","ok  15 tokens"]"#]]
        .assert_eq(&serde_json::Value::from(shown.to_vec()).to_string());
    tokio::time::advance(Duration::from_secs(1)).await;
    let stats = serde_json::to_value(client.stats()).unwrap();
    expect![[r#"{"blocked":0,"calls":1,"cancelled":0,"failures":{"server_error":1},"fallback_from":1,"fallback_rate":1.0,"fallback_to":0,"last_failure":{"ago_ms":1030,"kind":"server_error"},"max_latency_ms":0.0,"mean_latency_ms":null,"primary_requests":1,"primary_success_rate":0.0,"selected":1,"skipped":0,"successes":0}"#]].assert_eq(&stats["targets"]["a/m"].to_string());
    expect![[r#"{"blocked":0,"calls":1,"cancelled":0,"failures":{},"max_latency_ms":30.0,"mean_latency_ms":30.0,"successes":1}"#]].assert_eq(&stats["providers"]["b"].to_string());
}
