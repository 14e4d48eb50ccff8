//! Images, audio and files in the limits of tenants.

use fb_sim::Fault;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Gateway, Sims, operator, prepared};

/// Base64 of 1.2 MB.
const PHOTO: usize = 1_600_000;

/// Returns a request with this part after a short text.
fn body(part: &Value) -> String {
    let content = json!([{ "type": "text", "text": "What is this?" }, part]);
    json!({ "model": "default", "max_tokens": 100, "messages": [{ "role": "user", "content": content }] })
        .to_string()
}

async fn tokens_used(admin: &str) -> u64 {
    let tenants = operator().get(format!("{admin}/v1/tenants")).send().await.unwrap();
    let tenants: Value = serde_json::from_str(&tenants.text().await.unwrap()).unwrap();
    let tokens = &tenants["tenants"][0]["used"]["minute_tokens"];
    tokens.as_u64().unwrap_or_else(|| panic!("{tenants}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn media_do_not_count_as_text() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let limit = "[tenants.default]\ntokens_per_minute = 200000\n";
    let route = "[[routes.default.targets]]\nprovider = \"primary\"\nmodel = \"gpt-4o\"\ntimeout = \"1s\"\n";
    let data = "A".repeat(PHOTO);
    let photo =
        json!({ "type": "image_url", "image_url": { "url": format!("data:image/jpeg;base64,{data}") } });
    let audio = json!({ "type": "input_audio", "input_audio": { "data": data, "format": "mp3" } });
    let file = json!({ "type": "file", "file": { "filename": "a.pdf", "file_data": format!("data:application/pdf;base64,{data}") } });
    let config = format!("{ADMIN}{limit}{}{route}", sims.providers());
    for part in [&photo, &audio, &file] {
        let gateway = Gateway::start(&fb, &config).await;
        let answer = gateway.post(body(part)).await;
        assert_eq!(answer.status, 200, "{}: {}", part["type"], answer.body);
    }
    assert_eq!(sims.calls(), [3, 0, 0]);
    // Text of the same size does not fit.
    let gateway = Gateway::start(&fb, &config).await;
    let text = gateway.post(body(&json!({ "type": "text", "text": data }))).await;
    assert_eq!((text.status, sims.calls()), (429, [3, 0, 0]), "{}", text.body);

    // A call that times out is charged the same estimate: 1,000 tokens for the picture.
    sims.primary.fault(Fault::StallHeaders);
    let failed = gateway.post(body(&photo)).await;
    assert_ne!(failed.status, 200);
    let calls = sims.calls()[0] - 3;
    let used = tokens_used(&gateway.admin().await).await;
    assert!(calls > 0 && used >= calls * 1_000 && used <= calls * 1_200, "{calls} calls, {used} tokens");
}
