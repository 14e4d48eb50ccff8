use expect_test::expect;
use fb_sim::Dialect::OpenAi;
use fb_sim::{Sim, SimReply, SimToolCall};

use crate::client::{OPENAI_KEY, chat, check, exchange, get, post};

const CHAT: &str = "/v1/chat/completions";

fn ask(body: &str) -> String {
    post(CHAT, OPENAI_KEY, body)
}

#[tokio::test]
async fn plain_answer() {
    check(OpenAi, &chat(OpenAi, false), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 553

        {"id":"chatcmpl-sim000001","object":"chat.completion","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":"Hello from openai.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn streamed_answer() {
    check(OpenAi, &chat(OpenAi, true), expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/event-stream; charset=utf-8
        cache-control: no-cache
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        transfer-encoding: chunked

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"Hello "},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"from o"},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"penai."},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}

        data: [DONE]


        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn usage_chunk_is_sent_on_request_only() {
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":1,
        "messages":[{"role":"user","content":[{"type":"text","text":"How are you?"}]}]}"#;
    check(OpenAi, &ask(body), expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/event-stream; charset=utf-8
        cache-control: no-cache
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        transfer-encoding: chunked

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"He"},"logprobs":null,"finish_reason":null}],"usage":null}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"ll"},"logprobs":null,"finish_reason":null}],"usage":null}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"o"},"logprobs":null,"finish_reason":null}],"usage":null}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}],"usage":null}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}

        data: [DONE]


        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn forced_tool_is_called_with_fitting_arguments() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"tool_choice":"required","tools":[
        {"type":"function","function":{"name":"weather","parameters":{"type":"object","required":["city","unit"],
        "properties":{"city":{"type":"string"},"unit":{"enum":["C","F"]},"day":{"type":"integer"}}}}}]}"#;
    check(OpenAi, &ask(body), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 684

        {"id":"chatcmpl-sim000001","object":"chat.completion","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_sim000001_0","type":"function","function":{"name":"weather","arguments":"{\"city\":\"example\",\"unit\":\"C\"}"}}],"annotations":[]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn streamed_tool_calls_come_in_pieces() {
    let sim = Sim::start(OpenAi).await.unwrap();
    sim.reply(SimReply {
        text: Some("Let me see.".into()),
        tool_calls: vec![SimToolCall::new("f", r#"{"a":1}"#), SimToolCall::new("g", "{broken")],
        chunks: 2,
        ..SimReply::default()
    });
    expect![[r#"
        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":null,"refusal":null},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"Let me"},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" see."},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_sim000001_0","type":"function","function":{"name":"f","arguments":""}}]},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_sim000001_1","type":"function","function":{"name":"g","arguments":""}}]},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{bro"}}]},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"ken"}}]},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}]}

        data: [DONE]

    "#]].assert_eq(&exchange(&sim, &chat(OpenAi, true)).await.body().0);
}

#[tokio::test]
async fn schema_is_honoured() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema",
        "json_schema":{"name":"x","schema":{"type":"object","properties":{"tags":{"type":"array","items":{"type":"string"}}}}}}}"#;
    check(OpenAi, &ask(body), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 559

        {"id":"chatcmpl-sim000001","object":"chat.completion","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":"{\"tags\":[\"example\"]}","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn azure_paths_accept_its_key_and_begin_with_a_placeholder() {
    let path = "/openai/deployments/mine/chat/completions?api-version=2024-10-21";
    let body = r#"{"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let request = post(path, "api-key: k\r\nconnection: close\r\n", body);
    check(OpenAi, &request, expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/event-stream; charset=utf-8
        cache-control: no-cache
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        apim-request-id: 00000001-0000-4000-8000-000000000000
        connection: close
        transfer-encoding: chunked

        data: {"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"mine","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"mine","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"Hello "},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"mine","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"from o"},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"mine","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"penai."},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"mine","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}

        data: [DONE]


        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn azure_v1_path_is_the_same() {
    let body = r#"{"model":"mine","messages":[{"role":"user","content":"Hi"}]}"#;
    let request = post("/openai/v1/chat/completions", "api-key: k\r\nconnection: close\r\n", body);
    check(OpenAi, &request, expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        apim-request-id: 00000001-0000-4000-8000-000000000000
        connection: close
        content-length: 1029

        {"id":"chatcmpl-sim000001","object":"chat.completion","created":1795219200,"model":"mine","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":"Hello from openai.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop","content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}],"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn key_is_required() {
    check(OpenAi, &post(CHAT, "connection: close\r\n", "{}"), expect![[r#"
        HTTP/1.1 401 Unauthorized
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 304

        {"error":{"message":"You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":null}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn bad_json_is_refused() {
    check(OpenAi, &ask("{"), expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 278

        {"error":{"message":"We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)","type":"invalid_request_error","param":null,"code":null}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn missing_messages_are_refused() {
    check(OpenAi, &ask(r#"{"model":"m"}"#), expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 149

        {"error":{"message":"Missing required parameter: 'messages'.","type":"invalid_request_error","param":"messages","code":"missing_required_parameter"}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn wrong_type_is_refused() {
    check(OpenAi, &ask(r#"{"model":"m","messages":"Hi"}"#), expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 168

        {"error":{"message":"Invalid type in the request: invalid type: string \"Hi\", expected a sequence.","type":"invalid_request_error","param":null,"code":"invalid_type"}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn unknown_path_is_refused() {
    check(OpenAi, &get("/v1/nothing", OPENAI_KEY), expect![[r#"
        HTTP/1.1 404 Not Found
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 109

        {"error":{"message":"Invalid URL (GET /v1/nothing)","type":"invalid_request_error","param":null,"code":null}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn models_are_listed() {
    check(
        OpenAi,
        &get("/v1/models/gpt-6-luna", "api-key: k\r\n"),
        expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-request-id: req_00000000000000000000000000000001
        openai-version: 2020-10-01
        openai-processing-ms: 12
        connection: close
        content-length: 77

        {"id":"gpt-6-luna","object":"model","created":1795219200,"owned_by":"system"}
        whole, Fin
    "#]],
    )
    .await;
}

#[tokio::test]
async fn body_past_the_limit_is_read_and_refused() {
    let sim = Sim::start(OpenAi).await.unwrap();
    let body = " ".repeat((64 << 20) + 1);
    let received = exchange(&sim, &ask(&body)).await;
    expect![[r#"
        HTTP/1.1 413 Payload Too Large
        content-type: application/json
        connection: close
        content-length: 116

        {"error":{"message":"Maximum content size limit exceeded.","type":"invalid_request_error","param":null,"code":null}}
        whole, Fin
    "#]].assert_eq(&received.to_string());
    assert_eq!(sim.calls(), 1);
}
