//! Signs of life in silent streams, which keep balancers from cutting them.

use std::time::Duration;

use fb_sim::{Fault, SimReply};

use crate::harness::{Gateway, HttpResponse, Sims, client, prepared};

const STREAM: &str = r#"{"model":"default","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// Splits a stream into its comments and the data of its events.
fn split(body: &str) -> (Vec<&str>, Vec<&str>) {
    let lines = || body.lines().filter(|line| !line.is_empty());
    let comments = lines().filter_map(|line| line.strip_prefix(": "));
    (comments.collect(), lines().filter_map(|line| line.strip_prefix("data: ")).collect())
}

/// Returns the text of the chunks.
fn text(events: &[&str]) -> String {
    let chunks = events.iter().filter_map(|data| serde_json::from_str::<serde_json::Value>(data).ok());
    chunks.filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())).collect()
}

/// Returns a config in which targets have one second for their first output.
fn config(sims: &Sims, server: &str) -> String {
    format!("{server}\n{}", sims.config("").replace("timeout = \"5s\"", "timeout = \"1s\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_gets_comments() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &config(&sims, "heartbeat = \"100ms\"")).await;
    sims.primary.reply(SimReply { gap: Duration::from_millis(350), ..SimReply::default() });
    let answered = gateway.post(STREAM).await;
    let (comments, events) = split(&answered.body);
    assert!(comments.len() >= 3 && comments.iter().all(|comment| *comment == "heartbeat"), "{comments:?}");
    assert_eq!((text(&events).as_str(), *events.last().unwrap()), ("Hello from openai.", "[DONE]"));
    assert!(answered.clean_end);

    sims.primary.reply(SimReply::default());
    assert_eq!(
        split(&gateway.post(STREAM).await.body).0,
        [""; 0],
        "a stream that is not silent has no comments"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn early_headers_come_before_the_failover() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let server = "heartbeat = \"100ms\"\nearly_headers = \"200ms\"";
    let gateway = Gateway::start(&fb, &config(&sims, server)).await;
    sims.primary.fault(Fault::StallHeaders);
    let url = format!("{}/chat/completions", gateway.url);
    let request = client().post(url).header("content-type", "application/json").body(STREAM);
    let mut response = request.send().await.unwrap();
    assert_eq!((response.status().as_u16(), sims.backup.calls()), (200, 0), "no target has answered");
    assert_eq!(response.chunk().await.unwrap().unwrap(), ": heartbeat\n\n");
    assert_eq!(sims.backup.calls(), 0, "the first byte comes with the head");
    let body = response.text().await.unwrap();
    let (comments, events) = split(&body);
    assert!(comments.contains(&"x-fb-served-by: backup/claude-sonnet-4-6"), "{comments:?}");
    assert_eq!((text(&events).as_str(), *events.last().unwrap()), ("Hello from anthropic.", "[DONE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_early_headers_is_an_event() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let server = "heartbeat = \"100ms\"\nearly_headers = \"200ms\"";
    let gateway = Gateway::start(&fb, &config(&sims, server)).await;
    sims.primary.fault(Fault::StallHeaders);
    sims.backup.fault(Fault::status(401));
    sims.third.fault(Fault::status(401));
    let HttpResponse { status, body, clean_end, .. } = gateway.post(STREAM).await;
    let (comments, events) = split(&body);
    assert_eq!((status, comments[0], events.len(), clean_end), (200, "heartbeat", 1, false), "{body}");
    let event: serde_json::Value = serde_json::from_str(events[0]).unwrap();
    assert_eq!(event["error"]["code"], "upstream_timeout", "{event}");

    // An outcome before that time has its own status.
    sims.primary.fault(Fault::status(401));
    let HttpResponse { status, clean_end, .. } = gateway.post(STREAM).await;
    assert_eq!((status, clean_end), (502, true));
}
