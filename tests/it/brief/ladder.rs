//! The ladder on a route that configures none: full, reduced, minimal, cached, offline, chosen by an operator.

use fb_sim::Fault;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Gateway, Sims, client, prepared};

fn tool() -> Value {
    json!({ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_have_the_numbers_of_the_brief() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let cache = "cache = { stale_if_error = true }\n";
    let target = "[[routes.default.targets]]\nprovider = \"primary\"\nmodel = \"gpt-4.1\"\n";
    let config = format!("{ADMIN}{}[routes.default]\n{cache}{target}", sims.providers());
    let gateway = Gateway::start(&fb, &config).await;
    let level_url = format!("{}/v1/degradation/level", gateway.admin().await);
    let set_level = async |level: &str| {
        let request = client().post(format!("{level_url}?level={level}")).bearer_auth("sk-test");
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    let ask = async |text: &str, change: Value| {
        let mut body = json!({ "messages": [{ "role": "user", "content": text }], "max_tokens": 4096 });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let response = client().post(format!("{}/completions", gateway.url)).body(body.to_string());
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), 200, "{text}");
        serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap()
    };
    let sent = || sims.primary.requests().last().unwrap().json().unwrap();

    let full = ask("known", json!({})).await;
    assert_eq!(
        (&full["level"], &full["from_cache"], &sent()["max_completion_tokens"]),
        (&json!("full"), &json!(false), &json!(4096))
    );
    for (level, most) in [("reduced", 2048), ("minimal", 512)] {
        set_level(level).await;
        let answer = ask("known", json!({ "tools": [tool()] })).await;
        assert_eq!((&answer["level"], &answer["provider"]), (&json!(level), &json!("primary")));
        let sent = sent();
        assert_eq!(
            (sent["max_completion_tokens"].as_u64(), sent.get("tools")),
            (Some(most), None),
            "{level}: {sent}"
        );
    }
    // Reduced streams, minimal does not.
    for (level, streams) in [("reduced", true), ("minimal", false)] {
        set_level(level).await;
        let body =
            json!({ "model": "default", "messages": [{ "role": "user", "content": "hi" }], "stream": true });
        let answer = gateway.post(body.to_string()).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream; charset=utf-8"));
        assert_eq!(sent()["stream"] == true, streams, "{level}: {}", sent());
    }

    let calls = sims.primary.calls();
    set_level("cached").await;
    let cached = ask("known", json!({})).await;
    assert_eq!(
        (&cached["level"], &cached["from_cache"], &cached["content"]),
        (&json!("cached"), &json!(true), &full["content"])
    );
    let text = json!("The assistant cannot answer now. Please try again in a moment.");
    for level in ["cached", "offline"] {
        set_level(level).await;
        let fixed = ask("unknown", json!({})).await;
        assert_eq!(
            (&fixed["level"], &fixed["from_cache"], &fixed["content"]),
            (&json!("offline"), &json!(false), &text)
        );
    }
    assert_eq!(sims.primary.calls(), calls, "no model is called");
}

#[tokio::test(flavor = "multi_thread")]
async fn classic_ladder_steps_down_by_itself() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let ladder = "ladder = \"classic\"\nmax_attempts = 30\n";
    let target = "[[routes.default.targets]]\nprovider = \"primary\"\nmodel = \"gpt-4.1\"\nmax_retries = 0\n";
    let breaker = "[breaker]\nconsecutive = 100\n";
    let config = format!("{ADMIN}{breaker}{}[routes.default]\n{ladder}{target}", sims.providers());
    let gateway = Gateway::start(&fb, &config).await;
    let ask = async || {
        let body = json!({ "messages": [{ "role": "user", "content": "hi" }], "temperature": 0.5 });
        let response = client().post(format!("{}/completions", gateway.url)).body(body.to_string());
        let answer: Value =
            serde_json::from_str(&response.send().await.unwrap().text().await.unwrap()).unwrap();
        let requests = sims.primary.requests();
        let tokens: Vec<_> =
            requests.iter().map(|sent| sent.json().unwrap()["max_completion_tokens"].clone()).collect();
        sims.primary.reset_counters();
        (answer["level"].clone(), tokens)
    };
    assert_eq!(ask().await, (json!("full"), vec![json!(4096)]));
    for (failing, level, tokens) in [
        (1, "reduced", vec![4096, 2048]),
        (2, "minimal", vec![4096, 2048, 512]),
        (3, "offline", vec![4096, 2048, 512]),
    ] {
        sims.primary.fault_next(failing, Fault::status(500));
        let tokens: Vec<Value> = tokens.into_iter().map(Value::from).collect();
        assert_eq!(ask().await, (json!(level), tokens));
    }
}
