//! Answers below the full level.

use fb_core::{Chat, Level, Message, Role, ServedBy, Tool, ToolChoice};
use tokio::time::sleep;

use super::*;
use crate::{Answer, Feature, LadderConfig, OfflineConfig, RouteCache, Rung};

/// Builds a client with the levels full: `a`, reduced: `r`, minimal: `m`, and offline.
fn ladder(script: &Script) -> Client {
    let rung =
        |provider: &str| Rung { targets: vec![Target::new(provider, "m").max_retries(0)], ..Rung::default() };
    let ladder = LadderConfig {
        reduced: Some(Rung { max_tokens: Some(100), ..rung("r") }),
        minimal: Some(Rung { temperature: Some(0.0), features: Some(vec![Feature::Streaming]), ..rung("m") }),
        offline: Some(OfflineConfig::default()),
        ..LadderConfig::default()
    };
    let cache = RouteCache { stale_if_error: Some(Duration::from_secs(3_600)), ..RouteCache::default() };
    let never = BreakerConfig::with(|config| {
        config.consecutive = None;
        config.min_calls = u32::MAX;
    });
    let full = [Target::new("a", "m").max_retries(0)];
    let mut builder = Client::builder()
        .seed(7)
        .breaker(never)
        .route(Route::priority("default", full).ladder(ladder).cache(cache));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    builder.build().unwrap()
}

fn describe(answer: &Answer) -> String {
    let calls: Vec<String> =
        answer.trace().rows().iter().map(|row| row.target.provider().to_string()).collect();
    format!("{} by {} after {}", answer.level(), answer.served_by(), calls.join(" "))
}

