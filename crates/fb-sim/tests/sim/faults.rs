//! Tests of each fault from the client's side.

use std::io;
use std::time::Duration;

use expect_test::{Expect, expect};
use fb_sim::Dialect::{self, Anthropic, Ollama, OpenAi};
use fb_sim::{Fault, RequestOutcome, Sim, SimReply};

use crate::client::{End, Peer, chat, exchange, get, soon};

/// Longer than any test runs.
const NEVER: Duration = Duration::from_hours(1);

/// Checks a plain and a streamed answer under `fault`: status, body, completeness by HTTP framing, end of the connection.
async fn check(dialect: Dialect, fault: &str, expected: Expect) {
    let mut shown = Vec::new();
    for stream in [false, true] {
        let sim = Sim::start(dialect).await.unwrap();
        sim.fault(fault.parse().unwrap());
        let received = exchange(&sim, &chat(dialect, stream)).await;
        let (body, whole) = received.body();
        let status = String::from_utf8_lossy(&received.bytes).lines().next().unwrap_or("nothing").to_owned();
        let kind = if stream { "streamed" } else { "plain" };
        let whole = if whole { "whole" } else { "cut short" };
        shown.push(format!("{kind}: {status}, {} bytes {whole}, {:?}\n{body}\n", body.len(), received.end));
        assert_eq!(
            sim.requests().iter().map(|request| request.outcome).collect::<Vec<_>>(),
            [RequestOutcome::Faulted]
        );
        assert_eq!((sim.calls(), sim.open()), (1, 0));
    }
    expected.assert_eq(&shown.concat());
}

