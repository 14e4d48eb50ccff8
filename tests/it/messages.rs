//! The front door of Anthropic's dialect: `POST /v1/messages`, with the official SDK and over plain sockets.

use expect_test::{Expect, expect};
use fb_sim::{BlockForm, Fault, SimReply};
use serde_json::{Value, json};

use crate::{
    harness::{Gateway, HttpResponse, Sims, prepared, without_times},
    python::Sdk,
};

/// A gateway with a route of which the primary target speaks the dialect of the callers.
struct Bench {
    sims: Sims,
    sdk: Sdk,
    _gateway: Gateway,
}

/// `backup` is the simulator of Anthropic's dialect, and `primary` that of OpenAI's.
const ROUTE: &str = r#"
[routes.claude]
resume = true
targets = [
    { provider = "backup", model = "claude-sonnet-4-6", timeout = "2s", max_retries = 0 },
    { provider = "primary", model = "gpt-6.1-sol", timeout = "2s", max_retries = 0 },
]
"#;

impl Bench {
    async fn start() -> Option<Self> {
        let (fb, python) = (prepared("FB_BIN")?, prepared("FB_PYTHON")?);
        let sims = Sims::start().await;
        let gateway = Gateway::start(&fb, &sims.config(ROUTE)).await;
        let sdk = Sdk::start(&python, "anthropic_client.py", &gateway.url);
        Some(Self { sims, sdk, _gateway: gateway })
    }

    /// Sends a command to the SDK, and compares its result, the trace without times, and the calls of the OpenAI, the
    /// Anthropic and the Ollama simulator.
    async fn check(&mut self, command: &str, with: Value, expected: Expect) {
        let mut result = self.sdk.send(json!({ "do": command, "with": with })).await;
        let trace = without_times(result["trace"].as_str().unwrap_or_default());
        if let Some(map) = result.as_object_mut() {
            map.remove("trace");
        }
        expected.assert_eq(&format!("{result}\n{trace}\ncalls {:?}", self.sims.calls()));
        self.sims.reset();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "call sites build the value in place")]
fn message(model: &str, more: Value) -> Value {
    let mut with =
        json!({ "model": model, "max_tokens": 64, "messages": [{ "role": "user", "content": "Hello" }] });
    for (key, value) in more.as_object().unwrap() {
        with[key] = value.clone();
    }
    with
}

