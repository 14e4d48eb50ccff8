//! The official OpenAI Python SDK against a server with failing providers.

use std::time::Duration;

use expect_test::{Expect, expect, expect_file};
use fb_sim::{Fault, SimReply};
use serde_json::{Value, json};

use crate::{
    harness::{Gateway, Sims, prepared, without_times},
    python::Sdk,
};

struct Bench {
    sims: Sims,
    sdk: Sdk,
    _gateway: Gateway,
}

impl Bench {
    /// Starts a fresh server, so that breakers and cool-downs of one case do not affect another.
    async fn start() -> Option<Self> {
        Self::with(|sims| sims.config("")).await
    }

    async fn with(config: impl Fn(&Sims) -> String) -> Option<Self> {
        let (fb, python) = (prepared("FB_BIN")?, prepared("FB_PYTHON")?);
        let sims = Sims::start().await;
        let gateway = Gateway::start(&fb, &config(&sims)).await;
        let sdk = Sdk::start(&python, "openai_client.py", &gateway.url);
        Some(Self { sims, sdk, _gateway: gateway })
    }

    /// Sends a chat and compares the result of the SDK, the trace without times and the calls at each provider.
    async fn check(&mut self, with: Value, expected: Expect) {
        let mut result = self.sdk.send(json!({ "do": "chat", "with": with })).await;
        let trace = without_times(result["trace"].as_str().unwrap_or_default());
        if let Some(map) = result.as_object_mut() {
            map.remove("trace");
        }
        expected.assert_eq(&format!("{result:#}\n{trace}\ncalls {:?}", self.sims.calls()));
        self.sims.reset();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "call sites build the value in place")]
fn chat(model: &str, more: Value) -> Value {
    let mut with = json!({ "model": model, "messages": [{ "role": "user", "content": "Hello" }] });
    for (key, value) in more.as_object().unwrap() {
        with[key] = value.clone();
    }
    with
}

fn weather() -> Value {
    json!({
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "use the tool" },
        ],
        "tools": [{ "type": "function", "function": {
            "name": "weather",
            "description": "Tells the weather",
            "parameters": { "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] },
        }}],
        "tool_choice": "required",
    })
}

