//! Streams that break after their first output.

use fb_sim::{Dialect, Fault, Sim, SimReply};
use serde_json::Value;

use crate::harness::{ADMIN, Gateway, HttpResponse, operator, prepared, provider};

/// Two providers of one route, `primary` and `backup`.
struct Pair {
    primary: Sim,
    backup: Sim,
}

impl Pair {
    /// Starts the simulators. Each answers with `words` words, one per chunk.
    async fn start(words: usize) -> Self {
        let pair = Self {
            primary: Sim::start(Dialect::OpenAi).await.unwrap(),
            backup: Sim::start(Dialect::Anthropic).await.unwrap(),
        };
        pair.primary.reply(reply(words));
        pair.backup.reply(reply(words));
        pair
    }

    fn config(&self, route: &str) -> String {
        let providers =
            provider("primary", "openai", &self.primary) + &provider("backup", "anthropic", &self.backup);
        format!(
            r#"{providers}
            [routes.default]
            targets = [
              {{ provider = "primary", model = "gpt-6.1-sol" }},
              {{ provider = "backup", model = "claude-sonnet-4-6" }},
            ]
            {route}
            "#
        )
    }

    fn calls(&self) -> [u64; 2] {
        [self.primary.calls(), self.backup.calls()]
    }
}

/// Returns the text of an answer: `w0001 w0002 …`, in which every word has as many characters as any other.
fn text(words: usize) -> String {
    (1..=words).map(|number| format!("w{number:04}")).collect::<Vec<_>>().join(" ")
}

fn reply(words: usize) -> SimReply {
    SimReply { chunks: words, ..SimReply::text(text(words)) }
}

async fn stream(gateway: &Gateway) -> HttpResponse {
    let body = r#"{"model":"default","stream":true,"messages":[{"role":"user","content":"count"}]}"#;
    gateway.post(body).await
}

