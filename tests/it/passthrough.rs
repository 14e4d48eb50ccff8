//! To an upstream of the caller's own dialect a request goes byte for byte, but for the model's name.

use std::time::Duration;

use expect_test::expect;

use crate::harness::{Gateway, Sims, client, needs, timeless};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_key_order_number_forms_and_duplicates_survive() {
    let Some(fb) = needs("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    let body = concat!(
        r#"{ "zebra": {"b":1.0,"a":[ ]},"ratio":1.0,"mod\u0065l":"default", "#,
        r#""messages":[{"content":"h\u00e9 \ud83d\ude00","role":"user","x":null}],"seed":0,"#,
        r#""dup":1,"dup":2e0,"big":12345678901234567890123,"model":"default"}"#
    );
    let heard = gateway.post(body).await;
    assert_eq!(heard.status, 200, "{heard:?}");
    let sent = sims.primary.requests().pop().unwrap();
    let expected = body.replace("\"default\"", "\"gpt-6.1-sol\"");
    assert_eq!(String::from_utf8_lossy(&sent.body), expected);
    assert_eq!(sent.header("authorization"), Some("Bearer sk-test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_translated_is_refused_by_name_before_the_call() {
    let Some(fb) = needs("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    sims.primary.fault(fb_sim::Fault::Refuse);
    let body =
        r#"{"model":"default","messages":[{"role":"user","content":"hi"}],"logit_bias":{"50256":-100}}"#;
    let heard = gateway.post(body).await;
    assert_eq!(sims.calls(), [0, 0, 0]);
    expect!["400 primary/gpt-6.1-sol skipped: inadmissible: logit_bias: models that think do not take it; backup/claude-sonnet-4-6 skipped: inadmissible: logit_bias: Anthropic has no token bias; third/llama3.2 skipped: inadmissible: logit_bias: Ollama's chat has no such thing"].assert_eq(&format!("{} {}", heard.status, timeless(heard.header("x-fb-trace"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_a_client_can_send_is_a_server_error() {
    let Some(fb) = needs("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    // A target of the same dialect may take what cannot be translated; another never hears of it.
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
            let heard = gateway.post(body.replace("MODEL", model)).await;
            let start: String = body.chars().take(80).collect();
            assert!(
                heard.status == 400 || (heard.status == 200 && model.starts_with("primary")),
                "{start}: {heard:?}"
            );
            if heard.status == 400 {
                let error = &heard.json()["error"];
                for key in ["message", "type", "param", "code"] {
                    assert!(error.get(key).is_some(), "{start}: no {key} in {error}");
                }
            }
        }
    }
    assert_eq!(sims.calls()[1], 0, "what cannot be translated is refused before the call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_the_callers_dialect_comes_as_its_provider_sent_it() {
    let Some(fb) = needs("FB_BIN") else { return };
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
        // The simulator numbers its answers. Token counts are asked for whether or not the caller wants them; the
        // chunk that holds them is kept back, and all that shows is the empty field in the others.
        let unnumbered = |body: &str| {
            let body = (1..=4).fold(body.to_owned(), |body, n| body.replace(&format!("sim00000{n}"), "sim"));
            if usage { body } else { body.replace(",\"usage\":null", "") }
        };
        assert_eq!(unnumbered(&through.body), unnumbered(&direct), "include_usage {usage}");
        assert!(through.clean_end && through.body.ends_with("data: [DONE]\n\n"));
    }
}

/// What a slow reader does not take stays with the provider, not in the gateway's memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_its_provider_down() {
    let Some(fb) = needs("FB_BIN") else { return };
    let sims = Sims::start().await;
    // More than all sockets between can hold.
    let text = "word ".repeat(6 << 20);
    sims.primary.reply(fb_sim::SimReply { chunks: 4_096, ..fb_sim::SimReply::text(text.as_str()) });
    // A busy machine takes seconds to write so much.
    let gateway = Gateway::start(&fb, &sims.config("").replace("\"5s\"", "\"60s\"")).await;
    let body = r#"{"model":"default","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = client().post(format!("{}/chat/completions", gateway.url)).body(body);
    let mut response = request.send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Beside it there are free probes.
    let chat = || {
        let mut requests = sims.primary.requests().into_iter();
        requests.rfind(|one| one.method == "POST").map(|one| one.outcome)
    };
    assert_eq!(chat(), Some(fb_sim::RequestOutcome::Open), "it was written to the end though nobody read it");
    let mut read = 0;
    while let Some(bytes) = response.chunk().await.unwrap() {
        read += bytes.len();
    }
    assert!(read > text.len(), "{read}");
    assert_eq!(chat(), Some(fb_sim::RequestOutcome::Completed));
}

/// One that reads nothing at all does not hold its provider for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stopped_is_left() {
    let Some(fb) = needs("FB_BIN") else { return };
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
