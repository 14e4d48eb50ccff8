//! Answers that fail the quality gates: repaired once, then left.

use fb_core::{Chat, Format, Message, Schema, Tool, ToolChoice};
use fb_quality::{Defect, MaxLoss, QualityConfig};

use super::*;

const SCHEMA: &str = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
const GOOD: &str = r#"{\"city\": \"Paris\"}"#;
const BAD: &str = r#"{\"town\": \"Paris\"}"#;

fn checked() -> QualityConfig {
    QualityConfig::with(|config| {
        config.schema = true;
        config.tools = true;
        config.empty = true;
        config.repair = true;
    })
}

fn gated(script: &Script, quality: QualityConfig) -> Client {
    client(script, |route| route.quality(quality))
}

fn schema(text: &str) -> Schema {
    let schema = fb_core::Json::parse(text).unwrap();
    Schema { name: "city".to_owned(), description: None, schema, strict: None }
}

fn wants_json() -> ChatRequest {
    let schema = schema(SCHEMA);
    let messages = vec![Message::text(fb_core::Role::User, "Which city?")];
    let chat = Chat { messages, format: Format::JsonSchema(schema), ..Chat::default() };
    ChatRequest::from_chat("default", chat)
}

#[tokio::test(start_paused = true)]
async fn defective_answer_is_repaired_once_then_the_next_target_is_tried() {
    let script = script(&format!("a: 200(\"{BAD}\"), 200(\"{GOOD}\") / b: 200(\"{GOOD}\")"));
    let client = gated(&script, checked());
    expect![[r#"
        ok "{\"city\": \"Paris\"}" by a/m
        0.000s  a/m  1  quality (schema: the answer: "city" is a required property)      0 ms  repair
        0.000s  a/m  2  ok  15 tokens                                                    0 ms
    "#]]
    .assert_eq(&outcome(&client.chat(wants_json()).await));
    let (_, prompt) = script.provider("a").requests().pop().unwrap();
    assert!(prompt.contains("town") && prompt.contains("rejected by an automatic check"), "{prompt}");

    let script = super::script(&format!("a: 200(\"{BAD}\") / b: 200(\"{GOOD}\")"));
    let client = gated(&script, checked());
    expect![[r#"
        ok "{\"city\": \"Paris\"}" by b/m
        0.000s  a/m  1  quality (schema: the answer: "city" is a required property)      0 ms  repair
        0.000s  a/m  2  quality (schema: the answer: "city" is a required property)      0 ms  hop
        0.000s  b/m  1  ok  15 tokens                                                    0 ms
    "#]]
    .assert_eq(&outcome(&client.chat(wants_json()).await));
    assert_eq!((client.outstanding_permits(), client.breakers()[0].1.consecutive_failures()), (0, 0));

    let script = super::script(&format!("a: 200(\"{BAD}\") / b: 200(\"{BAD}\")"));
    let error = gated(&script, checked()).chat(wants_json()).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (502, "quality_gate"));
    assert_eq!((script.provider("a").calls(), script.provider("b").calls()), (2, 2));
    assert_eq!(gates(&error), [Some("schema"); 4]);
}

/// Returns the gate that rejected each answer of a request.
fn gates(error: &Error) -> Vec<Option<&'static str>> {
    let rows = error.report().unwrap().trace.rows();
    let gate = |row: &fb_core::Attempt| match &row.end {
        fb_core::AttemptEnd::Failed(failure) => failure.gate(),
        end => panic!("{end}"),
    };
    rows.iter().map(gate).collect()
}

#[tokio::test(start_paused = true)]
async fn low_quality_reduces_traffic_but_opens_no_breaker() {
    let script = script(&format!("a: 200(\"{BAD}\") / b: 200(\"{GOOD}\")"));
    let client = gated(&script, {
        let mut config = checked();
        config.repair = false;
        config
    });
    for _ in 0..200 {
        assert_eq!(client.chat(wants_json()).await.unwrap().served_by(), "b/m");
    }
    let calls = script.provider("a").calls();
    assert!((10..60).contains(&calls), "{calls} of 200 requests still tried it");
    assert!(client.breakers().iter().all(|(_, breaker)| breaker.consecutive_failures() == 0));
    let scores: Vec<_> = client.quality().into_iter().map(|(id, score)| format!("{id} {score:.2}")).collect();
    // The score starts as if five good answers had been seen.
    let skips = |record: &crate::Record| {
        let rows = record.report.trace.rows().iter().map(|row| row.end.to_string());
        rows.filter(|end| end.starts_with("skipped")).collect::<Vec<_>>()
    };
    let skips: Vec<_> = client.traces(200).iter().flat_map(|record| skips(record)).collect();
    assert!(
        !skips.is_empty() && skips.iter().all(|skip| skip == "skipped: low quality, others take its share"),
        "{skips:?}"
    );
    assert_eq!(scores, [format!("a/m {:.2}", 5.0 / f64::from(calls + 5)), "b/m 1.00".to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn stream_is_checked_before_delivery_or_at_its_end() {
    let script = script(&format!("a: 200(\"{BAD}\") / b: 200(\"{GOOD}\")"));
    let client = gated(&script, {
        let mut config = checked();
        config.buffer = true;
        config.repair = false;
        config
    });
    let whole = client.stream(wants_json()).await.unwrap().collect().await.unwrap();
    assert_eq!((whole.served_by().as_str(), whole.text()), ("b/m", r#"{"city": "Paris"}"#));

    let script = super::script(&format!("a: 200(\"{BAD}\") / b: 200(\"{GOOD}\")"));
    let client = gated(&script, checked());
    let mut stream = client.stream(wants_json()).await.unwrap();
    let (mut text, mut done, mut end) = (String::new(), false, None);
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(frame) => {
                done |= frame.is_done();
                for event in frame.events {
                    if let StreamEvent::Text(piece) = event {
                        text.push_str(&piece);
                    }
                }
            }
            Err(error) => end = Some((error.status(), error.code(), gates(&error))),
        }
    }
    let reported = Some((502, "quality_gate", vec![Some("schema")]));
    assert_eq!((text.as_str(), done, end), (r#"{"town": "Paris"}"#, false, reported));
    assert_eq!((client.outstanding_permits(), script.provider("b").calls()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn custom_gates_and_tool_checks_apply() {
    let tool = Tool { name: "weather".to_owned(), description: None, parameters: None, strict: None };
    let chat = Chat {
        messages: vec![Message::text(fb_core::Role::User, "weather?")],
        tools: vec![tool],
        tool_choice: Some(ToolChoice::Required),
        ..Chat::default()
    };
    let script = script("a: 200(\"It is sunny.\") / b: block");
    let client = gated(&script, {
        let mut config = checked();
        config.repair = false;
        config
    });
    // A refusal is no defect.
    let error = client.chat(ChatRequest::from_chat("default", chat)).await.unwrap_err();
    assert_eq!((error.code(), script.provider("b").calls()), ("content_filter", 1));

    let script = super::script("a: 200(\"TODO\") / b: 200(\"done\")");
    let own = |_: &Chat, reply: &fb_core::Reply| {
        if reply.text.contains("TODO") { Err(Defect::new("a TODO, expected finished work")) } else { Ok(()) }
    };
    let mut builder = Client::builder()
        .gate("default", own)
        .route(Route::priority("default", [Target::new("a", "m"), Target::new("b", "m")]));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let answer = builder.build().unwrap().chat(ChatRequest::user("hi")).await.unwrap();
    assert_eq!(answer.text(), "done");
}

#[tokio::test(start_paused = true)]
async fn invalid_schema_is_rejected_and_max_loss_is_enforced() {
    let script = script(&format!("a: 200(\"{GOOD}\")"));
    let client = gated(&script, checked());
    let mut chat = wants_json().chat().unwrap().clone();
    chat.format = Format::JsonSchema(schema(r#"{"type": "nothing"}"#));
    let error = client.chat(ChatRequest::from_chat("default", chat)).await.unwrap_err();
    assert_eq!((error.status(), script.provider("a").calls()), (400, 0));
    assert!(error.to_string().contains("nothing") || error.to_string().contains("schema"), "{error}");

    let script = super::script("a: 200 / b: 200");
    let lossy = script.provider("a");
    lossy.with_loss("seed", "left out");
    let client = gated(&script, QualityConfig::with(|config| config.max_loss = MaxLoss::None));
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: inadmissible: seed: left out            hop
        0.000s  b/m  1  ok  15 tokens                              0 ms
    "#]]
    .assert_eq(&plain(&client).await);
}