/// Returns the text that a stream carried.
fn streamed_text(response: &HttpResponse) -> String {
    let data = response.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    chunks.filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

fn is_whole(response: &HttpResponse) -> bool {
    response.status == 200 && response.clean_end && response.body.ends_with("data: [DONE]\n\n")
}

#[tokio::test]
async fn target_that_cuts_every_stream_is_left_after_five() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let pair = Pair::start(20).await;
    let gateway = Gateway::start(&fb, &pair.config("")).await;
    // The role, and eight chunks of text.
    pair.primary.fault(Fault::CutAfterEvents { events: 9, reset: true });
    let mut whole = Vec::new();
    for _ in 0..20 {
        let response = stream(&gateway).await;
        if is_whole(&response) {
            assert_eq!(streamed_text(&response), text(20));
        } else {
            assert_eq!(streamed_text(&response).trim_end(), text(8), "{response:?}");
            assert!(response.body.contains(r#""code":"upstream_interrupted""#), "{response:?}");
        }
        whole.push(is_whole(&response));
    }
    assert_eq!(whole, [[false; 5].as_slice(), &[true; 15]].concat());
    assert_eq!(pair.calls(), [5, 15]);
}

/// Runs one stream that breaks at the primary after 40 of 60 words, and returns it with the calls.
async fn broken(pair: &Pair, gateway: &Gateway, fault: Fault) -> (HttpResponse, [u64; 2]) {
    for sim in [&pair.primary, &pair.backup] {
        sim.reset_counters();
    }
    pair.primary.fault_next(1, fault);
    let response = stream(gateway).await;
    (response, pair.calls())
}

/// Returns the role and the text of the last message in the latest request to a simulator.
fn last_message(sim: &Sim) -> (String, String) {
    let requests = sim.requests();
    let body: Value = serde_json::from_slice(&requests.last().unwrap().body).unwrap();
    let last = body["messages"].as_array().unwrap().last().unwrap().clone();
    let content = &last["content"];
    let text = content.as_str().or_else(|| content[0]["text"].as_str()).unwrap_or_default();
    (last["role"].as_str().unwrap().to_owned(), text.to_owned())
}

fn assert_whole(response: &HttpResponse, expected: &str, resumed_by: &str) {
    assert!(is_whole(response), "{response:?}");
    assert_eq!(streamed_text(response), expected);
    let mark = format!(r#""fb":{{"resumed_by":"{resumed_by}"}}"#);
    assert_eq!(response.body.matches(&mark).count(), 1, "{response:?}");
}

/// The role, and 40 chunks of a word each.
const BEFORE: usize = 41;

#[tokio::test]
async fn broken_stream_is_resumed_without_a_gap_or_a_repetition() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let pair = Pair::start(60).await;
    let route = pair.config("resume = true\nidle_timeout = \"300ms\"");
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{route}")).await;
    let all = text(60);
    let rest = all.split_at(text(40).len()).1;
    let last_words = "w0034 w0035 w0036 w0037 w0038 w0039 w0040";
    let faults = [
        Fault::CutAfterEvents { events: BEFORE, reset: true },
        Fault::EndEarly { events: BEFORE },
        Fault::StallMid { after_events: BEFORE },
        Fault::StreamError { after_events: BEFORE, body: None },
        Fault::StreamError { after_events: BEFORE, body: Some("{\"choices\":[{\"delta\"".to_owned()) },
    ];
    let continuations = [
        rest.to_owned(),
        rest.trim_start().to_owned(),
        format!("{last_words}{rest}"),
        all.clone(),
        format!("Sure, here it is:\n\n{all}"),
    ];
    for (fault, continuation) in faults.into_iter().zip(continuations) {
        pair.backup.reply(SimReply { chunks: 30, ..SimReply::text(continuation.as_str()) });
        let (response, calls) = broken(&pair, &gateway, fault.clone()).await;
        assert_whole(&response, &all, "backup/claude-sonnet-4-6");
        assert_eq!(calls, [1, 1], "{fault}");
        let (role, instruction) = last_message(&pair.backup);
        assert!(role == "user" && instruction.ends_with(last_words), "{instruction}");
        // The primary serves again, so that its breaker stays closed.
        assert!(is_whole(&stream(&gateway).await));
    }
    let admin = gateway.admin().await;
    let metrics = operator().get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    let resumed =
        "fb_resumed_streams_total{route=\"default\",target=\"primary/gpt-6.1-sol\",outcome=\"resumed\"} 5";
    assert!(metrics.contains(resumed), "{metrics}");
}

#[tokio::test]
async fn other_answer_is_no_continuation() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let pair = Pair::start(60).await;
    let sent = "The capital of France is Paris. It is known for the Eiffel Tower and for the Louvre.";
    pair.primary.reply(SimReply { chunks: sent.len(), ..SimReply::text(sent) });
    let before = &sent[..60];
    for other in [
        "The capital of France is Paris, the city of light, and so on.",
        "France\u{2019}s capital is Paris. It is known for its museums and for the Eiffel Tower, and more.",
        "Certainly! I will gladly go on. Tower is a landmark of the city.",
    ] {
        let gateway = Gateway::start(&fb, &pair.config("resume = true")).await;
        pair.backup.reply(SimReply { chunks: 10, ..SimReply::text(other) });
        let (response, calls) =
            broken(&pair, &gateway, Fault::CutAfterEvents { events: 61, reset: true }).await;
        // The primary is called again, last, and starts over with what the caller has.
        assert_whole(&response, sent, "primary/gpt-6.1-sol");
        assert_eq!(calls, [2, 1], "{other}");
        pair.primary.fault(Fault::CutAfterEvents { events: 61, reset: true });
        let (response, _) = broken(&pair, &gateway, Fault::CutAfterEvents { events: 61, reset: true }).await;
        pair.primary.heal();
        assert!(!is_whole(&response) && !response.clean_end, "{response:?}");
        assert_eq!(streamed_text(&response), before, "what the caller has is no other answer's");
        assert!(response.body.contains(r#""code":"upstream_interrupted""#), "{response:?}");
    }
}

#[tokio::test]
async fn answer_so_far_is_prefilled_only_where_it_is_accepted() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let pair = Pair::start(60).await;
    let config = pair.config("resume = true").replace("claude-sonnet-4-6", "claude-haiku-4-5");
    let gateway = Gateway::start(&fb, &config).await;
    let (all, cut) = (text(60), Fault::CutAfterEvents { events: BEFORE, reset: true });
    let rest = all.split_at(text(40).len()).1;
    pair.backup.reply(SimReply { chunks: 20, ..SimReply::text(rest) });
    let (response, calls) = broken(&pair, &gateway, cut.clone()).await;
    assert_whole(&response, &all, "backup/claude-haiku-4-5");
    assert_eq!((calls, last_message(&pair.backup)), ([1, 1], ("assistant".to_owned(), text(40))));

    let rejected = r#"{"type":"error","error":{"type":"invalid_request_error","message":"This model does not support assistant message prefill. The conversation must end with a user message."}}"#;
    pair.backup.fault_next(1, Fault::status(400).with_body(rejected));
    let (response, calls) = broken(&pair, &gateway, cut.clone()).await;
    assert_whole(&response, &all, "backup/claude-haiku-4-5");
    assert_eq!((calls, last_message(&pair.backup).0), ([1, 2], "user".to_owned()));

    pair.backup.fault(Fault::status(400).with_body(rejected));
    pair.primary.fault(cut.clone());
    let (response, calls) = broken(&pair, &gateway, cut).await;
    assert!(!is_whole(&response) && !response.clean_end, "{response:?}");
    assert_eq!((calls[1], streamed_text(&response).trim_end()), (2, text(40).as_str()));
}

#[tokio::test]
async fn request_with_tools_is_not_resumed() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let pair = Pair::start(60).await;
    let gateway = Gateway::start(&fb, &pair.config("resume = true")).await;
    for more in [
        r#""tools":[{"type":"function","function":{"name":"lookup","parameters":{"type":"object"}}}]"#,
        r#""response_format":{"type":"json_object"}"#,
    ] {
        pair.primary.fault_next(1, Fault::CutAfterEvents { events: BEFORE, reset: true });
        let body = format!(
            r#"{{"model":"default","stream":true,"messages":[{{"role":"user","content":"count in JSON"}}],{more}}}"#
        );
        let response = gateway.post(body).await;
        assert!(!is_whole(&response), "{response:?}");
        assert_eq!(pair.backup.calls(), 0, "{more}");
    }
}