fn schema() -> Value {
    json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "answer", "strict": true, "schema": {
        "type": "object",
        "properties": { "city": { "type": "string" }, "population": { "type": "integer" } },
        "required": ["city", "population"],
        "additionalProperties": false,
    }}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_chats_survive_a_primary_that_is_down() {
    let Some(mut bench) = Bench::start().await else { return };
    bench
        .check(
            chat("default", json!({})),
            expect![[r#"
                {
                  "attempts": "1",
                  "finish": "stop",
                  "level": "full",
                  "refusal": null,
                  "served-by": "primary/gpt-6.1-sol",
                  "text": "Hello from openai.",
                  "tools": [],
                  "usage": 4
                }
                primary/gpt-6.1-sol 1 ok  4 tokens  $0.0000
                calls [1, 0, 0]"#]],
        )
        .await;
    bench.sims.primary.fault(Fault::status(503));
    bench.check(chat("gpt-4o", json!({})), expect![[r#"
        {
          "attempts": "2",
          "finish": "stop",
          "level": "full",
          "refusal": null,
          "served-by": "backup/claude-sonnet-4-6",
          "text": "Hello from anthropic.",
          "tools": [],
          "usage": 4
        }
        primary/gpt-6.1-sol 1 overloaded (503 server_is_overloaded); backup/claude-sonnet-4-6 1 ok  4 tokens  $0.0000
        calls [1, 1, 0]"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_survive_a_primary_that_is_down() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.sims.primary.fault(Fault::status(503));
    let with = json!({ "stream": true, "stream_options": { "include_usage": true } });
    bench
        .check(
            chat("default", with),
            expect![[r#"
        {
          "attempts": "2",
          "finish": "stop",
          "level": "full",
          "refusal": null,
          "roles": [
            "assistant"
          ],
          "served-by": "backup/claude-sonnet-4-6",
          "text": "Hello from anthropic.",
          "tools": [],
          "usage": 4
        }
        primary/gpt-6.1-sol 1 overloaded (503 server_is_overloaded); backup/claude-sonnet-4-6 1 running
        calls [1, 1, 0]"#]],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_calls_survive_a_primary_that_is_down() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.sims.primary.fault(Fault::status(503));
    bench.check(chat("default", weather()), expect![[r#"
        {
          "attempts": "2",
          "finish": "tool_calls",
          "level": "full",
          "refusal": null,
          "served-by": "backup/claude-sonnet-4-6",
          "text": null,
          "tools": [
            [
              "weather",
              "{\"city\":\"example\"}"
            ]
          ],
          "usage": 6
        }
        primary/gpt-6.1-sol 1 overloaded (503 server_is_overloaded); backup/claude-sonnet-4-6 1 ok  6 tokens  $0.0000
        calls [1, 1, 0]"#]]).await;
    let mut streamed = weather();
    streamed["stream"] = json!(true);
    bench.sims.primary.fault(Fault::status(503));
    bench
        .check(
            chat("default", streamed),
            expect![[r#"
        {
          "attempts": "2",
          "finish": "tool_calls",
          "level": "full",
          "refusal": null,
          "roles": [
            "assistant"
          ],
          "served-by": "backup/claude-sonnet-4-6",
          "text": "",
          "tools": [
            [
              "weather",
              "{\"city\":\"example\"}"
            ]
          ],
          "usage": null
        }
        primary/gpt-6.1-sol 1 overloaded (503 server_is_overloaded); backup/claude-sonnet-4-6 1 running
        calls [1, 1, 0]"#]],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_conversation_is_translated_to_another_dialect() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.sims.primary.fault(Fault::Refuse);
    let mut with = weather();
    with["messages"] = json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": "How is the weather in Paris and Rome?" },
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Paris\"}" } },
            { "id": "call_2", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Rome\"}" } },
        ]},
        { "role": "tool", "tool_call_id": "call_1", "content": "sunny" },
        { "role": "tool", "tool_call_id": "call_2", "content": "rain" },
    ]);
    with["tool_choice"] = json!("auto");
    let result = bench.sdk.send(json!({ "do": "chat", "with": chat("default", with) })).await;
    assert_eq!(result["served-by"], "backup/claude-sonnet-4-6", "{result}");
    let sent = bench.sims.backup.requests().pop().unwrap().json().unwrap();
    expect_file!["tool_conversation.json"].assert_eq(&format!("{sent:#}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_schema_chats_survive_a_primary_that_is_down() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.sims.primary.fault(Fault::status(500));
    bench.check(chat("default", schema()), expect![[r#"
        {
          "attempts": "2",
          "finish": "stop",
          "level": "full",
          "refusal": null,
          "served-by": "backup/claude-sonnet-4-6",
          "text": "{\"city\":\"example\",\"population\":1}",
          "tools": [],
          "usage": 2
        }
        primary/gpt-6.1-sol 1 server_error (500 server_error); backup/claude-sonnet-4-6 1 ok  2 tokens  $0.0000
        calls [1, 1, 0]"#]]).await;
    bench.sims.primary.fault(Fault::status(500));
    bench.sims.backup.fault(Fault::Refuse);
    bench.check(chat("default", schema()), expect![[r#"
        {
          "attempts": "4",
          "finish": "stop",
          "level": "full",
          "refusal": null,
          "served-by": "third/llama3.2",
          "text": "{\"city\":\"example\",\"population\":1}",
          "tools": [],
          "usage": 2
        }
        primary/gpt-6.1-sol 1 server_error (500 server_error); backup/claude-sonnet-4-6 1 connect (Connection refused (os error 111)); backup/claude-sonnet-4-6 2 connect (Connection refused (os error 111)); third/llama3.2 1 ok  2 tokens
        calls [1, 0, 1]"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_map_to_the_exception_types_of_the_sdk() {
    let Some(mut bench) = Bench::start().await else { return };
    bench
        .check(
            chat("missing", json!({})),
            expect![[r#"
        {
          "attempts": "",
          "code": "model_not_found",
          "error": "NotFoundError",
          "level": "",
          "param": "model",
          "request_id": true,
          "served-by": "",
          "status": 404
        }

        calls [0, 0, 0]"#]],
        )
        .await;
    bench
        .check(
            chat("default", json!({ "messages": "hi" })),
            expect![[r#"
        {
          "attempts": "",
          "code": "invalid_request",
          "error": "BadRequestError",
          "level": "",
          "param": "messages",
          "request_id": true,
          "served-by": "",
          "status": 400
        }

        calls [0, 0, 0]"#]],
        )
        .await;
    bench.sims.primary.fault(Fault::status(400));
    bench
        .check(
            chat("default", json!({})),
            expect![[r#"
        {
          "attempts": "1",
          "code": "invalid_request",
          "error": "BadRequestError",
          "level": "full",
          "param": null,
          "request_id": true,
          "served-by": "",
          "status": 400
        }
        primary/gpt-6.1-sol 1 invalid_request (400 invalid_request_error)
        calls [1, 0, 0]"#]],
        )
        .await;
    bench.sims.primary.fault(Fault::status(429).with_header("retry-after", "30"));
    bench
        .check(
            chat("primary/gpt-6.1-sol", json!({})),
            expect![[r#"
        {
          "attempts": "1",
          "code": "rate_limit_exceeded",
          "error": "RateLimitError",
          "level": "full",
          "param": null,
          "request_id": true,
          "served-by": "",
          "status": 429
        }
        primary/gpt-6.1-sol 1 rate_limited (429 rate_limit_exceeded)
        calls [1, 0, 0]"#]],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_upstream_key_is_a_server_error() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.sims.primary.fault(Fault::status(401));
    bench
        .check(
            chat("primary/gpt-6.1-sol", json!({})),
            expect![[r#"
        {
          "attempts": "1",
          "code": "upstream_credentials",
          "error": "InternalServerError",
          "level": "full",
          "param": null,
          "request_id": true,
          "served-by": "",
          "status": 502
        }
        primary/gpt-6.1-sol 1 auth (401 invalid_api_key)
        calls [1, 0, 0]"#]],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_cut_after_its_first_token_raises_in_the_sdk() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.sims.primary.reply(SimReply { chunks: 6, ..SimReply::text("one two three four five six") });
    bench.sims.primary.fault(Fault::CutAfterEvents { events: 4, reset: false });
    bench
        .check(
            chat("default", json!({ "stream": true })),
            expect![[r#"
        {
          "error": "APIError",
          "message": "the stream broke off: interrupted (unexpected EOF during chunk size line)"
        }

        calls [1, 0, 0]"#]],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_and_early_headers_are_no_part_of_a_stream() {
    let config = |sims: &Sims| {
        let server = "heartbeat = \"50ms\"\nearly_headers = \"100ms\"\n";
        server.to_owned() + &sims.config("").replace("timeout = \"5s\"", "timeout = \"1s\"")
    };
    let Some(mut bench) = Bench::with(config).await else { return };
    // The head and some comments come before the failover, more of them between the words.
    bench.sims.primary.fault(Fault::StallHeaders);
    let slow = SimReply { chunks: 3, gap: Duration::from_millis(250), ..SimReply::text("one two three") };
    bench.sims.backup.reply(slow);
    let with = json!({ "stream": true, "stream_options": { "include_usage": true } });
    bench
        .check(
            chat("default", with),
            expect![[r#"
        {
          "attempts": "",
          "finish": "stop",
          "level": "",
          "refusal": null,
          "roles": [
            "assistant"
          ],
          "served-by": "",
          "text": "one two three",
          "tools": [],
          "usage": 4
        }

        calls [1, 1, 0]"#]],
        )
        .await;

    // An error after the head is raised.
    bench.sims.primary.fault(Fault::StallHeaders);
    bench.sims.backup.fault(Fault::status(401));
    bench.sims.third.fault(Fault::status(401));
    bench
        .check(
            chat("default", json!({ "stream": true })),
            expect![[r#"
                {
                  "error": "APIError",
                  "message": "no target could answer: primary/gpt-6.1-sol: timeout (no answer in 1 s); backup/claude-sonnet-4-6: auth (401 authentication_error): invalid x-api-key; third/llama3.2: auth (401): unauthorized"
                }

                calls [1, 1, 1]"#]],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model_list_contains_routes_and_targets() {
    let Some(mut bench) = Bench::start().await else { return };
    let models = bench.sdk.send(json!({ "do": "models" })).await;
    expect![[
        r#"{"models":["default","gpt-4o","backup/claude-sonnet-4-6","primary/gpt-6.1-sol","third/llama3.2"]}"#
    ]]
    .assert_eq(&models.to_string());
}
