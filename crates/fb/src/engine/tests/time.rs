//! The time that calls get, and what follows when they run out of it.

use fb_core::{Chat, Effort, Extra, Json, Message, Role};

use super::*;

/// Creates a request with a reasoning effort.
fn with_effort(effort: Effort) -> ChatRequest {
    let messages = vec![Message::text(Role::User, "hi")];
    ChatRequest::from_chat("default", Chat { messages, effort: Some(effort), ..Chat::default() })
}

/// A change of a route.
type Configure<'a> = &'a dyn Fn(Route) -> Route;

/// Returns the lines of a trace without the number of calls of each provider.
async fn traced(text: &str, route: impl Fn(Route) -> Route, stream: bool) -> String {
    let printed = run(text, route, stream).await;
    printed.rsplit_once('\n').map_or(String::new(), |(trace, _)| trace.to_owned())
}

/// Returns the number of consecutive failures that the breakers of both targets counted.
fn counted_failures(client: &Client) -> Vec<u32> {
    client.breakers().iter().map(|(_, breaker)| breaker.consecutive_failures()).collect()
}

#[tokio::test(start_paused = true)]
async fn hung_primary_leaves_the_backup_time_for_a_whole_answer() {
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  timeout (no answer in 60 s)    60.0 s  hop
        60.00s  b/m  1  ok  15 tokens                  20.0 s"#]]
    .assert_eq(&traced("a: hang / b: 200 in 20s", |route| route, false).await);
    let minute = |route: Route| route.deadline(Duration::from_secs(60));
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  timeout (no answer in 30 s)    30.0 s  hop
        30.00s  b/m  1  ok  15 tokens                  20.0 s"#]]
    .assert_eq(&traced("a: hang / b: 200 in 20s", minute, false).await);
    expect![[r#"
        "hello from b [done]"
        0.000s  a/m  1  timeout (no answer in 15 s)    15.0 s  hop
        15.00s  b/m  1  ok  15 tokens                  50.0 s"#]]
    .assert_eq(&traced("a: hang / b: 200 in 50s", |route| route, true).await);
}

#[tokio::test(start_paused = true)]
async fn long_answers_count_as_successes() {
    for text in ["a: 200 in 36s", "a: 200 in 36s / b: 200"] {
        let client = client(&script(text), |route| route);
        for _ in 0..12 {
            assert!(plain(&client).await.starts_with(r#"ok "hello from a""#), "{text}");
        }
        assert!(counted_failures(&client).iter().all(|failures| *failures == 0), "{text}");
    }
    let chat = ChatRequest::user("hi").chat().unwrap().clone();
    let long = ChatRequest::from_chat("default", Chat { max_tokens: Some(8_000), ..chat });
    let client = client(&script("a: 200 in 390s"), |route| route);
    for _ in 0..12 {
        client.chat(long.clone()).await.expect("8,000 tokens may take 400 s");
    }
}

#[tokio::test(start_paused = true)]
async fn models_that_think_get_time_for_it() {
    let script = script("a: 200 in 100s / b: 200");
    let targets = [Target::new("a", "o3"), Target::new("b", "m")];
    let mut builder = Client::builder().seed(7).route(Route::priority("default", targets));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    // A slow breaker would open after ten calls.
    for _ in 0..12 {
        let answer = client.stream(ChatRequest::user("hi")).await.unwrap().collect().await.unwrap();
        assert_eq!(answer.served_by(), "a/o3");
    }
    let capabilities = crate::TargetCapabilities { thinking: Some(true), ..Default::default() };
    let deployment = Target { capabilities, ..Target::new("a", "prod-chat") };
    client.update_route(Route::priority("other", [deployment, Target::new("b", "m")])).unwrap();
    let answer = client.stream(named("other")).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.served_by(), "a/prod-chat");
    let answer = client.chat(with_effort(Effort::None)).await.unwrap();
    assert_eq!(answer.served_by(), "b/m", "without thinking 60 s are enough");
}

#[tokio::test(start_paused = true)]
async fn reasoning_effort_gives_any_model_time_to_think() {
    let client = client(&script("a: 200 in 100s / b: 200"), |route| route);
    for (effort, by) in [(Effort::Low, "b/m"), (Effort::Medium, "a/m"), (Effort::High, "a/m")] {
        let answer = client.stream(with_effort(effort)).await.unwrap().collect().await.unwrap();
        assert_eq!(answer.served_by(), by, "{effort:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn thinking_is_set_by_other_fields_or_learned() {
    let with_field = |name: &str, value: &str| {
        let extra =
            Extra { path: name.to_owned(), name: name.to_owned(), value: Json::parse(value).unwrap() };
        let messages = vec![Message::text(Role::User, "hi")];
        ChatRequest::from_chat("default", Chat { messages, extra: vec![extra], ..Chat::default() })
    };
    let text = "a: 200 in 100s / b: 200";
    let by = async |client: &Client, request: ChatRequest| {
        client.stream(request).await.unwrap().collect().await.unwrap().served_by()
    };
    let plain = client(&script(text), |route| route);
    let thinking = with_field("thinking", r#"{"type":"enabled","budget_tokens":4000}"#);
    assert_eq!(by(&plain, thinking).await, "a/m");
    assert_eq!(by(&plain, with_field("reasoning", r#"{"effort":"high"}"#)).await, "a/m");
    assert_eq!(by(&plain, with_field("reasoning", r#"{"effort":"low"}"#)).await, "b/m");

    let set = client(&script(text), |mut route| {
        let high = Json::parse(r#""high""#).unwrap();
        route.targets[0].set.insert("reasoning_effort".to_owned(), high);
        route
    });
    assert_eq!(by(&set, ChatRequest::user("hi")).await, "a/m");
    assert_eq!(
        by(&set, with_effort(Effort::Low)).await,
        "a/m",
        "the target replaces the field of the request"
    );

    let script = script(text);
    script.provider("a").learned_thinking();
    assert_eq!(by(&client(&script, |route| route), ChatRequest::user("hi")).await, "a/m");
}

#[tokio::test(start_paused = true)]
async fn total_limit_of_a_stream_is_no_failure_of_its_target() {
    // The first target uses up most of the time, and the second one is still writing at the limit.
    let client = client(&script("a: stall(2) / b: 200 gap 900ms"), |route| Route {
        idle_timeout: Duration::from_secs(6),
        stream_total: Duration::from_secs(8),
        ..route.resume()
    });
    let ended = streamed(&client).await;
    expect![[r#"
        "hello from " then 504 upstream_timeout (the stream broke off: timeout (the stream took longer than its route allows))
        0.000s  a/m  1  timeout (the stream fell silent)                          6.00 s  resume
        6.000s  b/m  1  timeout (the stream took longer than its route allows)    2.00 s  resume
    "#]].assert_eq(&ended);
    expect!["[1, 0]"].assert_eq(&format!("{:?}", counted_failures(&client)));
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_limit_can_be_set() {
    let set = |change: fn(Target) -> Target| {
        move |mut route: Route| {
            route.targets = route.targets.into_iter().map(change).collect();
            route
        }
    };
    let both = set(|target| target.timeout(Duration::from_secs(4)));
    let first_output = set(|target| target.timeout_secs(4).first_output(Duration::from_secs(2)));
    let total = set(|target| target.timeout_secs(4).total(Duration::from_secs(9)));
    let took = async |text: &str, route: Configure<'_>, stream| {
        let trace = traced(text, route, stream).await;
        let limit = |line: &str| Some(line.split_once("no answer in ")?.1.split_once(')')?.0.to_owned());
        trace.lines().find_map(limit)
    };
    let cases: [(Configure<'_>, bool, &str); 5] = [
        (&both, false, "4 s"),
        (&both, true, "4 s"),
        (&first_output, true, "2 s"),
        (&first_output, false, "4 s"),
        (&total, false, "9 s"),
    ];
    for (route, stream, limit) in cases {
        assert_eq!(took("a: hang", route, stream).await.as_deref(), Some(limit), "stream: {stream}");
    }
    let idle = set(|target| target.idle(Duration::from_secs(3)));
    expect![[r#"
        "hello from " then 504 upstream_timeout (the stream broke off: timeout (the stream fell silent))
        0.000s  a/m  1  timeout (the stream fell silent)    3.00 s  surface"#]]
    .assert_eq(&traced("a: stall(2)", idle, true).await);
}

#[tokio::test(start_paused = true)]
async fn time_that_others_used_up_is_no_failure_of_the_last_target() {
    let script = script("a: hang / b: hang");
    let client = client(&script, |route| route.deadline(Duration::from_secs(40)));
    for _ in 0..6 {
        assert!(client.chat(ChatRequest::user("hi")).await.is_err());
    }
    expect!["[6, 0]"].assert_eq(&format!("{:?}", counted_failures(&client)));
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn target_that_is_always_slow_gets_few_calls() {
    let script = script("a: 200 in 3s / b: 200 in 100ms");
    let slow = fb_breaker::SlowConfig::with(|config| config.total = Some(Duration::from_secs(2)));
    let breaker = BreakerConfig::with(|config| config.slow = slow);
    let client = client(&script, |mut route| {
        route.targets = route.targets.into_iter().map(|target| target.breaker(&breaker)).collect();
        route
    });
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(600) {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    let calls = script.provider("a").calls();
    assert!((40..150).contains(&calls), "two probes after each open time, not {calls} calls");
}
