//! Streams with the config of the first guide and `resume = true`: whatever happens upstream, the caller gets the whole
//! answer, and gets it as a stream. Other shapes are in `streams.rs`, and the recovery after an outage of a minute is in
//! the tests of the engine.

use std::time::Duration;

use fb_sim::{Dialect, Fault, Sim, SimReply};
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::{Gateway, client, prepared};

const GUIDE: &str = include_str!("../../../docs/guide/getting-started.md");

/// The two providers of the guide, and the gateway before them.
struct Pair {
    primary: Sim,
    backup: Sim,
    gateway: Gateway,
}

impl Pair {
    /// Starts them with the config of the guide and `resume = true`, after `changed`.
    async fn start(fb: &std::path::Path, changed: impl Fn(&str) -> String) -> Self {
        let primary = Sim::start(Dialect::OpenAi).await.unwrap();
        let backup = Sim::start(Dialect::Anthropic).await.unwrap();
        for sim in [&primary, &backup] {
            sim.reply(SimReply { chunks: 60, ..SimReply::text(text(60)) });
        }
        let (_, config) = GUIDE.split_once("```toml\n").unwrap();
        let (config, _) = config.split_once("```").unwrap();
        let mut config = changed(config);
        for (of_guide, here) in [
            ("127.0.0.1:9090", "127.0.0.1:0"),
            ("http://127.0.0.1:39101/v1", &primary.base_url()),
            ("http://127.0.0.1:39102", &backup.base_url()),
            ("OPENAI_API_KEY", "FB_TEST_KEY"),
            ("ANTHROPIC_API_KEY", "FB_TEST_KEY"),
            ("[routes.default]", "[routes.default]\nresume = true"),
        ] {
            assert!(config.contains(of_guide), "{config}");
            config = config.replace(of_guide, here);
        }
        let gateway = Gateway::start(fb, &config).await;
        Self { primary, backup, gateway }
    }

    fn calls(&self) -> [u64; 2] {
        [self.primary.calls(), self.backup.calls()]
    }

    async fn stream(&self) -> Streamed {
        let body = r#"{"model":"default","stream":true,"messages":[{"role":"user","content":"count"}]}"#;
        let url = format!("{}/chat/completions", self.gateway.url);
        let began = Instant::now();
        let request = client().post(url).header("content-type", "application/json").body(body);
        let mut response = request.send().await.unwrap();
        let (mut body, mut parts) = (Vec::new(), Vec::new());
        while let Some(part) = response.chunk().await.expect("the stream is not cut") {
            body.extend_from_slice(&part);
            parts.push(began.elapsed());
        }
        let body = String::from_utf8(body).unwrap();
        assert!(response.status() == 200 && body.ends_with("data: [DONE]\n\n"), "{body}");
        Streamed { body, parts }
    }
}

/// A stream that ended as a whole one does.
struct Streamed {
    body: String,
    /// The time at which each part arrived.
    parts: Vec<Duration>,
}

impl Streamed {
    fn text(&self) -> String {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        chunks
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect()
    }

    /// Checks that the answer is whole, and whether another target had to resume it.
    #[track_caller]
    fn assert_whole(&self, is_resumed: bool) {
        assert_eq!(self.text(), text(60));
        assert_eq!(
            self.body.contains(r#""resumed_by":"backup/claude-sonnet-4-6""#),
            is_resumed,
            "{}",
            self.body
        );
    }
}

/// Returns the text of an answer: `w0001 w0002 …`.
fn text(words: usize) -> String {
    (1..=words).map(|number| format!("w{number:04}")).collect::<Vec<_>>().join(" ")
}

/// The role, and 40 chunks of a word each.
const BEFORE: usize = 41;

/// A model that thinks may take 120 s to its first token, and another one 15 s while there is a backup.
async fn first_token_after_20_s(fb: &std::path::Path) {
    let slow = SimReply { latency: Duration::from_secs(20), chunks: 60, ..SimReply::text(text(60)) };
    let thinking = Pair::start(fb, str::to_owned).await;
    let other = Pair::start(fb, |config| config.replace("gpt-6.1-sol", "gpt-4o")).await;
    thinking.primary.reply(slow.clone());
    other.primary.reply(slow);
    let (by_primary, by_backup) = tokio::join!(thinking.stream(), other.stream());
    by_primary.assert_whole(false);
    by_backup.assert_whole(false);
    assert_eq!([thinking.calls(), other.calls()], [[1, 0], [1, 1]]);
    assert!(by_backup.parts[0] < Duration::from_secs(19), "{:?}", by_backup.parts[0]);
}

/// A stream without an event for 30 s is resumed by the backup.
async fn silence_of_30_s_in_mid_stream(fb: &std::path::Path) {
    let pair = Pair::start(fb, str::to_owned).await;
    pair.primary.fault(Fault::StallMid { after_events: BEFORE });
    let streamed = pair.stream().await;
    streamed.assert_whole(true);
    assert!(streamed.parts[0] < Duration::from_secs(10), "the first words came before: {:?}", streamed.parts);
    assert_eq!(pair.calls(), [1, 1]);
}

// One test, as each of them takes half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn first_token_after_20_s_and_silence_of_30_s_in_mid_stream() {
    let Some(fb) = prepared("FB_BIN") else { return };
    tokio::join!(first_token_after_20_s(&fb), silence_of_30_s_in_mid_stream(&fb));
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_after_40_of_60_tokens_and_one_malformed_event() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let malformed = Some("{\"choices\":[{\"delta\"".to_owned());
    for fault in [
        Fault::CutAfterEvents { events: BEFORE, reset: false },
        Fault::StreamError { after_events: BEFORE, body: malformed },
    ] {
        let pair = Pair::start(&fb, str::to_owned).await;
        pair.primary.fault(fault.clone());
        pair.stream().await.assert_whole(true);
        assert_eq!(pair.calls(), [1, 1], "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_with_a_fallback_that_rejects_an_assistant_prefix() {
    let Some(fb) = prepared("FB_BIN") else { return };
    // The guide's fallback is known to reject it, so that it is given an instruction at once.
    let pair = Pair::start(&fb, str::to_owned).await;
    pair.primary.fault(Fault::CutAfterEvents { events: BEFORE, reset: true });
    pair.stream().await.assert_whole(true);
    let requests = pair.backup.requests();
    let sent: Vec<Value> = requests
        .iter()
        .filter(|request| !request.body.is_empty())
        .map(|request| request.json().unwrap())
        .collect();
    let roles: Vec<&str> = sent[0]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|message| message["role"].as_str())
        .collect();
    assert_eq!((sent.len(), roles.last()), (1, Some(&"user")), "{roles:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_too_long_for_the_primary_with_windows_unknown() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let unknown = |config: &str| {
        config.replace("gpt-6.1-sol", "house-large").replace("claude-sonnet-4-6", "house-larger")
    };
    let pair = Pair::start(&fb, unknown).await;
    pair.primary.fault(Fault::ContextLength);
    for call in 1..=12 {
        pair.stream().await.assert_whole(false);
        assert_eq!(pair.calls(), [call, call], "another prompt may fit, so the primary is called again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_of_the_primary_is_cut() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let pair = Pair::start(&fb, str::to_owned).await;
    pair.primary.fault(Fault::CutAfterEvents { events: 9, reset: true });
    for request in 1..=20 {
        pair.stream().await.assert_whole(request <= 5);
    }
    assert_eq!(pair.calls(), [5, 20]);
}
