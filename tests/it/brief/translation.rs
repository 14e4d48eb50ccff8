//! The translation from OpenAI to Anthropic (row 16).

use serde_json::{Value, json};

use crate::harness::{Gateway, Sims, prepared};

/// A model with a larger limit, and the number of the brief.
const PINNED: &str = r#"
    [[routes.pinned.targets]]
    provider = "backup"
    model = "claude-opus-4-8"
    set = { max_tokens = 4096 }
"#;

/// A model of which fb knows nothing.
const UNKNOWN: &str = r#"
    [[routes.unknown.targets]]
    provider = "backup"
    model = "claude-unknown"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn system_is_lifted_out_and_an_absent_max_tokens_is_filled_in() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config(&format!("{PINNED}{UNKNOWN}"))).await;
    let send = async |model: &str, more: Value| {
        let mut body = json!({
            "model": model,
            "messages": [
                { "role": "system", "content": "You are terse." },
                { "role": "user", "content": "Hello!" },
                { "role": "assistant", "content": "Hi." },
                { "role": "user", "content": "Again!" },
            ],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let response = gateway.post(body.to_string()).await;
        assert_eq!(response.status, 200, "{}", response.body);
        let sent = sims.backup.requests().pop().unwrap();
        assert_eq!(sent.path, "/v1/messages");
        (sent.json().unwrap(), response.json())
    };
    let text = |text: &str| json!([{ "type": "text", "text": text }]);

    let (sent, received) = send("unknown", json!({})).await;
    let expected = json!({
        "model": "claude-unknown",
        "system": text("You are terse."),
        "messages": [
            { "role": "user", "content": text("Hello!") },
            { "role": "assistant", "content": text("Hi.") },
            { "role": "user", "content": text("Again!") },
        ],
        "max_tokens": 4096,
    });
    assert_eq!(sent, expected);
    let choice = &received["choices"][0];
    assert_eq!((&received["object"], &choice["finish_reason"]), (&json!("chat.completion"), &json!("stop")));
    assert_eq!(choice["message"]["content"], "Hello from anthropic.");

    let max_tokens = async |model: &str, more: Value| send(model, more).await.0["max_tokens"].clone();
    assert_eq!(max_tokens("unknown", json!({ "max_tokens": 100 })).await, 100);
    // A model with a known, larger limit gets that of a call without a stream, so that its answers are not cut.
    assert_eq!(max_tokens("backup/claude-sonnet-4-6", json!({})).await, 21_333);
    assert_eq!(max_tokens("pinned", json!({})).await, 4096);
}
