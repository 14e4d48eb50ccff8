//! What an observer hears.

use fb_core::{Chat, Event, Level, Message, Observer, RequestSummary, Role};
use fb_telemetry::Outcome;
use parking_lot::Mutex;

use super::*;
use crate::{LadderConfig, RouteCache, Rung};

#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Observer for Ear {
    fn on_event(&self, event: &Event<'_>) {
        let line = match event {
            Event::Started { target, number, .. } => format!("started {target} {number}"),
            Event::Ended { attempt, .. } => format!("ended {}", attempt.target),
            Event::Finished { route, tenant, coalesced, report, .. } => {
                let outcome = Outcome::from_report(report).name();
                let cache = report.cache.as_ref().map(|used| format!(", {used}")).unwrap_or_default();
                let whose = if *coalesced { ", with another's calls" } else { "" };
                format!("finished {route} for {tenant:?}: {outcome}{cache}{whose}")
            }
            Event::FirstToken { target, after, .. } => format!("first token of {target} after {after:?}"),
            Event::Breaker { target, from, to, reason } => {
                format!("breaker {target} {from} to {to}: {reason}")
            }
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

fn heard(script: &Script, tune: impl Fn(Route) -> Route) -> (Arc<Ear>, Client) {
    let ear = Arc::new(Ear::default());
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m").max_retries(0));
    let route = tune(Route::priority("default", targets));
    let once = BreakerConfig { consecutive: Some(1), ..BreakerConfig::default() };
    let mut builder = Client::builder().seed(7).breaker(once).route(route).observer(ear.clone());
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    (ear, builder.build().unwrap())
}

fn drain(ear: &Ear) -> String {
    std::mem::take(&mut *ear.0.lock()).join("\n")
}

#[tokio::test(start_paused = true)]
async fn every_step_is_heard_with_whom_it_was_for() {
    let script = script("a: 503 / b: 200 in 300ms");
    let (ear, client) = heard(&script, |route| route);
    let options = Options { tenant: Some("acme".into()), ..Options::default() };
    let stream = client.stream(ChatRequest::user("hi").with_options(options)).await.unwrap();
    stream.collect().await.unwrap();
    expect![[r#"
        started a/m 1
        breaker a/m closed to open: consecutive_failures
        ended a/m
        started b/m 1
        first token of b/m after 300ms
        ended b/m
        finished default for Some("acme"): answered"#]]
    .assert_eq(&drain(&ear));
}

#[tokio::test(start_paused = true)]
async fn a_route_that_moves_on_its_ladder_says_so() {
    let script = script("a: 503 / b: 200");
    let ladder = LadderConfig {
        reduced: Some(Rung { targets: vec![Target::new("b", "m")], ..Rung::default() }),
        ..LadderConfig::default()
    };
    let (ear, client) = heard(&script, |mut route| {
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
        drain(&ear).lines().filter(|line| line.starts_with("ladder")).map(Into::into).collect();
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
async fn those_who_share_an_answer_are_heard_each() {
    let script = script("a: 200 in 1s");
    let cache = RouteCache { any_temperature: true, ..RouteCache::enabled() };
    let (ear, client) = heard(&script, |route| route.cache(cache.clone()));
    let asks = (0..3).map(|_| client.chat(ChatRequest::user("hi")));
    futures_util::future::join_all(asks).await;
    client.chat(ChatRequest::user("hi")).await.unwrap();
    expect![[r#"
        started a/m 1
        ended a/m
        finished default for None: answered, miss
        finished default for None: answered, coalesced, with another's calls
        finished default for None: answered, coalesced, with another's calls
        finished default for None: answered, hit; age=0; by="a/m""#]]
    .assert_eq(&drain(&ear));
}

#[tokio::test(start_paused = true)]
async fn calls_of_an_old_answer_that_is_shared_are_told_as_one_requests() {
    let script = script("a: 200, 503 in 1s / b: 503");
    let cache = RouteCache {
        fresh: Some(Duration::from_secs(10)),
        stale_if_error: Some(Duration::from_secs(600)),
        any_temperature: true,
        ..RouteCache::default()
    };
    let (ear, client) = heard(&script, |route| route.cache(cache.clone()));
    client.chat(ChatRequest::user("hi")).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    drain(&ear);
    let asks = (0..2).map(|_| client.chat(ChatRequest::user("hi")));
    futures_util::future::join_all(asks).await;
    expect![[r#"
        started a/m 1
        breaker a/m closed to open: consecutive_failures
        ended a/m
        started b/m 1
        breaker b/m closed to open: consecutive_failures
        ended b/m
        finished default for None: answered, stale; age=11; by="a/m"
        finished default for None: answered, stale; age=11; by="a/m", with another's calls"#]]
    .assert_eq(&drain(&ear));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_remembered_with_what_was_decided_and_found_by_its_id() {
    let script = script("a: 503 / b: 200 in 300ms / c: 200");
    let (_, client) = heard(&script, |mut route| {
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
    let told = record.to_string().replace(&record.id().to_string(), "ID");
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
    .assert_eq(&told);
    let latest = client.traces(10);
    assert_eq!(latest.len(), 2);
    assert!(latest[0].began >= latest[1].began && latest[1].id() == record.id());
    assert!(client.trace(fb_core::RequestId::new(7)).is_none());
}

#[tokio::test(start_paused = true)]
async fn as_many_are_remembered_as_asked_for() {
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

/// What a request asked for, whether its caller left, and when the first output of each call was there.
type Ask = (RequestSummary, bool, Vec<Option<Duration>>);

#[derive(Default)]
struct Asks(Mutex<Vec<Ask>>);

impl Observer for Asks {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::Finished { request, cancelled, report, .. } = event {
            let firsts = report.trace.rows().iter().map(|row| row.first).collect();
            self.0.lock().push(((*request).clone(), *cancelled, firsts));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_is_heard_without_a_word_of_it_and_who_left_is_told() {
    let script = script("a: 503 / b: 200 in 300ms");
    let asks = Arc::new(Asks::default());
    let targets = ["a", "b"].map(|name| Target::new(name, "m").max_retries(0));
    let mut builder = Client::builder().route(Route::priority("default", targets)).observer(asks.clone());
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
    let asked = |stream| RequestSummary {
        model: "default".to_owned(),
        stream,
        input_tokens: 2,
        max_output: Some(9),
        timeout,
        ..RequestSummary::default()
    };
    let first = Some(Duration::from_millis(300));
    let expected = [
        (asked(true), false, vec![None, first]),
        (asked(true), true, vec![None, first]),
        (asked(false), true, vec![None, None]),
    ];
    assert_eq!(*asks.0.lock(), expected);
}

#[tokio::test(start_paused = true)]
async fn those_who_share_a_failure_are_heard_each() {
    let script = script("a: 503 in 1s");
    let cache = RouteCache { any_temperature: true, ..RouteCache::enabled() };
    let (ear, client) = heard(&script, |route| route.cache(cache.clone()));
    let asks = (0..3).map(|_| client.chat(ChatRequest::user("hi")));
    let errors = futures_util::future::join_all(asks).await;
    let ids: std::collections::BTreeSet<_> =
        errors.iter().map(|error| error.as_ref().unwrap_err().report().unwrap().id).collect();
    let told = drain(&ear);
    assert_eq!(
        (ids.len(), told.lines().filter(|line| line.starts_with("finished")).count()),
        (3, 3),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn that_a_budget_is_nearly_used_up_is_heard_once() {
    let script = script("a: 200");
    let ear = Arc::new(Ear::default());
    let price = fb_core::Price { input: 1_000.0, output: 1_000.0 };
    let target = Target { price: Some(price), ..Target::new("a", "m") };
    let web = fb_budget::KeyLimits { tokens_per_minute: Some(40), ..fb_budget::KeyLimits::default() };
    let limits = fb_budget::Limits {
        usd_per_day: Some(0.08),
        keys: [("web".to_owned(), web)].into(),
        ..fb_budget::Limits::default()
    };
    let mut builder = Client::builder().route(Route::priority("default", [target])).tenant("acme", limits);
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.observer(ear.clone()).build().unwrap();
    let chat = Chat { max_tokens: Some(5), ..ChatRequest::user("hi").chat().unwrap().clone() };
    let options = Options { tenant: Some("acme".into()), key: Some("web".into()), ..Options::default() };
    let ask =
        |options: Options| client.chat(ChatRequest::from_chat("default", chat.clone()).with_options(options));
    // Each answer is 15 tokens for 1.5 cents, each call holds 6 of them before.
    for _ in 0..5 {
        drop(ask(options.clone()).await);
    }
    for _ in 0..3 {
        drop(ask(Options { key: None, ..options.clone() }).await);
    }
    let all = drain(&ear);
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