fn weather() -> Value {
    json!({
        "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
        "messages": [{ "role": "user", "content": "use the tool" }],
        "tools": [{
            "name": "weather",
            "input_schema": { "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] },
        }],
        "tool_choice": { "type": "any" },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn sdk_gets_messages_from_every_dialect() {
    let Some(mut bench) = Bench::start().await else { return };
    for (model, text, tools) in [
        (
            "claude",
            expect![[r#"
            {"attempts":"1","content":[{"text":"Hello from anthropic.","type":"text"}],"level":"full","request_id":true,"role":"assistant","served-by":"backup/claude-sonnet-4-6","stop":"end_turn","usage":[1,3]}
            backup/claude-sonnet-4-6 1 ok  4 tokens  $0.0000
            calls [0, 1, 0]"#]],
            expect![[r#"
            {"attempts":"1","content":[{"id":"toolu_sim000002_0","input":{"city":"example"},"name":"weather","type":"tool_use"}],"events":["message_start","content_block_start","content_block_delta","input_json","content_block_delta","input_json","content_block_delta","input_json","content_block_delta","input_json","content_block_stop","message_delta","message_stop"],"level":"full","role":"assistant","served-by":"backup/claude-sonnet-4-6","stop":"tool_use","usage":[5,1]}
            backup/claude-sonnet-4-6 1 running
            calls [0, 1, 0]"#]],
        ),
        (
            "primary/gpt-6.1-sol",
            expect![[r#"
            {"attempts":"1","content":[{"text":"Hello from openai.","type":"text"}],"level":"full","request_id":true,"role":"assistant","served-by":"primary/gpt-6.1-sol","stop":"end_turn","usage":[1,3]}
            primary/gpt-6.1-sol 1 ok  4 tokens  $0.0000
            calls [1, 0, 0]"#]],
            expect![[r#"
            {"attempts":"1","content":[{"id":"call_sim000002_0","input":{"city":"example"},"name":"weather","type":"tool_use"}],"events":["message_start","content_block_start","content_block_delta","input_json","content_block_delta","input_json","content_block_delta","input_json","content_block_stop","message_delta","message_stop"],"level":"full","role":"assistant","served-by":"primary/gpt-6.1-sol","stop":"tool_use","usage":[5,1]}
            primary/gpt-6.1-sol 1 running
            calls [1, 0, 0]"#]],
        ),
        (
            "third/llama3.2",
            expect![[r#"
            {"attempts":"1","content":[{"text":"Hello from ollama.","type":"text"}],"level":"full","request_id":true,"role":"assistant","served-by":"third/llama3.2","stop":"end_turn","usage":[1,3]}
            third/llama3.2 1 ok  4 tokens
            calls [0, 0, 1]"#]],
            expect![[r#"
            {"attempts":"0","error":"BadRequestError","level":"full","request_id":true,"served-by":"","status":400,"type":"invalid_request_error"}
            third/llama3.2 skipped: inadmissible: tool_choice: Ollama cannot be made to call a tool
            calls [0, 0, 0]"#]],
        ),
    ] {
        bench.check("message", message(model, json!({})), text).await;
        bench.check("stream", message(model, weather()), tools).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sdk_survives_a_primary_that_is_down() {
    for (name, fault, plain, streamed) in [
        (
            "503",
            Fault::status(503),
            expect![[r#"
            {"attempts":"2","content":[{"text":"Hello from openai.","type":"text"}],"level":"full","request_id":true,"role":"assistant","served-by":"primary/gpt-6.1-sol","stop":"end_turn","usage":[1,3]}
            backup/claude-sonnet-4-6 1 server_error (503 api_error); primary/gpt-6.1-sol 1 ok  4 tokens  $0.0000
            calls [1, 1, 0]"#]],
            expect![[r#"
            {"attempts":"2","content":[{"text":"Hello from openai.","type":"text"}],"events":["message_start","content_block_start","content_block_delta","text","content_block_delta","text","content_block_delta","text","content_block_stop","message_delta","message_stop"],"level":"full","role":"assistant","served-by":"primary/gpt-6.1-sol","stop":"end_turn","usage":[1,3]}
            backup/claude-sonnet-4-6 1 server_error (503 api_error); primary/gpt-6.1-sol 1 running
            calls [1, 1, 0]"#]],
        ),
        (
            "429",
            Fault::status(429).with_header("retry-after", "30"),
            expect![[r#"
            {"attempts":"2","content":[{"text":"Hello from openai.","type":"text"}],"level":"full","request_id":true,"role":"assistant","served-by":"primary/gpt-6.1-sol","stop":"end_turn","usage":[1,3]}
            backup/claude-sonnet-4-6 1 rate_limited (429 rate_limit_error); primary/gpt-6.1-sol 1 ok  4 tokens  $0.0000
            calls [1, 1, 0]"#]],
            expect![[r#"
            {"attempts":"2","content":[{"text":"Hello from openai.","type":"text"}],"events":["message_start","content_block_start","content_block_delta","text","content_block_delta","text","content_block_delta","text","content_block_stop","message_delta","message_stop"],"level":"full","role":"assistant","served-by":"primary/gpt-6.1-sol","stop":"end_turn","usage":[1,3]}
            backup/claude-sonnet-4-6 1 rate_limited (429 rate_limit_error); primary/gpt-6.1-sol 1 running
            calls [1, 1, 0]"#]],
        ),
        (
            "hang",
            Fault::StallHeaders,
            expect![[r#"
            {"attempts":"2","content":[{"text":"Hello from openai.","type":"text"}],"level":"full","request_id":true,"role":"assistant","served-by":"primary/gpt-6.1-sol","stop":"end_turn","usage":[1,3]}
            backup/claude-sonnet-4-6 1 timeout (no answer in 2 s); primary/gpt-6.1-sol 1 ok  4 tokens  $0.0000
            calls [1, 1, 0]"#]],
            expect![[r#"
            {"attempts":"2","content":[{"text":"Hello from openai.","type":"text"}],"events":["message_start","content_block_start","content_block_delta","text","content_block_delta","text","content_block_delta","text","content_block_stop","message_delta","message_stop"],"level":"full","role":"assistant","served-by":"primary/gpt-6.1-sol","stop":"end_turn","usage":[1,3]}
            backup/claude-sonnet-4-6 1 timeout (no answer in 2 s); primary/gpt-6.1-sol 1 running
            calls [1, 1, 0]"#]],
        ),
    ] {
        for (command, expected) in [("message", plain), ("stream", streamed)] {
            let Some(mut bench) = Bench::start().await else { return };
            println!("{name} {command}");
            bench.sims.backup.fault(fault.clone());
            bench.check(command, message("claude", json!({})), expected).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_stream_is_resumed_in_the_same_block() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.sims.backup.reply(SimReply { chunks: 4, ..SimReply::text("One two three four five six.") });
    bench.sims.backup.fault(Fault::CutAfterEvents { events: 5, reset: false });
    bench.sims.primary.reply(SimReply::text("One two three four five six."));
    bench.check("stream", message("claude", json!({})), expect![[r#"
        {"attempts":"1","content":[{"text":"One two three four five six.","type":"text"}],"events":["message_start","content_block_start","content_block_delta","text","content_block_delta","text","content_block_delta","text","content_block_delta","text","content_block_stop","message_delta","message_stop"],"level":"full","role":"assistant","served-by":"backup/claude-sonnet-4-6","stop":"end_turn","usage":[43,6]}
        backup/claude-sonnet-4-6 1 running
        calls [1, 1, 0]"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_the_sdks_types() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.check("message", message("nothing", json!({})), expect![[r#"
        {"attempts":"","error":"NotFoundError","level":"","request_id":true,"served-by":"","status":404,"type":"not_found_error"}

        calls [0, 0, 0]"#]]).await;
    bench.check("message", message("claude", json!({ "max_tokens": "x" })), expect![[r#"
        {"attempts":"","error":"BadRequestError","level":"","request_id":true,"served-by":"","status":400,"type":"invalid_request_error"}

        calls [0, 0, 0]"#]]).await;
    bench.sims.backup.fault(Fault::Block(BlockForm::Refusal));
    bench.check("message", message("claude", json!({})), expect![[r#"
        {"attempts":"1","content":[{"text":"I can't help with that.","type":"text"}],"level":"full","request_id":true,"role":"assistant","served-by":"backup/claude-sonnet-4-6","stop":"refusal","usage":[1,5]}
        backup/claude-sonnet-4-6 1 blocked (refused)
        calls [0, 1, 0]"#]]).await;
    for sim in [&bench.sims.backup, &bench.sims.primary] {
        sim.fault(Fault::status(503));
    }
    bench.check("message", message("claude", json!({})), expect![[r#"
        {"attempts":"2","error":"InternalServerError","level":"full","request_id":true,"served-by":"","status":502,"type":"api_error"}
        backup/claude-sonnet-4-6 1 server_error (503 api_error); primary/gpt-6.1-sol 1 overloaded (503 server_is_overloaded)
        calls [1, 1, 0]"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sdk_counts_tokens_and_lists_models() {
    let Some(mut bench) = Bench::start().await else { return };
    let with = json!({ "model": "claude", "messages": [{ "role": "user", "content": "Hello, world" }] });
    bench
        .check(
            "count",
            with,
            expect![[r#"
        {"input_tokens":3}

        calls [0, 0, 0]"#]],
        )
        .await;
    bench.check("models", json!({}), expect![[r#"
        {"models":["claude","default","gpt-4o","backup/claude-sonnet-4-6","primary/gpt-6.1-sol","third/llama3.2"]}

        calls [0, 0, 0]"#]]).await;
}

/// A body in the dialect of the target is carried byte for byte, with the headers of the dialect; so is the answer.
#[tokio::test(flavor = "multi_thread")]
async fn same_dialect_is_carried_unchanged() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config(ROUTE)).await;
    let body = r#"{ "zebra": {"b":1.0}, "model":"claude","max_tokens":8,"context_management":{"edits":[]},
        "messages":[{"content":[{"type":"text","text":"h\u00e9","cache_control":{"type":"ephemeral"}}],"role":"user"}]}"#;
    let response = post(&gateway, "/messages?beta=true", body).await;
    assert_eq!(response.status, 200, "{response:?}");
    let sent = sims.backup.requests().into_iter().rfind(|request| !request.body.is_empty()).unwrap();
    assert_eq!(String::from_utf8_lossy(&sent.body), body.replace("\"claude\"", "\"claude-sonnet-4-6\""));
    let headers = ["anthropic-version", "anthropic-beta", "x-api-key"].map(|name| sent.header(name));
    assert_eq!(headers, [Some("2023-06-01"), Some("context-management-2025-06-27"), Some("sk-test")]);
    assert!(response.header("request-id").starts_with("req_"), "{response:?}");
    let streamed = body.replacen('{', r#"{"stream":true,"#, 1);
    let response = post(&gateway, "/messages", &streamed).await;
    expect![[r#"
        event: message_start
        data: {"type":"message_start","message":{"id":"msg_sim000002","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

        event: content_block_start
        data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

        event: ping
        data: {"type":"ping"}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello f"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"rom ant"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hropic."}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":0}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}

        event: message_stop
        data: {"type":"message_stop"}

    "#]].assert_eq(&response.body);
}

/// Errors before any target have Anthropic's envelope too.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_server_have_the_envelope_of_the_door() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let keys = "[tenants.acme]\nkey = { env = \"FB_TEST_KEY\" }\nrequests_per_minute = 2\n";
    let gateway = Gateway::start(&fb, &sims.config(&format!("{ROUTE}{keys}"))).await;
    let refused = post(&gateway, "/messages", "{}").await;
    expect![[r#"401 {"error":{"message":"no API key; expected Authorization: Bearer KEY, or x-api-key: KEY","type":"authentication_error"},"request_id":null,"type":"error"}"#]].assert_eq(&without_id(&refused));
}

fn without_id(response: &HttpResponse) -> String {
    let mut body = response.json();
    let id = body["request_id"].take();
    assert_eq!(id, response.header("x-request-id"));
    assert_eq!(id, response.header("request-id"));
    format!("{} {body}", response.status)
}

async fn post(gateway: &Gateway, path: &str, body: &str) -> HttpResponse {
    let beta = "context-management-2025-06-27";
    gateway
        .post_to(path, &[("anthropic-version", "2023-06-01"), ("anthropic-beta", beta)], body.to_owned())
        .await
}
