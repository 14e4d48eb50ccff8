use expect_test::expect;
use fb_sim::Dialect::Ollama;

use crate::client::{chat, check, get, post};

fn ask(body: &str) -> String {
    post("/api/chat", "connection: close\r\n", body)
}

#[tokio::test]
async fn plain_answer() {
    check(Ollama, &chat(Ollama, false), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json; charset=utf-8
        connection: close
        content-length: 285

        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello from ollama."},"done":true,"done_reason":"stop","total_duration":7000000,"load_duration":1000000,"prompt_eval_count":3,"prompt_eval_duration":3000000,"eval_count":3,"eval_duration":3000000}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn streaming_is_the_default() {
    check(Ollama, &ask(r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/x-ndjson
        connection: close
        transfer-encoding: chunked

        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello "},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"from o"},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"llama."},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":5000000,"load_duration":1000000,"prompt_eval_count":1,"prompt_eval_duration":1000000,"eval_count":3,"eval_duration":3000000}

        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn tool_arguments_are_an_object() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Please use the tool."}],"tools":[{"type":"function",
        "function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]}"#;
    check(Ollama, &ask(body), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/x-ndjson
        connection: close
        transfer-encoding: chunked

        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"city":"example"}}}]},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":6000000,"load_duration":1000000,"prompt_eval_count":4,"prompt_eval_duration":4000000,"eval_count":1,"eval_duration":1000000}

        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn schema_is_honoured() {
    let body = r#"{"model":"m","stream":false,"messages":[{"role":"user","content":"Hi"}],
        "format":{"type":"object","properties":{"ok":{"type":"boolean"}}}}"#;
    check(Ollama, &ask(body), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json; charset=utf-8
        connection: close
        content-length: 280

        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"{\"ok\":true}"},"done":true,"done_reason":"stop","total_duration":3000000,"load_duration":1000000,"prompt_eval_count":1,"prompt_eval_duration":1000000,"eval_count":1,"eval_duration":1000000}
        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn bad_json_is_refused() {
    check(
        Ollama,
        &ask("{"),
        expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        connection: close
        content-length: 58

        {"error":"EOF while parsing an object at line 1 column 1"}
        whole, Fin
    "#]],
    )
    .await;
}

#[tokio::test]
async fn model_is_required() {
    check(
        Ollama,
        &ask("{}"),
        expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json
        connection: close
        content-length: 29

        {"error":"model is required"}
        whole, Fin
    "#]],
    )
    .await;
}

#[tokio::test]
async fn version_is_reported() {
    check(
        Ollama,
        &get("/api/version", ""),
        expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        connection: close
        content-length: 20

        {"version":"0.12.6"}
        whole, Fin
    "#]],
    )
    .await;
}

#[tokio::test]
async fn unknown_path_is_refused() {
    check(
        Ollama,
        &get("/nothing", ""),
        expect![[r#"
        HTTP/1.1 404 Not Found
        content-type: text/plain
        connection: close
        content-length: 18

        404 page not found
        whole, Fin
    "#]],
    )
    .await;
}