async fn send(client: &Client) -> String {
    describe(&client.chat(ChatRequest::user("hi")).await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn request_descends_as_far_as_needed() {
    for (script, expected) in [
        ("a: 200 / r: 200 / m: 200", "full by a/m after a"),
        ("a: 503 / r: 200 / m: 200", "reduced by r/m after a r"),
        ("a: 503 / r: 503 / m: 200", "minimal by m/m after a r m"),
        ("a: 503 / r: 503 / m: 503", "offline by static after a r m"),
        ("a: 401 / r: 200 / m: 200", "reduced by r/m after a r"),
        ("a: 404 / r: 200 / m: 200", "reduced by r/m after a r"),
    ] {
        let script = super::script(script);
        assert_eq!(send(&ladder(&script)).await, expected);
    }
    // Mistakes of the caller and blocks are not degraded.
    for (script, status) in [
        ("a: 400 / r: 200 / m: 200", 400),
        ("a: block / r: 200 / m: 200", 400),
        ("a: context / r: 200 / m: 200", 400),
    ] {
        let script = super::script(script);
        let error = ladder(&script).chat(ChatRequest::user("hi")).await.unwrap_err();
        assert_eq!((error.status(), script.provider("r").calls()), (status, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn caller_mistake_at_a_lower_level_ends_the_descent() {
    let script = script("a: 503 / r: 400 / m: 200");
    let target = |name: &str| Target::new(name, "m").max_retries(0);
    let rung = |target: Target| Some(Rung { targets: vec![target], ..Rung::default() });
    let reduced = rung(target("r").trigger_on([FailureKind::InvalidRequest]));
    let ladder = LadderConfig { reduced, minimal: rung(target("m")), ..LadderConfig::default() };
    let mut builder = Client::builder().route(Route::priority("default", [target("a")]).ladder(ladder));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let error = builder.build().unwrap().chat(ChatRequest::user("hi")).await.unwrap_err();
    assert_eq!((error.status(), script.provider("r").calls(), script.provider("m").calls()), (400, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn stale_answer_precedes_the_fixed_one_and_both_report_the_cause() {
    let script = script("a: 200, 503 / r: 503 / m: 503");
    let client = ladder(&script);
    client.chat(ChatRequest::user("known")).await.unwrap();
    let old = client.chat(ChatRequest::user("known")).await.unwrap();
    assert_eq!((describe(&old).as_str(), old.text()), ("cached by cache after a r m", "hello from a"));
    let fixed = client.chat(ChatRequest::user("unknown")).await.unwrap();
    assert_eq!(describe(&fixed), "offline by static after a r m");
    assert_eq!(fixed.text(), "The assistant cannot answer now. Please try again in a moment.");
    for answer in [old, fixed] {
        let why = answer.report.degraded.unwrap();
        assert!(why.starts_with("no target could answer: server_error (503)"), "{why}");
    }
    let stream = client.stream(ChatRequest::user("hello")).await.unwrap().collect().await.unwrap();
    assert_eq!(stream.report.served_by, Some(ServedBy::Static));
    assert!(stream.text().starts_with("Hello! The assistant cannot"), "{}", stream.text());
    // A request that refuses degraded answers gets the error.
    let options = Options { refuse_degraded: true, ..Options::default() };
    let before = script.provider("r").calls();
    for text in ["known", "unknown"] {
        let error = client.chat(ChatRequest::user(text).with_options(options.clone())).await.unwrap_err();
        assert_eq!(error.status(), 502);
    }
    assert_eq!(script.provider("r").calls(), before);
}

#[tokio::test(start_paused = true)]
async fn reduced_level_adds_notes_and_is_skipped_by_requests_that_need_more() {
    let tool = || Tool { name: "weather".to_owned(), description: None, parameters: None, strict: None };
    let chat = |choice| Chat {
        messages: vec![Message::text(Role::User, "weather?")],
        tools: vec![tool()],
        tool_choice: choice,
        max_tokens: Some(50),
        ..Chat::default()
    };
    let script = script("a: 503 / r: 503 / m: 200");
    let client = ladder(&script);
    let optional = client.chat(ChatRequest::from_chat("default", chat(None))).await.unwrap();
    assert_eq!(describe(&optional), "minimal by m/m after a r m");
    let notes: Vec<String> = optional.notes().iter().map(ToString::to_string).collect();
    assert_eq!(notes, ["temperature: 0 at level minimal", "tools: dropped at level minimal"]);
    let required = ChatRequest::from_chat("default", chat(Some(ToolChoice::Required)));
    assert_eq!(describe(&client.chat(required).await.unwrap()), "offline by static after a r");
    let script = super::script("a: 503 / r: 200 / m: 200");
    let long = ladder(&script).chat(ChatRequest::user("hi")).await.unwrap();
    assert_eq!(long.notes()[0].to_string(), "max_tokens: 100 at level reduced");
}

#[tokio::test(start_paused = true)]
async fn route_descends_after_three_failures_and_follows_the_operator() {
    let script = script("a: 503x3, 200 / r: 200 / m: 200");
    let client = ladder(&script);
    let mut seen = Vec::new();
    for wait in [0, 1, 1, 1, 56, 4] {
        sleep(Duration::from_secs(wait)).await;
        seen.push(send(&client).await);
    }
    let (down, lower, up) = ("reduced by r/m after a r", "reduced by r/m after r", "full by a/m after a");
    assert_eq!(seen, [down, down, down, lower, lower, up]);

    assert!(client.set_level(Some("default"), Some((Level::Minimal, Some(Duration::from_secs(10))))));
    assert!(!client.set_level(Some("unheard of"), None));
    assert_eq!(send(&client).await, "minimal by m/m after m");
    let level = &client.levels()[0];
    assert_eq!(
        (level.level, level.forced, level.remaining),
        (Level::Minimal, true, Some(Duration::from_secs(10)))
    );
    sleep(Duration::from_secs(10)).await;
    assert_eq!(send(&client).await, up);
    client.set_level(None, Some((Level::Cached, None)));
    assert_eq!(send(&client).await, "cached by cache after ");
    client.set_level(None, Some((Level::Offline, None)));
    let calls = script.provider("a").calls();
    assert_eq!(send(&client).await, "offline by static after ");
    assert_eq!(script.provider("a").calls(), calls);
    client.set_level(None, None);
    assert_eq!(send(&client).await, up);
}

/// A request that refuses degraded answers gets none from another request either.
#[tokio::test(start_paused = true)]
async fn request_refusing_degraded_answers_is_not_coalesced() {
    let script = script("a: 503 in 1s / r: 200");
    let ladder = LadderConfig {
        reduced: Some(Rung { targets: vec![Target::new("r", "m")], ..Rung::default() }),
        ..LadderConfig::default()
    };
    let fresh = Some(Duration::from_secs(600));
    let cache = RouteCache { fresh, any_temperature: true, ..RouteCache::default() };
    let full = [Target::new("a", "m").max_retries(0)];
    let mut builder =
        Client::builder().seed(7).route(Route::priority("default", full).ladder(ladder).cache(cache));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let whole = Options { refuse_degraded: true, ..Options::default() };
    let (content, refusing) =
        tokio::join!(send(&client), client.chat(ChatRequest::user("hi").with_options(whole)));
    assert_eq!(content, "reduced by r/m after a r");
    assert_eq!(refusing.map(|answer| describe(&answer)).unwrap_err().status(), 502);
}

/// The envelope reserves attempts for the lower levels.
#[tokio::test(start_paused = true)]
async fn attempts_are_reserved_for_lower_levels() {
    let script = script("a: 503 / r: 503 / m: 200");
    let ladder = LadderConfig {
        reduced: Some(Rung { targets: vec![Target::new("r", "m").max_retries(9)], ..Rung::default() }),
        minimal: Some(Rung { targets: vec![Target::new("m", "m")], ..Rung::default() }),
        ..LadderConfig::default()
    };
    let mut route = Route::priority("default", [Target::new("a", "m").max_retries(9)]).ladder(ladder);
    route.max_attempts = 3;
    let mut builder = Client::builder().seed(7).route(route);
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    assert_eq!(send(&builder.build().unwrap()).await, "minimal by m/m after a r m");
}

#[tokio::test(start_paused = true)]
async fn failures_caused_by_the_request_move_no_route() {
    let script = script("a: 200 / r: 200 / m: 200");
    let client = ladder(&script);
    let rules = fb_core::Rules { allowed: Some(vec!["nobody".to_owned()]), ..fb_core::Rules::default() };
    for _ in 0..10 {
        let options = Options { rules: rules.clone(), ..Options::default() };
        drop(client.chat(ChatRequest::user("hi").with_options(options)).await);
    }
    assert_eq!(send(&client).await, "full by a/m after a");
}

#[tokio::test(start_paused = true)]
async fn level_chosen_by_an_operator_is_built_in_where_it_is_not_configured() {
    let script = script("a: 200");
    let client = client(&script, |route| route);
    let tool = Tool { name: "weather".to_owned(), description: None, parameters: None, strict: None };
    let request = || {
        let messages = vec![Message::text(Role::User, "weather?")];
        let chat = Chat { messages, tools: vec![tool.clone()], ..Chat::default() };
        ChatRequest::from_chat("default", chat)
    };
    let mut seen = Vec::new();
    for level in Level::ALL {
        client.set_level(None, Some((level, None)));
        let answer = client.chat(request()).await.unwrap();
        let notes: Vec<String> = answer.notes().iter().map(ToString::to_string).collect();
        seen.push(format!("{}: {}", describe(&answer), notes.join(", ")));
    }
    expect![[r#"
        full by a/m after a: 
        reduced by a/m after a: max_tokens: 2048 at level reduced, tools: dropped at level reduced
        minimal by a/m after a: max_tokens: 512 at level minimal, tools: dropped at level minimal
        offline by static after : 
        offline by static after : "#]]
    .assert_eq(&seen.join("\n"));
    // A request that cannot do without a tool skips the levels without tools.
    let required = || {
        let mut chat = request().chat().unwrap().clone();
        chat.tool_choice = Some(ToolChoice::Required);
        ChatRequest::from_chat("default", chat)
    };
    for level in [Level::Reduced, Level::Minimal] {
        client.set_level(None, Some((level, None)));
        assert_eq!(describe(&client.chat(required()).await.unwrap()), "offline by static after ");
    }
    client.set_level(None, Some((Level::Offline, None)));
    let fixed = client.chat(request()).await.unwrap();
    assert_eq!(fixed.text(), "The assistant cannot answer now. Please try again in a moment.");
    assert_eq!(script.provider("a").calls(), 3);

    // A caller that refuses less gets an error where there is nothing else.
    let options = Options { refuse_degraded: true, ..Options::default() };
    let error = client.chat(request().with_options(options)).await.unwrap_err();
    assert_eq!(error.status(), 503);
}

#[tokio::test(start_paused = true)]
async fn built_in_level_is_not_entered_without_an_operator() {
    let script = script("a: 503");
    let client = client(&script, |mut route| {
        route.targets[0].max_retries = Some(0);
        route
    });
    for _ in 0..4 {
        assert_eq!(client.chat(ChatRequest::user("hi")).await.unwrap_err().status(), 502);
        assert_eq!(client.levels()[0].level, Level::Full);
    }
    assert_eq!(script.provider("a").calls(), 4);
}
