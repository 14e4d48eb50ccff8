//! Adapters and policies (row 27).

use fb::{
    Chat, ChatRequest, Client, Evaluations, Limits, Message, Options, Price, Role, Route, Target, Tier,
};
use fb_sim::Fault;
use serde_json::{Value, json};

use crate::{
    brief::{calls, scripted},
    harness::{Gateway, Sims, prepared},
};

fn of_tenant(tenant: &str) -> ChatRequest {
    let messages = vec![Message::text(Role::User, "Hello!")];
    let chat = Chat { messages, max_tokens: Some(10), ..Chat::default() };
    let options = Options { tenant: Some(tenant.into()), ..Options::default() };
    ChatRequest::from_chat("default", chat).with_options(options)
}

async fn served_by(client: &Client, tenant: &str) -> String {
    client
        .chat(of_tenant(tenant))
        .await
        .map_or_else(|error| error.code().to_owned(), |answer| answer.served_by())
}

/// Returns the names of an object's fields and the types of their values, at any depth.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => json!("string"),
        Value::Number(_) => json!("number"),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_calls_and_json_have_the_same_shape_at_every_provider() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    let schema = json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
        "additionalProperties": false,
    });
    let function = json!({ "name": "find_city", "parameters": schema });
    let messages = json!([{ "role": "user", "content": "Which city?" }]);
    let tool = json!({
        "model": "default",
        "messages": messages,
        "tools": [{ "type": "function", "function": function }],
        "tool_choice": "required",
    });
    let named = json!({ "name": "city", "schema": schema, "strict": true });
    let format = json!({ "type": "json_schema", "json_schema": named });
    let json_answer = json!({ "model": "default", "messages": messages, "response_format": format });

    let mut shapes = Vec::new();
    for fault in [None, Some(Fault::status(500))] {
        if let Some(fault) = fault {
            sims.primary.fault(fault);
        }
        let called = gateway.post(tool.to_string()).await;
        let choice = &called.json()["choices"][0];
        let call = &choice["message"]["tool_calls"][0];
        let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&choice["finish_reason"], &call["function"]["name"]),
            (&json!("tool_calls"), &json!("find_city"))
        );
        assert!(arguments["city"].is_string(), "{call}");

        let written = gateway.post(json_answer.to_string()).await;
        let content = written.json()["choices"][0]["message"]["content"].clone();
        let parsed: Value = serde_json::from_str(content.as_str().unwrap()).unwrap();
        assert!(parsed["city"].is_string(), "{content}");
        shapes.push((called.header("x-fb-served-by").to_owned(), shape(call), shape(&parsed)));
    }
    assert_eq!(
        (shapes[0].0.as_str(), shapes[1].0.as_str()),
        ("primary/gpt-6.1-sol", "backup/claude-sonnet-4-6")
    );
    assert_eq!((&shapes[0].1, &shapes[0].2), (&shapes[1].1, &shapes[1].2));
}

#[test]
fn fallback_must_pass_its_evaluation_before_it_is_used() {
    let route = Route {
        require_eval: true,
        ..Route::priority("default", [Target::new("a", "m"), Target::new("b", "m")])
    };
    let build = |evaluations: Evaluations| {
        scripted("a: 200 / b: 200").1.route(route.clone()).evaluations(evaluations).build().map(|_| ())
    };
    let mut evaluations = Evaluations::default();
    evaluations.record_pass("default", &"a/m".parse().unwrap());
    let problems = build(evaluations.clone()).unwrap_err().problems;
    let fields: Vec<(&str, &str)> =
        problems.iter().map(|one| (one.field.as_str(), one.value.as_str())).collect();
    assert_eq!(fields, [("routes.default.targets[1]", "b/m")]);
    evaluations.record_pass("default", &"b/m".parse().unwrap());
    assert_eq!(build(evaluations), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn data_stays_in_its_region_and_at_approved_providers() {
    let (script, builder) = scripted("us: 200 / eu: 200, 500 / local: 200, 500");
    let mut local = Target::new("local", "m").max_retries(0);
    local.data_classes = vec!["patient".to_owned()];
    let targets =
        [Target::new("us", "m").region("us"), Target::new("eu", "m").region("eu").max_retries(0), local];
    let client = builder
        .route(Route::priority("default", targets))
        .tenant("resident", Limits::with(|limits| limits.regions = Some(vec!["eu".to_owned()])))
        .tenant("clinic", Limits::with(|limits| limits.data_class = Some("patient".to_owned())))
        .tenant("listed", Limits::with(|limits| limits.allowed = Some(vec!["us".to_owned()])))
        .build()
        .unwrap();
    assert_eq!(served_by(&client, "resident").await, "eu/m");
    assert_eq!(served_by(&client, "clinic").await, "local/m");
    assert_eq!(served_by(&client, "listed").await, "us/m");
    assert_eq!(calls(&script), [1, 1, 1]);
    // An outage does not widen the rules.
    assert_eq!(served_by(&client, "resident").await, "upstream_error");
    assert_eq!(served_by(&client, "clinic").await, "upstream_error");
    assert_eq!(script.provider("us").calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn premium_tenants_keep_the_primary_when_others_move_to_a_cheaper_route() {
    let (_, builder) = scripted("large: 200 / small: 200");
    let mut large = Target::new("large", "m");
    // A cent per token: each answer of 15 tokens costs $0.15.
    large.price = Some(Price { input: 1e4, output: 1e4 });
    let limits = |tier| {
        Limits::with(|limits| {
            limits.usd_per_day = Some(1.0);
            limits.warn_at = 0.1;
            limits.tier = tier;
        })
    };
    let client = builder
        .route(Route { downshift: Some("small".to_owned()), ..Route::priority("default", [large]) })
        .route(Route::priority("small", [Target::new("small", "m")]))
        .tenant("standard", limits(Tier::Standard))
        .tenant("premium", limits(Tier::Premium))
        .build()
        .unwrap();
    for (tenant, second) in [("standard", "small/m"), ("premium", "large/m")] {
        assert_eq!(served_by(&client, tenant).await, "large/m");
        assert_eq!(served_by(&client, tenant).await, second, "{tenant}");
    }
}
