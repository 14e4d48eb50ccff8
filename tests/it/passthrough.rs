//! Requests to a provider of the caller's dialect are passed on byte for byte, except for the name of the model.

use std::time::Duration;

use expect_test::expect;

use crate::harness::{Gateway, Sims, client, prepared, without_times};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_key_order_number_forms_and_duplicates_survive() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    let body = concat!(
        r#"{ "zebra": {"b":1.0,"a":[ ]},"ratio":1.0,"mod\u0065l":"default", "#,
        r#""messages":[{"content":"h\u00e9 \ud83d\ude00","role":"user","x":null}],"seed":0,"#,
        r#""dup":1,"dup":2e0,"big":12345678901234567890123,"model":"default"}"#
    );
    let response = gateway.post(body).await;
    assert_eq!(response.status, 200, "{response:?}");
    let sent = sims.primary.requests().pop().unwrap();
    let expected = body.replace("\"default\"", "\"gpt-6.1-sol\"");
    assert_eq!(String::from_utf8_lossy(&sent.body), expected);
    assert_eq!(sent.header("authorization"), Some("Bearer sk-test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn untranslatable_field_is_rejected_before_the_call() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    sims.primary.fault(fb_sim::Fault::Refuse);
    let body =
        r#"{"model":"default","messages":[{"role":"user","content":"hi"}],"logit_bias":{"50256":-100}}"#;
    let response = gateway.post(body).await;
    assert_eq!(sims.calls(), [0, 0, 0]);
    expect!["400 primary/gpt-6.1-sol skipped: inadmissible: logit_bias: models that think do not take it; backup/claude-sonnet-4-6 skipped: inadmissible: logit_bias: Anthropic has no token bias; third/llama3.2 skipped: inadmissible: logit_bias: Ollama's chat has no such thing"].assert_eq(&format!("{} {}", response.status, without_times(response.header("x-fb-trace"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_bodies_are_never_server_errors() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    // A target of the same dialect may accept a body that cannot be translated; a target of another one is not called.
    let deep = format!(r#"{{"model":"MODEL","messages":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        "",
        "null",
        "[]",
        "{",
        "{}",
        r#"{"model":7,"messages":[]}"#,
        r#"{"model":"MODEL"}"#,
        r#"{"model":"MODEL","messages":null}"#,
        r#"{"model":"MODEL","messages":[{"role":"user","content":"\ud800"}]}"#,
        r#"{"model":"MODEL","messages":[{"role":"martian","content":"x"}]}"#,
        r#"{"model":"MODEL","messages":[{"role":"user","content":"x"}],"stream":"yes"}"#,
        deep.as_str(),
    ];
    for model in ["primary/gpt-6.1-sol", "backup/claude-sonnet-4-6"] {
        for body in bodies {
            let response = gateway.post(body.replace("MODEL", model)).await;
            let start: String = body.chars().take(80).collect();
            assert!(
                response.status == 400 || (response.status == 200 && model.starts_with("primary")),
                "{start}: {response:?}"
            );
            if response.status == 400 {
                let error = &response.json()["error"];
                for key in ["message", "type", "param", "code"] {
                    assert!(error.get(key).is_some(), "{start}: no {key} in {error}");
                }
            }
        }
    }
    assert_eq!(sims.calls()[1], 0, "an untranslatable body is rejected before the call");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_in_the_callers_dialect_is_passed_through_unchanged() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    for usage in [false, true] {
        let body = format!(
            r#"{{"model":"default","messages":[{{"role":"user","content":"hi"}}],"stream":true,"stream_options":{{"include_usage":{usage}}}}}"#
        );
        sims.reset();
        let through = gateway.post(body.clone()).await;
        sims.reset();
        let url = format!("{}/chat/completions", sims.primary.base_url());
        let request = client().post(url).header("authorization", "Bearer sk-test");
        let direct =
            request.header("content-type", "application/json").body(body.replace("default", "gpt-6.1-sol"));
        let direct = direct.send().await.unwrap().text().await.unwrap();
        // The simulator numbers its answers. The gateway requests token counts even if the caller does not; it then
        // drops the chunk with the counts, and only the empty field in the other chunks remains.
        let unnumbered = |body: &str| {
            let body = (1..=4).fold(body.to_owned(), |body, n| body.replace(&format!("sim00000{n}"), "sim"));
            if usage { body } else { body.replace(",\"usage\":null", "") }
        };
        assert_eq!(unnumbered(&through.body), unnumbered(&direct), "include_usage {usage}");
        assert!(through.clean_end && through.body.ends_with("data: [DONE]\n\n"));
    }
}

/// Output that a slow reader has not taken stays with the provider instead of filling the gateway's memory.
#[tokio::test(flavor = "multi_thread")]
async fn slow_reader_applies_backpressure_to_the_provider() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    // More than the buffers of all sockets in between.
    let text = "word ".repeat(6 << 20);
    sims.primary.reply(fb_sim::SimReply { chunks: 4_096, ..fb_sim::SimReply::text(text.as_str()) });
    // A busy machine takes seconds to write this much.
    let gateway = Gateway::start(&fb, &sims.config("").replace("\"5s\"", "\"60s\"")).await;
    let body = r#"{"model":"default","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = client().post(format!("{}/chat/completions", gateway.url)).body(body);
    let mut response = request.send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The other requests are free probes.
    let chat = || {
        let mut requests = sims.primary.requests().into_iter();
        requests.rfind(|one| one.method == "POST").map(|one| one.outcome)
    };
    assert_eq!(
        chat(),
        Some(fb_sim::RequestOutcome::Open),
        "the provider wrote to the end although the client did not read"
    );
    let mut read = 0;
    while let Some(bytes) = response.chunk().await.unwrap() {
        read += bytes.len();
    }
    assert!(read > text.len(), "{read}");
    assert_eq!(chat(), Some(fb_sim::RequestOutcome::Completed));
}

/// A client that stops reading does not occupy its provider for ever.
#[tokio::test(flavor = "multi_thread")]
async fn stalled_reader_is_disconnected() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let text = "word ".repeat(6 << 20);
    sims.primary.reply(fb_sim::SimReply { chunks: 4_096, ..fb_sim::SimReply::text(text.as_str()) });
    let config = format!("write_timeout = \"500ms\"\n{}", sims.config(""));
    let gateway = Gateway::start(&fb, &config).await;
    let body = r#"{"model":"default","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = client().post(format!("{}/chat/completions", gateway.url)).body(body);
    let mut response = request.send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    let left = sims.primary.wait_until(|counters| counters.client_left == 1);
    tokio::time::timeout(Duration::from_secs(10), left).await.expect("the call upstream ends");
    drop(response);
}
