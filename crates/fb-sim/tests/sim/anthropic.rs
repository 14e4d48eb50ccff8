use expect_test::expect;
use fb_sim::Dialect::Anthropic;

use crate::client::{ANTHROPIC_KEY, chat, check, get, post};

fn ask(body: &str) -> String {
    post("/v1/messages", ANTHROPIC_KEY, body)
}

#[tokio::test]
async fn plain_answer() {
    check(Anthropic, &chat(Anthropic, false), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 280

        {"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello from anthropic."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn streamed_answer() {
    check(Anthropic, &chat(Anthropic, true), expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/event-stream; charset=utf-8
        cache-control: no-cache
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        transfer-encoding: chunked

        event: message_start
        data: {"type":"message_start","message":{"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

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
        data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}

        event: message_stop
        data: {"type":"message_stop"}


        whole, Fin
    "#]]).await;
}

const TOOL: &str = r#""tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]"#;

#[tokio::test]
async fn forced_tool_is_called() {
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"Hi"}}],"tool_choice":{{"type":"tool","name":"weather"}},{TOOL}}}"#
    );
    check(Anthropic, &ask(&body), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 322

        {"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use","id":"toolu_sim000001_0","name":"weather","input":{"city":"example"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn tool_requested_in_the_prompt_is_streamed_in_pieces() {
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"stream":true,"messages":[{{"role":"user","content":"Please use the tool."}}],{TOOL}}}"#
    );
    check(Anthropic, &ask(&body), expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/event-stream; charset=utf-8
        cache-control: no-cache
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        transfer-encoding: chunked

        event: message_start
        data: {"type":"message_start","message":{"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

        event: content_block_start
        data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_sim000001_0","name":"weather","input":{}}}

        event: ping
        data: {"type":"ping"}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"city"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\":\"exa"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"mple\"}"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":0}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}

        event: message_stop
        data: {"type":"message_stop"}


        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn schema_is_honoured() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],
        "output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"ok":{"type":"boolean"}}}}}}"#;
    check(Anthropic, &ask(body), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 272

        {"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"{\"ok\":true}"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn key_is_required() {
    check(Anthropic, &post("/v1/messages", "connection: close\r\n", "{}"), expect![[r#"
        HTTP/1.1 401 Unauthorized
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 126

        {"type":"error","error":{"type":"authentication_error","message":"x-api-key header is required"},"request_id":"req_sim000001"}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn bearer_token_is_accepted_with_a_version_only() {
    let request = post("/v1/messages", "authorization: Bearer k\r\nconnection: close\r\n", "{}");
    check(Anthropic, &request, expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 136

        {"type":"error","error":{"type":"invalid_request_error","message":"anthropic-version: header is required"},"request_id":"req_sim000001"}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn max_tokens_is_required() {
    check(Anthropic, &ask(r#"{"model":"m","messages":[]}"#), expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 125

        {"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"},"request_id":"req_sim000001"}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn bad_json_is_refused() {
    check(Anthropic, &ask("{"), expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 181

        {"type":"error","error":{"type":"invalid_request_error","message":"The request body is not valid JSON: EOF while parsing an object at line 1 column 1"},"request_id":"req_sim000001"}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn unknown_path_is_refused() {
    check(
        Anthropic,
        &get("/v1/nothing", ANTHROPIC_KEY),
        expect![[r#"
        HTTP/1.1 404 Not Found
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 102

        {"type":"error","error":{"type":"not_found_error","message":"Not found"},"request_id":"req_sim000001"}
        whole, Fin
    "#]],
    )
    .await;
}

#[tokio::test]
async fn models_are_listed() {
    check(Anthropic, &get("/v1/models/claude-haiku-5-5", ANTHROPIC_KEY), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        request-id: req_sim000001
        anthropic-organization-id: 00000000-0000-4000-8000-000000000000
        anthropic-ratelimit-requests-limit: 4000
        anthropic-ratelimit-requests-remaining: 3999
        anthropic-ratelimit-requests-reset: 2026-11-21T00:00:01Z
        connection: close
        content-length: 176

        {"type":"model","id":"claude-haiku-5-5","display_name":"Claude Haiku 5.5","created_at":"2026-11-21T00:00:00Z","lifecycle":"active","max_input_tokens":200000,"max_tokens":64000}
        whole, Fin
    "#]]).await;
}
