//! Streams that break after their first output.

use fb_sim::{Dialect, Fault, Sim, SimReply};
use serde_json::Value;

use crate::harness::{Gateway, HttpResponse, prepared};

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
        format!(
            r#"
            [providers.primary]
            kind = "openai"
            base_url = "{}"
            api_key = {{ env = "FB_TEST_KEY" }}
            [providers.backup]
            kind = "anthropic"
            base_url = "{}"
            api_key = {{ env = "FB_TEST_KEY" }}
            [routes.default]
            targets = [
              {{ provider = "primary", model = "gpt-6.1-sol" }},
              {{ provider = "backup", model = "claude-sonnet-4-6" }},
            ]
            {route}
            "#,
            self.primary.base_url(),
            self.backup.base_url(),
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
