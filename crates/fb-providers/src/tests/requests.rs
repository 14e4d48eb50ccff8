//! Requests on the wire, and the replies.

use std::time::Duration;

use bytes::Bytes;
use expect_test::{Expect, expect};
use fb_core::{BlockForm, Call, CallError, CallKey, ChatRequest, Json, Overrides, Probe};
use fb_sim::{Dialect, Fault, Sim, SimReply};

use super::{chat, provider, provider_of, show_reply, show_stream, sim, stream, with_timeout};
use crate::{AzureConfig, Secret};

fn raw(body: &'static str) -> ChatRequest {
    fb_wire::openai::request(Bytes::from_static(body.as_bytes())).unwrap()
}

fn sent(sim: &Sim) -> String {
    let requests = sim.requests();
    let last = requests.last().unwrap();
    format!("{} {}\n{}", last.method, last.path, String::from_utf8_lossy(&last.body))
}

#[tokio::test]
async fn body_of_the_same_dialect_is_sent_unchanged() {
    let sim = sim(Dialect::OpenAi).await;
    let provider = provider_of(&sim);
    let request = raw(
        r#"{ "model":"default" , "messages":[{"role":"user","content":"h\u0069"}],"x":1.0, "stream":true}"#,
    );
    chat(&*provider, &request).await.unwrap();
    expect![[r#"
        POST /v1/chat/completions
        { "model":"m" , "messages":[{"role":"user","content":"h\u0069"}],"x":1.0, "stream":false}"#]]
    .assert_eq(&sent(&sim));
    drop(stream(&*provider, &request).await.unwrap());
    expect![[r#"
        POST /v1/chat/completions
        { "model":"m" , "messages":[{"role":"user","content":"h\u0069"}],"x":1.0, "stream":true,"stream_options":{"include_usage":true}}"#]].assert_eq(&sent(&sim));
    assert_eq!(sim.requests()[0].header("content-length"), Some("89"));
}

#[tokio::test]
async fn overrides_replace_the_callers_fields() {
    let sim = sim(Dialect::OpenAi).await;
    let provider = provider_of(&sim);
    let request =
        raw(r#"{"model":"d","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"temperature":2}"#);
    let json = |text: &str| Json::parse(text).unwrap();
    let overrides = Overrides(vec![
        ("temperature".to_owned(), json("0.5")),
        ("max_completion_tokens".to_owned(), json("9")),
        ("model".to_owned(), json("\"other\"")),
    ]);
    with_timeout(provider.chat(Call {
        request: &request,
        model: "m",
        overrides: &overrides,
        thinking: None,
        key: CallKey::default(),
    }))
    .await
    .unwrap();
    expect![[r#"
        POST /v1/chat/completions
        {"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"max_completion_tokens":9}"#]].assert_eq(&sent(&sim));
}

#[tokio::test]
async fn unrequested_token_counts_are_read_but_not_forwarded() {
    let sim = sim(Dialect::OpenAi).await;
    let provider = provider_of(&sim);
    for (body, forwarded) in [
        (r#"{"model":"d","messages":[{"role":"user","content":"hi"}],"stream":true}"#, false),
        (
            r#"{"model":"d","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
            true,
        ),
    ] {
        use futures_util::StreamExt;
        let mut frames = stream(&*provider, &raw(body)).await.unwrap().frames;
        let (mut usage, mut bytes) = (0, Vec::new());
        while let Some(frame) = with_timeout(frames.next()).await {
            let frame = frame.unwrap();
            usage +=
                frame.events.iter().filter(|event| matches!(event, fb_core::StreamEvent::Usage(_))).count();
            bytes.extend(frame.raw.map(|raw| raw.bytes).unwrap_or_default());
        }
        assert_eq!(usage, 1, "{body}");
        assert_eq!(String::from_utf8(bytes).unwrap().contains("prompt_tokens"), forwarded, "{body}");
    }
}

#[tokio::test]
async fn json_answer_to_a_streamed_call_becomes_a_stream() {
    let sim = sim(Dialect::OpenAi).await;
    let provider = provider_of(&sim);
    let answer = r#"{"id":"c","model":"n","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"so","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
    sim.fault(Fault::status(200).with_header("content-type", "application/json").with_body(answer));
    let shown = show_stream(stream(&*provider, &ChatRequest::user("hi")).await).await;
    assert_eq!(shown, r#""so" f{}, ToolCalls, done"#);
    let error =
        r#"{"error":{"message":"busy","type":"service_unavailable_error","code":"server_is_overloaded"}}"#;
    sim.fault(Fault::status(200).with_header("content-type", "application/json").with_body(error));
    let shown = show_stream(stream(&*provider, &ChatRequest::user("hi")).await).await;
    assert_eq!(shown, "at once: overloaded (server_is_overloaded)");
}

#[tokio::test]
async fn model_and_request_id_are_reported() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama] {
        let sim = sim(dialect).await;
        sim.reply(SimReply { model: Some("m-2026-11-01".to_owned()), ..SimReply::text("ok") });
        let reply = chat(&*provider_of(&sim), &ChatRequest::user("hi")).await.unwrap();
        assert_eq!(reply.model.as_deref(), Some("m-2026-11-01"), "{dialect}");
        assert_eq!(reply.meta.request_id.is_some(), dialect != Dialect::Ollama, "{dialect}");
        assert!(reply.usage.is_some_and(|usage| usage.total() > 0), "{dialect}");
    }
}

#[tokio::test]
async fn tools_are_called_in_every_dialect() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama] {
        let sim = sim(dialect).await;
        sim.reply(SimReply::tool_call("weather", r#"{"city":"Oslo"}"#));
        let provider = provider_of(&sim);
        let request = raw(
            r#"{"model":"d","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]}"#,
        );
        let plain = show_reply(&chat(&*provider, &request).await);
        assert_eq!(plain, r#""" ToolCalls weather({"city":"Oslo"})"#, "{dialect}");
        let streamed = show_stream(stream(&*provider, &request).await).await;
        assert!(
            streamed.contains("weather") && streamed.ends_with("ToolCalls, done"),
            "{dialect}: {streamed}"
        );
    }
}

#[tokio::test]
async fn probes_are_free_and_detect_a_wrong_key() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama] {
        let sim = sim(dialect).await;
        let provider = provider_of(&sim);
        assert_eq!(with_timeout(provider.probe(0)).await, Ok(Probe::Reachable), "{dialect}");
        assert_eq!(sim.calls(), 0, "{dialect}");
        sim.fault(Fault::status(401));
        assert_eq!(
            with_timeout(provider.probe(0)).await.unwrap_err().to_string().split(' ').next(),
            Some("auth"),
            "{dialect}"
        );
        sim.fault(Fault::status(404));
        assert_eq!(with_timeout(provider.probe(0)).await, Ok(Probe::Unknown), "{dialect}");
        sim.fault(Fault::Refuse);
        let refused = with_timeout(provider_of(&sim).probe(0)).await.unwrap_err().to_string();
        assert!(refused.starts_with("connect"), "{dialect}: {refused}");
    }
}

#[tokio::test]
async fn azure_uses_its_v1_or_the_deployments_path() {
    let sim = sim(Dialect::OpenAi).await;
    for (path, api_version) in [("", None), ("/openai/v1/", None), ("", Some("2024-10-21"))] {
        let config = AzureConfig {
            base_url: Some(format!("http://{}{path}", sim.addr())),
            api_key: Some(Secret::value("k")),
            api_version: api_version.map(str::to_owned),
            ..AzureConfig::default()
        };
        let azure = config.build().unwrap();
        let request = ChatRequest::user("hi");
        let overrides = Overrides::default();
        let call = Call {
            request: &request,
            model: "my deployment",
            overrides: &overrides,
            thinking: None,
            key: CallKey::default(),
        };
        drop(with_timeout(fb_core::Provider::chat(&azure, call)).await);
    }
    let paths: Vec<String> = sim.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(
        paths,
        [
            "/openai/v1/chat/completions",
            "/openai/v1/chat/completions",
            "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21",
        ]
    );
    assert!(sim.requests().iter().all(|request| request.header("api-key") == Some("k")));
}

#[track_caller]
fn check(kind: &str, body: &'static str, expected: &Expect) {
    check_model(kind, "m", body, expected);
}

/// Checks the body sent to a provider with quirks.
#[track_caller]
fn check_model(kind: &str, model: &str, body: &'static str, expected: &Expect) {
    let preset = crate::preset::find(kind).unwrap();
    let request = raw(body);
    let overrides = Overrides::default();
    let call =
        Call { request: &request, model, overrides: &overrides, thinking: None, key: CallKey::default() };
    let shown = match crate::openai::prepared_body(call, preset) {
        Ok((body, notes)) => {
            let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
            format!("{body}\n{}", notes.join("\n"))
        }
        Err(refusal) => format!("refused: {refusal}"),
    };
    expected.assert_eq(shown.trim_end());
    let admitted = provider(kind, "http://127.0.0.1:1/v1").admit(call).is_ok();
    assert_eq!(admitted, !shown.starts_with("refused"));
}

#[test]
fn quirks_change_only_what_is_necessary() {
    check(
        "openai",
        r#"{"model":"d","messages":[],"max_tokens":5}"#,
        &expect![[r#"{"model":"m","messages":[],"max_completion_tokens":5}"#]],
    );
    check(
        "mistral",
        r#"{"model":"d","max_completion_tokens":5,"seed":0,"tool_choice":"required","temperature":1.8,"user":"u","n":1,"messages":[{"role":"developer","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_abc","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"Ab3456789","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_abc","content":"ok"}]}"#,
        &expect![[r#"
            {"model":"m","max_tokens":5,"random_seed":0,"tool_choice":"any","temperature":1.5,"n":1,"messages":[{"role":"system","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"WFH8yRA8u","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"Ab3456789","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"WFH8yRA8u","content":"ok"}]}
            user: left out: the provider keeps no such records
            temperature: 1.8 lowered to 1.5, the provider's largest
            messages: role developer sent as system"#]],
    );
    check("groq", r#"{"model":"d","messages":[],"n":2}"#, &expect!["refused: n: Groq gives one answer"]);
    check(
        "groq",
        r#"{"model":"d","messages":[],"n":1,"logprobs":false,"reasoning_effort":"xhigh"}"#,
        &expect![[r#"
            {"model":"m","messages":[],"reasoning_effort":"high"}
            reasoning_effort: xhigh sent as high"#]],
    );
    check(
        "deepseek",
        r#"{"model":"d","messages":[],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}}}"#,
        &expect!["refused: response_format: the provider does not follow a JSON schema"],
    );
    check(
        "deepseek",
        r#"{"model":"d","messages":[],"max_tokens":1,"max_completion_tokens":2,"seed":7,"response_format":{"type":"json_object"}}"#,
        &expect![[r#"
            {"model":"m","messages":[],"max_tokens":1,"response_format":{"type":"json_object"}}
            seed: left out: DeepSeek has no seed"#]],
    );
    check(
        "perplexity",
        r#"{"model":"d","messages":[],"tools":[],"stop":["a"]}"#,
        &expect!["refused: stop: Perplexity has no stop texts"],
    );
}

#[test]
fn beginning_of_an_answer_is_marked_where_it_is_rejected_otherwise() {
    let begun =
        r#"{"model":"d","messages":[{"role":"user","content":"q"}, {"role":"assistant","content":"The"}]}"#;
    check(
        "mistral",
        begun,
        &expect![[
            r#"{"model":"m","messages":[{"role":"user","content":"q"}, {"role":"assistant","content":"The","prefix":true}]}"#
        ]],
    );
    check(
        "groq",
        begun,
        &expect![[
            r#"{"model":"m","messages":[{"role":"user","content":"q"}, {"role":"assistant","content":"The"}]}"#
        ]],
    );
    check(
        "mistral",
        r#"{"model":"d","messages":[{"role":"assistant","content":"a"},{"role":"user","content":"q"}]}"#,
        &expect![[
            r#"{"model":"m","messages":[{"role":"assistant","content":"a"},{"role":"user","content":"q"}]}"#
        ]],
    );
}

#[test]
fn reasoning_models_do_not_receive_rejected_fields() {
    let sampled =
        r#"{"model":"d","messages":[],"temperature":0.2,"top_p":1,"presence_penalty":0,"logprobs":false}"#;
    check_model(
        "openai",
        "gpt-6.1-sol",
        sampled,
        &expect![[r#"
        {"model":"gpt-6.1-sol","messages":[],"logprobs":false}
        temperature: left out: models that think do not take it"#]],
    );
    check_model(
        "openai",
        "gpt-4o-mini",
        sampled,
        &expect![[
            r#"{"model":"gpt-4o-mini","messages":[],"temperature":0.2,"top_p":1,"presence_penalty":0,"logprobs":false}"#
        ]],
    );
    check_model(
        "openrouter",
        "openai/gpt-6.1-sol",
        sampled,
        &expect![[
            r#"{"model":"openai/gpt-6.1-sol","messages":[],"temperature":0.2,"top_p":1,"presence_penalty":0,"logprobs":false}"#
        ]],
    );
    check_model(
        "openai",
        "gpt-5.1",
        r#"{"model":"d","messages":[],"temperature":0,"reasoning_effort":"none"}"#,
        &expect![[r#"{"model":"gpt-5.1","messages":[],"temperature":0,"reasoning_effort":"none"}"#]],
    );
    check_model(
        "azure",
        "gpt-5-mini",
        r#"{"model":"d","messages":[],"logit_bias":{"1":2}}"#,
        &expect!["refused: logit_bias: models that think do not take it"],
    );
    check_model(
        "openai",
        "gpt-5.6",
        r#"{"model":"d","messages":[],"tools":[{"type":"function"}]}"#,
        &expect![[r#"
            {"model":"gpt-5.6","messages":[],"tools":[{"type":"function"}],"reasoning_effort":"none"}
            reasoning_effort: none: this model calls no tools while it thinks"#]],
    );
}

#[tokio::test]
async fn artefacts_do_not_reach_other_providers() {
    let sim = sim(Dialect::OpenAi).await;
    let request = raw(
        r#"{"model":"d","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.encrypted","data":"secret"}]},{"role":"user","content":"go on"}],"prompt_cache_key":"k"}"#,
    );
    let notes = [
        "prompt_cache_key: left out: a mark for another provider's cache",
        "messages[1].reasoning_details: left out: bound to the provider that wrote it",
    ];
    let groq = provider("groq", &sim.base_url());
    let reply = chat(&*groq, &request).await.unwrap();
    expect![[r#"
        POST /v1/chat/completions
        {"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"go on"}]}"#]]
    .assert_eq(&sent(&sim));
    let shown = |notes: &[fb_core::Note]| notes.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&reply.meta.notes), notes);
    assert_eq!(shown(&groq.losses(super::call(&request))), notes);
    drop(stream(&*groq, &request).await.unwrap());
    assert!(!sent(&sim).contains("secret"));
    let openrouter = provider("openrouter", &sim.base_url());
    let reply = chat(&*openrouter, &request).await.unwrap();
    expect![[r#"
        POST /v1/chat/completions
        {"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.encrypted","data":"secret"}]},{"role":"user","content":"go on"}],"prompt_cache_key":"k"}"#]]
    .assert_eq(&sent(&sim));
    assert_eq!(shown(&reply.meta.notes), [""; 0]);
}

#[tokio::test]
async fn anthropic_receives_original_bytes_or_the_typed_view() {
    let sim = sim(Dialect::Anthropic).await;
    let provider = provider_of(&sim);
    let own = br#"{"model":"d","max_tokens":9,"messages":[{"role":"user","content":"h\u0069"}],"x":1.0}"#;
    let own = fb_wire::anthropic::request(Bytes::from_static(own)).unwrap();
    chat(&*provider, &own).await.unwrap();
    expect![[r#"
        POST /v1/messages
        {"model":"m","max_tokens":9,"messages":[{"role":"user","content":"h\u0069"}],"x":1.0}"#]]
    .assert_eq(&sent(&sim));
    drop(stream(&*provider, &ChatRequest::user("hi")).await.unwrap());
    expect![[r#"
        POST /v1/messages
        {"model":"m","max_tokens":4096,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"stream":true}"#]].assert_eq(&sent(&sim));
    let headers = |name| sim.requests()[0].header(name).map(str::to_owned);
    assert_eq!(headers("anthropic-version").as_deref(), Some("2023-06-01"));
    assert_eq!(headers("x-api-key").as_deref(), Some("sk-test"));
    assert_eq!(headers("authorization"), None);
}

#[tokio::test]
async fn stream_labelled_as_json_is_a_stream() {
    let sim = sim(Dialect::OpenAi).await;
    let body = "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    sim.fault(Fault::status(200).with_header("content-type", "application/json").with_body(body));
    let shown = show_stream(stream(&*provider_of(&sim), &ChatRequest::user("hi")).await).await;
    assert_eq!(shown, "\"Hi\" Stop, done");
}

#[tokio::test]
async fn details_of_a_failure_are_kept() {
    let sim = sim(Dialect::OpenAi).await;
    let body = r#"{"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
    let fault =
        Fault::status(429).with_header("retry-after-ms", "1500").with_header("x-should-retry", "false");
    sim.fault(fault.with_header("x-request-id", "req_7").with_body(body));
    let error = chat(&*provider_of(&sim), &ChatRequest::user("hi")).await.unwrap_err();
    let CallError::Failed(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.status(), Some(429));
    assert_eq!(failure.code(), Some("rate_limit_exceeded"));
    assert_eq!(failure.request_id(), Some("req_7"));
    assert_eq!(failure.detail(), "Rate limit reached");
    assert_eq!(failure.retry_after(), Some(Duration::from_millis(1500)));
    assert_eq!(failure.should_retry(), Some(false));
}

#[tokio::test]
async fn blocked_prompt_keeps_its_status_and_body() {
    let sim = sim(Dialect::OpenAi).await;
    let body = r#"{"error":{"code":"content_filter","message":"filtered","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"violence":{"filtered":true,"severity":"high"}}}}}"#;
    sim.fault(Fault::status(400).with_body(body));
    let azure = provider("azure", &sim.base_url());
    let CallError::Blocked(block) = chat(&*azure, &ChatRequest::user("hi")).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(block.detail, "prompt filtered: violence (high)");
    let BlockForm::Body { status: 400, raw: Some(raw) } = &block.form else { panic!("{:?}", block.form) };
    assert_eq!(raw.bytes, body);
}

#[tokio::test]
async fn error_without_a_body_is_classified_by_status() {
    let sim = sim(Dialect::OpenAi).await;
    sim.fault(Fault::Raw(Bytes::from_static(b"HTTP/1.1 503 x\r\ncontent-length: 9\r\n\r\n{")));
    let shown = show_reply(&chat(&*provider_of(&sim), &ChatRequest::user("hi")).await);
    assert_eq!(shown, "server_error (503)");
}
