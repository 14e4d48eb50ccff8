//! The signals of routing (row 25).

use std::time::Duration;

use fb::{
    Chat, ChatRequest, Client, Defect, Error, Format, Json, Limits, Message, Money, Options, Price,
    QualityConfig, Reply, Role, Route, Rules, Schema, Target,
};
use fb_testkit::Script;

use crate::brief::{calls, rows, scripted};

fn route() -> Route {
    Route::priority("default", [Target::new("a", "m").max_retries(0), Target::new("b", "m").max_retries(0)])
}

async fn trace(client: &Client, request: ChatRequest) -> String {
    match client.chat(request).await {
        Ok(answer) => rows(&answer.report),
        Err(error) => format!("{} {}", error.status(), error.code()),
    }
}

#[tokio::test(start_paused = true)]
async fn rate_limits_server_errors_and_timeouts_move_on() {
    for (step, first) in [
        ("429", "rate_limited (429 rate_limit_exceeded)"),
        ("500", "server_error (500)"),
        ("502", "server_error (502)"),
        ("503", "server_error (503)"),
        ("504", "server_error (504)"),
        ("529", "overloaded (529 overloaded_error)"),
        ("hang", "timeout (no answer in 60 s)"),
    ] {
        let (_, builder) = scripted(&format!("a: {step} / b: 200"));
        let client = builder.route(route()).build().unwrap();
        let found = trace(&client, ChatRequest::user("Hello!")).await;
        assert_eq!(found, format!("a/m 1 {first}; b/m 1 ok  15 tokens"), "{step}");
    }
}

/// Returns the text of the last message that a provider received in a call.
fn last_message(script: &Script, provider: &str, call: usize) -> String {
    let log = script.provider(provider).log();
    let chat = log[call].request.chat().unwrap();
    format!("{:?}", chat.messages.last().unwrap().parts)
}

#[tokio::test(start_paused = true)]
async fn invalid_json_gets_a_stricter_prompt_on_the_same_model_and_then_the_next() {
    let (script, builder) = scripted(r#"a: 200("{\"town\": 1}") / b: 200("{\"city\": \"Paris\"}")"#);
    let quality = QualityConfig::with(|config| {
        config.schema = true;
        config.repair = true;
    });
    let client = builder.route(route().quality(quality)).build().unwrap();
    let schema = r#"{"type": "object", "required": ["city"]}"#;
    let format = Format::JsonSchema(Schema {
        name: "city".to_owned(),
        description: None,
        schema: Json::parse(schema).unwrap(),
        strict: None,
    });
    let messages = vec![Message::text(Role::User, "Which city?")];
    let chat = Chat { messages, format, ..Chat::default() };
    let answer = client.chat(ChatRequest::from_chat("default", chat)).await.unwrap();
    assert_eq!((answer.text(), answer.served_by().as_str()), (r#"{"city": "Paris"}"#, "b/m"));
    assert_eq!(calls(&script), [2, 1]);
    let stricter = last_message(&script, "a", 1);
    assert!(stricter.contains(r#"\"city\" is a required property"#), "{stricter}");
    assert!(
        last_message(&script, "b", 0).contains("Which city?"),
        "the next model gets the original request"
    );
}

/// A refusal that the provider marks is a block. One in plain text is an ordinary answer, for which a route has a gate.
#[tokio::test(start_paused = true)]
async fn refusals_in_plain_text_move_on_and_content_blocks_are_returned() {
    let refuses = |_: &Chat, reply: &Reply| {
        let refused = reply.text.starts_with("I'm sorry, I can't");
        if refused { Err(Defect::new("a refusal, expected an answer")) } else { Ok(()) }
    };
    for (step, b) in [(r#"200("I'm sorry, I can't help.")"#, 1), ("block", 0), ("block(400)", 0)] {
        let (script, builder) = scripted(&format!("a: {step} / b: 200"));
        let client = builder.route(route()).gate("default", refuses).build().unwrap();
        match client.chat(ChatRequest::user("Hello!")).await {
            Ok(answer) => assert_eq!((answer.served_by().as_str(), b), ("b/m", 1), "{step}"),
            Err(error) => assert!(matches!(error, Error::Blocked(_)), "{step}: {error}"),
        }
        assert_eq!(calls(&script), [1, b], "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn latency_budget_of_a_request_leaves_time_for_the_next_target() {
    let (_, builder) = scripted("a: hang / b: 200 in 1s");
    let client = builder.route(route()).build().unwrap();
    let options = Options { timeout: Some(Duration::from_secs(5)), ..Options::default() };
    let answer = client.chat(ChatRequest::user("Hello!").with_options(options)).await.unwrap();
    assert_eq!(answer.served_by(), "b/m");
    assert!(answer.report.took <= Duration::from_secs(5), "{:?}", answer.report.took);
}

#[tokio::test(start_paused = true)]
async fn cost_ceilings_exclude_targets_and_end_the_calls_of_a_tenant() {
    let (script, builder) = scripted("a: 200 / b: 200");
    let mut route = route();
    // A dollar and a cent per token.
    route.targets[0].price = Some(Price { input: 1e6, output: 1e6 });
    route.targets[1].price = Some(Price { input: 1e4, output: 1e4 });
    let limits = Limits::with(|limits| limits.usd_per_day = Some(1.0));
    let client = builder.route(route).tenant("acme", limits).build().unwrap();
    let request = |tenant: Option<&str>, ceiling: Option<Money>| {
        let messages = vec![Message::text(Role::User, "Hello!")];
        let chat = Chat { messages, max_tokens: Some(10), ..Chat::default() };
        let rules = Rules { ceiling, ..Rules::default() };
        let options = Options { tenant: tenant.map(Into::into), rules, ..Options::default() };
        ChatRequest::from_chat("default", chat).with_options(options)
    };
    let ceiling = Some(Money::from_nanos(500_000_000));
    let found = trace(&client, request(None, ceiling)).await;
    assert!(found.starts_with("a/m skipped: inadmissible: price") && found.ends_with("$0.1500"), "{found}");
    assert_eq!(calls(&script), [0, 1]);
    let found = trace(&client, request(Some("acme"), None)).await;
    assert!(found.starts_with("a/m skipped: the tenant's usd_per_day is reached; b/m 1 ok"), "{found}");
    for _ in 0..5 {
        trace(&client, request(Some("acme"), None)).await;
    }
    assert_eq!(trace(&client, request(Some("acme"), None)).await, "402 budget_exceeded");
}

#[tokio::test(start_paused = true)]
async fn skip_for_low_quality_names_its_reason() {
    let (script, builder) = scripted(r#"a: 200("no JSON") / b: 200("{}")"#);
    let answer_schema = Some(r#"{"type": "object"}"#.to_owned());
    let quality = QualityConfig::with(|config| {
        config.answer_schema = answer_schema;
        config.repair = false;
    });
    let client = builder.seed(7).route(route().quality(quality)).build().unwrap();
    let mut skips = 0;
    for _ in 0..100 {
        let answer = client.chat(ChatRequest::user("Hello!")).await.unwrap();
        assert_eq!(answer.served_by(), "b/m");
        skips += rows(&answer.report).matches("a/m skipped: low quality, others take its share").count();
    }
    assert_eq!(skips + script.provider("a").calls() as usize, 100);
    assert!(skips > 0);
}