#[tokio::test]
async fn status() {
    check(OpenAi, "status=503", expect![[r#"
        plain: HTTP/1.1 503 Service Unavailable, 160 bytes whole, Fin
        {"error":{"message":"The engine is currently overloaded, please try again later","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}
        streamed: HTTP/1.1 503 Service Unavailable, 160 bytes whole, Fin
        {"error":{"message":"The engine is currently overloaded, please try again later","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}
    "#]]).await;
    check(Anthropic, "status=529 x-should-retry=true", expect![[r#"
        plain: HTTP/1.1 529 <none>, 104 bytes whole, Fin
        {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_sim000001"}
        streamed: HTTP/1.1 529 <none>, 104 bytes whole, Fin
        {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_sim000001"}
    "#]]).await;
    check(
        Ollama,
        "status=404 body=<html>",
        expect![[r#"
        plain: HTTP/1.1 404 Not Found, 6 bytes whole, Fin
        <html>
        streamed: HTTP/1.1 404 Not Found, 6 bytes whole, Fin
        <html>
    "#]],
    )
    .await;
}

#[tokio::test]
async fn quota_and_context_length() {
    check(OpenAi, "quota", expect![[r#"
        plain: HTTP/1.1 429 Too Many Requests, 290 bytes whole, Fin
        {"error":{"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.","type":"insufficient_quota","param":null,"code":"credit_balance_exhausted"}}
        streamed: HTTP/1.1 429 Too Many Requests, 290 bytes whole, Fin
        {"error":{"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.","type":"insufficient_quota","param":null,"code":"credit_balance_exhausted"}}
    "#]]).await;
    check(Anthropic, "quota", expect![[r#"
        plain: HTTP/1.1 429 Too Many Requests, 196 bytes whole, Fin
        {"type":"error","error":{"type":"rate_limit_error","message":"Your organization has reached its spend limit.","details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"req_sim000001"}
        streamed: HTTP/1.1 429 Too Many Requests, 196 bytes whole, Fin
        {"type":"error","error":{"type":"rate_limit_error","message":"Your organization has reached its spend limit.","details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"req_sim000001"}
    "#]]).await;
    check(
        Ollama,
        "context-length",
        expect![[r#"
        plain: HTTP/1.1 400 Bad Request, 51 bytes whole, Fin
        {"error":"input length exceeds the context length"}
        streamed: HTTP/1.1 400 Bad Request, 51 bytes whole, Fin
        {"error":"input length exceeds the context length"}
    "#]],
    )
    .await;
}

#[tokio::test]
async fn reset_and_close_without_an_answer() {
    check(
        OpenAi,
        "reset",
        expect![[r#"
        plain: nothing, 0 bytes cut short, Rst

        streamed: nothing, 0 bytes cut short, Rst

    "#]],
    )
    .await;
    check(
        OpenAi,
        "raw=SSH-2.0-OpenSSH_9.6",
        expect![[r#"
        plain: SSH-2.0-OpenSSH_9.6, 0 bytes cut short, Fin

        streamed: SSH-2.0-OpenSSH_9.6, 0 bytes cut short, Fin

    "#]],
    )
    .await;
}

#[tokio::test]
async fn cuts_by_events() {
    check(Ollama, "cut-after=2", expect![[r#"
        plain: HTTP/1.1 200 OK, 142 bytes cut short, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello from ollama."},"done":true,"done_reason":"stop
        streamed: HTTP/1.1 200 OK, 226 bytes cut short, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello "},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"from o"},"done":false}

    "#]]).await;
    check(
        Ollama,
        "cut-after=0 reset",
        expect![[r#"
        plain: HTTP/1.1 200 OK, 0 bytes cut short, Rst

        streamed: HTTP/1.1 200 OK, 0 bytes cut short, Rst

    "#]],
    )
    .await;
    check(Ollama, "cut-after=2 reset", expect![[r#"
        plain: HTTP/1.1 200 OK, 142 bytes cut short, Rst
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello from ollama."},"done":true,"done_reason":"stop
        streamed: HTTP/1.1 200 OK, 226 bytes cut short, Rst
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello "},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"from o"},"done":false}

    "#]]).await;
    check(Ollama, "cut-after=99", expect![[r#"
        plain: HTTP/1.1 200 OK, 142 bytes cut short, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello from ollama."},"done":true,"done_reason":"stop
        streamed: HTTP/1.1 200 OK, 339 bytes cut short, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello "},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"from o"},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"llama."},"done":false}

    "#]]).await;
}

#[tokio::test]
async fn early_but_clean_end() {
    check(Ollama, "end-early=2", expect![[r#"
        plain: HTTP/1.1 200 OK, 142 bytes whole, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello from ollama."},"done":true,"done_reason":"stop
        streamed: HTTP/1.1 200 OK, 226 bytes whole, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello "},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"from o"},"done":false}

    "#]]).await;
}

#[tokio::test]
async fn errors_inside_the_answer() {
    check(OpenAi, "stream-error=0", expect![[r#"
        plain: HTTP/1.1 200 OK, 160 bytes whole, Fin
        {"error":{"message":"The engine is currently overloaded, please try again later","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}
        streamed: HTTP/1.1 200 OK, 168 bytes whole, Fin
        data: {"error":{"message":"The engine is currently overloaded, please try again later","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}


    "#]]).await;
    check(Anthropic, "stream-error=1", expect![[r#"
        plain: HTTP/1.1 200 OK, 104 bytes whole, Fin
        {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_sim000001"}
        streamed: HTTP/1.1 200 OK, 417 bytes whole, Fin
        event: message_start
        data: {"type":"message_start","message":{"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

        event: error
        data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_sim000001"}


    "#]]).await;
    check(Ollama, r#"stream-error=1 body={"error":"no more memory"}"#, expect![[r#"
        plain: HTTP/1.1 200 OK, 26 bytes whole, Fin
        {"error":"no more memory"}
        streamed: HTTP/1.1 200 OK, 140 bytes whole, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello "},"done":false}
        {"error":"no more memory"}

    "#]]).await;
}

#[tokio::test]
async fn invalid_answers() {
    check(
        OpenAi,
        "empty",
        expect![[r#"
        plain: HTTP/1.1 200 OK, 0 bytes whole, Fin

        streamed: HTTP/1.1 200 OK, 0 bytes whole, Fin

    "#]],
    )
    .await;
    check(Ollama, "malformed", expect![[r#"
        plain: HTTP/1.1 200 OK, 284 bytes whole, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello from ollama."},"done":true,"done_reason":"stop","total_duration":7000000,"load_duration":1000000,"prompt_eval_count":3,"prompt_eval_duration":3000000,"eval_count":3,"eval_duration":3000000
        streamed: HTTP/1.1 200 OK, 606 bytes whole, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello "},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"from o"},"done":false
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"llama."},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":7000000,"load_duration":1000000,"prompt_eval_count":3,"prompt_eval_duration":3000000,"eval_count":3,"eval_duration":3000000}

    "#]]).await;
    check(OpenAi, "html", expect![[r#"
        plain: HTTP/1.1 200 OK, 124 bytes whole, Fin
        <!DOCTYPE html>
        <html><head><title>Sign in to the network</title></head><body><h1>Sign in to the network</h1></body></html>

        streamed: HTTP/1.1 200 OK, 124 bytes whole, Fin
        <!DOCTYPE html>
        <html><head><title>Sign in to the network</title></head><body><h1>Sign in to the network</h1></body></html>

    "#]]).await;
}

#[tokio::test]
async fn wrong_content_type() {
    let sim = Sim::start(Ollama).await.unwrap();
    sim.fault(Fault::WrongContentType);
    expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 285

        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello from ollama."},"done":true,"done_reason":"stop","total_duration":7000000,"load_duration":1000000,"prompt_eval_count":3,"prompt_eval_duration":3000000,"eval_count":3,"eval_duration":3000000}
        whole, Fin
    "#]].assert_eq(&exchange(&sim, &chat(Ollama, false)).await.to_string());
}

#[tokio::test]
async fn blocks_of_openai() {
    check(OpenAi, "block=http-400", expect![[r#"
        plain: HTTP/1.1 400 Bad Request, 226 bytes whole, Fin
        {"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}
        streamed: HTTP/1.1 400 Bad Request, 226 bytes whole, Fin
        {"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}
    "#]]).await;
    check(OpenAi, "block=finish-reason", expect![[r#"
        plain: HTTP/1.1 200 OK, 547 bytes whole, Fin
        {"id":"chatcmpl-sim000001","object":"chat.completion","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"content_filter"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}
        streamed: HTTP/1.1 200 OK, 520 bytes whole, Fin
        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"content_filter"}]}

        data: [DONE]


    "#]]).await;
    check(OpenAi, "block=refusal", expect![[r#"
        plain: HTTP/1.1 200 OK, 558 bytes whole, Fin
        {"id":"chatcmpl-sim000001","object":"chat.completion","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"I can't help with that.","annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}
        streamed: HTTP/1.1 200 OK, 1241 bytes whole, Fin
        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"refusal":"I can't "},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"refusal":"help wit"},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"refusal":"h that."},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}

        data: [DONE]


    "#]]).await;
    check(OpenAi, "block=mid-stream", expect![[r#"
        plain: HTTP/1.1 200 OK, 554 bytes whole, Fin
        {"id":"chatcmpl-sim000001","object":"chat.completion","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":"Hello fro","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"content_filter"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}
        streamed: HTTP/1.1 200 OK, 1237 bytes whole, Fin
        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"lo "},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"fro"},"logprobs":null,"finish_reason":null}]}

        data: {"id":"chatcmpl-sim000001","object":"chat.completion.chunk","created":1795219200,"model":"m","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"content_filter"}]}

        data: [DONE]


    "#]]).await;
}

#[tokio::test]
async fn blocks_of_anthropic() {
    check(Anthropic, "block=http-400", expect![[r#"
        plain: HTTP/1.1 400 Bad Request, 141 bytes whole, Fin
        {"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"},"request_id":"req_sim000001"}
        streamed: HTTP/1.1 400 Bad Request, 141 bytes whole, Fin
        {"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"},"request_id":"req_sim000001"}
    "#]]).await;
    check(Anthropic, "block=finish-reason", expect![[r#"
        plain: HTTP/1.1 200 OK, 313 bytes whole, Fin
        {"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":"general_harms","explanation":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}
        streamed: HTTP/1.1 200 OK, 671 bytes whole, Fin
        event: message_start
        data: {"type":"message_start","message":{"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

        event: ping
        data: {"type":"ping"}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":"general_harms","explanation":null}},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}

        event: message_stop
        data: {"type":"message_stop"}


    "#]]).await;
    check(Anthropic, "block=mid-stream", expect![[r#"
        plain: HTTP/1.1 200 OK, 348 bytes whole, Fin
        {"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello from"}],"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":"general_harms","explanation":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}
        streamed: HTTP/1.1 200 OK, 1216 bytes whole, Fin
        event: message_start
        data: {"type":"message_start","message":{"id":"msg_sim000001","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

        event: content_block_start
        data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

        event: ping
        data: {"type":"ping"}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hell"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"o fr"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"om"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":0}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":"general_harms","explanation":null}},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}

        event: message_stop
        data: {"type":"message_stop"}


    "#]]).await;
}

#[tokio::test]
async fn block_of_ollama() {
    check(Ollama, "block=http-400", expect![[r#"
        plain: HTTP/1.1 200 OK, 290 bytes whole, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"I can't help with that."},"done":true,"done_reason":"stop","total_duration":9000000,"load_duration":1000000,"prompt_eval_count":3,"prompt_eval_duration":3000000,"eval_count":5,"eval_duration":5000000}
        streamed: HTTP/1.1 200 OK, 612 bytes whole, Fin
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"I can't "},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"help wit"},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"h that."},"done":false}
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":9000000,"load_duration":1000000,"prompt_eval_count":3,"prompt_eval_duration":3000000,"eval_count":5,"eval_duration":5000000}

    "#]]).await;
}

#[tokio::test]
async fn invalid_header_is_reported() {
    let sim = Sim::start(Ollama).await.unwrap();
    sim.fault(Fault::status(503).with_header("bad name", "x"));
    expect![[r#"
        HTTP/1.1 500 Internal Server Error
        connection: close
        content-length: 57

        fb-sim cannot send this answer: invalid HTTP header name

        whole, Fin
    "#]]
    .assert_eq(&exchange(&sim, &chat(Ollama, false)).await.to_string());
}

/// A cut at any byte leaves an incomplete answer.
#[tokio::test]
async fn cut_at_each_byte() {
    let sim = Sim::start(Ollama).await.unwrap();
    for stream in [false, true] {
        let (whole, _) = exchange(&sim, &chat(Ollama, stream)).await.body();
        for byte in 0..=whole.len() {
            sim.fault_next(1, Fault::CutAt { byte });
            let received = exchange(&sim, &chat(Ollama, stream)).await;
            let sent = if stream { byte } else { byte.min(whole.len() - 1) };
            assert_eq!((received.body(), received.end), ((whole[..sent].to_owned(), false), End::Fin));
        }
    }
}

#[tokio::test]
async fn drip_sends_the_complete_answer_byte_by_byte() {
    let sim = Sim::start(Anthropic).await.unwrap();
    for stream in [false, true] {
        sim.reset_counters();
        sim.fault(Fault::Drip { every: Duration::ZERO });
        let dripped = exchange(&sim, &chat(Anthropic, stream)).await;
        sim.heal();
        let healthy = exchange(&sim, &chat(Anthropic, stream)).await;
        assert!(dripped.body().1);
        assert_eq!(dripped.body().0.len(), healthy.body().0.len());
    }
}

/// Reads up to the stall, disconnects, and waits until the simulator has noticed.
async fn check_stall(dialect: Dialect, fault: Fault, mark: &str, expected: Expect) {
    let sim = Sim::start(dialect).await.unwrap();
    sim.fault(fault);
    let mut peer = Peer::connect(sim.addr()).await.unwrap();
    peer.send(&chat(dialect, true)).await.unwrap();
    soon(sim.wait_until(|counters| counters.open == 1)).await;
    peer.read_until(mark).await;
    expected.assert_eq(&String::from_utf8_lossy(&peer.received).replace('\r', ""));
    drop(peer);
    soon(sim.wait_until(|counters| counters.client_left == 1 && counters.open == 0)).await;
    assert_eq!(sim.requests()[0].outcome, RequestOutcome::ClientLeft);
}

#[tokio::test]
async fn stalls_last_until_the_client_leaves() {
    check_stall(Ollama, Fault::StallHeaders, "", expect![]).await;
    check_stall(
        Ollama,
        Fault::StallBody,
        "\r\n\r\n",
        expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/x-ndjson
        connection: close
        transfer-encoding: chunked

    "#]],
    )
    .await;
    check_stall(Ollama, Fault::StallMid { after_events: 2 }, "from o\"},\"done\":false}\n\r\n", expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/x-ndjson
        connection: close
        transfer-encoding: chunked

        71
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"Hello "},"done":false}

        71
        {"model":"m","created_at":"2026-11-21T00:00:00Z","message":{"role":"assistant","content":"from o"},"done":false}

    "#]])
        .await;
}

#[tokio::test]
async fn disconnect_during_a_healthy_stream_is_noticed() {
    let sim = Sim::start(OpenAi).await.unwrap();
    sim.reply(SimReply { gap: NEVER, ..SimReply::default() });
    let mut peer = Peer::connect(sim.addr()).await.unwrap();
    peer.send(&chat(OpenAi, true)).await.unwrap();
    peer.read_until("assistant").await;
    assert_eq!(sim.open(), 1);
    drop(peer);
    soon(sim.wait_until(|counters| counters.client_left == 1 && counters.open == 0)).await;
}

#[tokio::test]
async fn disconnect_before_the_first_byte_is_noticed() {
    let sim = Sim::start(OpenAi).await.unwrap();
    sim.reply(SimReply { latency: NEVER, ..SimReply::default() });
    let mut peer = Peer::connect(sim.addr()).await.unwrap();
    peer.send(&chat(OpenAi, false)).await.unwrap();
    soon(sim.wait_until(|counters| counters.open == 1)).await;
    drop(peer);
    soon(sim.wait_until(|counters| counters.client_left == 1 && counters.open == 0)).await;
}

#[tokio::test]
async fn connections_end_on_accept() {
    let sim = Sim::start(OpenAi).await.unwrap();
    sim.fault_next(1, Fault::ResetOnAccept);
    sim.fault_next(1, Fault::CloseOnAccept);
    for end in [End::Rst, End::Fin] {
        let received = Peer::connect(sim.addr()).await.unwrap().read_to_end().await;
        assert_eq!((received.bytes, received.end), (vec![], end));
    }
    assert_eq!(sim.counters().requests, 0);
    assert!(exchange(&sim, &chat(OpenAi, false)).await.body().1);
}

#[tokio::test]
async fn refused_until_healed_on_the_same_port() {
    let sim = Sim::start(OpenAi).await.unwrap();
    let mut idle = Peer::connect(sim.addr()).await.unwrap();
    idle.send(&get("/v1/models", "api-key: k\r\n").replace("connection: close\r\n", "")).await.unwrap();
    idle.read_until("gpt-4o-mini").await;
    for _ in 0..3 {
        sim.fault(Fault::Refuse);
        let refused = Peer::connect(sim.addr()).await.map(drop);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        sim.heal();
        assert!(exchange(&sim, &chat(OpenAi, false)).await.body().1);
    }
    assert_eq!(idle.read_to_end().await.end, End::Fin);
}

#[tokio::test]
async fn refused_for_a_time() {
    let sim = Sim::start(OpenAi).await.unwrap();
    sim.fault_for(Duration::from_millis(1), Fault::Refuse);
    soon(async { while Peer::connect(sim.addr()).await.is_err() {} }).await;
}

/// Sends two requests over one connection.
async fn check_keep_alive(fault: Fault) -> (Sim, Peer) {
    let sim = Sim::start(Ollama).await.unwrap();
    sim.fault_next(1, fault);
    let mut peer = Peer::connect(sim.addr()).await.unwrap();
    peer.send(&chat(Ollama, false).replace("connection: close\r\n", "")).await.unwrap();
    peer.read_until("eval_duration").await;
    assert!(!String::from_utf8_lossy(&peer.received).contains("connection: close"));
    (sim, peer)
}

#[tokio::test]
async fn kept_alive_connection_is_closed_without_notice() {
    let (sim, peer) = check_keep_alive(Fault::CloseKeepAlive).await;
    let received = peer.read_to_end().await;
    assert!(received.body().1);
    assert_eq!((received.end, sim.calls()), (End::Fin, 1));
}

#[tokio::test]
async fn kept_alive_connection_is_closed_on_the_next_request() {
    let (sim, mut peer) = check_keep_alive(Fault::CloseOnNext).await;
    let before = peer.received.len();
    peer.send(&chat(Ollama, false)).await.unwrap();
    let received = peer.read_to_end().await;
    assert_eq!((received.bytes.len() - before, received.end), (0, End::Fin));
    let outcomes: Vec<_> = sim.requests().iter().map(|request| request.outcome).collect();
    assert_eq!(outcomes, [RequestOutcome::Faulted, RequestOutcome::Faulted]);
}
