//! The cached fallback (row 23): a key of prompt and model, an hour fresh, and the last answer when all failed.

use std::time::Duration;

use fb::{Chat, ChatRequest, Client, Config, Message, Options, Role, Route, RouteCache, Target};
use tokio::time::sleep;

use crate::{
    brief::scripted,
    harness::{Gateway, Sims, prepared},
};

fn client(text: &str) -> Client {
    let (_script, builder) = scripted(text);
    let target = |name: &str| Target::new(name, "m").max_retries(0);
    let route = Route::priority("default", [target("a"), target("b")]).cache(RouteCache::simple());
    builder.route(route).build().unwrap()
}

/// A request that samples at a temperature.
fn ask(prompt: &str, temperature: f64) -> ChatRequest {
    let mut chat = Chat { messages: vec![Message::text(Role::User, prompt)], ..Chat::default() };
    chat.sampling.temperature = Some(temperature);
    chat.max_tokens = Some(if temperature < 0.5 { 10 } else { 100 });
    ChatRequest::from_chat("default", chat)
}

async fn answer(client: &Client, request: ChatRequest) -> String {
    match client.chat(request).await {
        Ok(answer) => {
            let cache = answer.report.cache.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{}: {cache}", answer.text())
        }
        Err(error) => error.status().to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_for_an_hour_and_without_limit_of_temperature() {
    let client = client("a: 200(\"first\"), 200(\"second\"), 503 / b: 503");
    assert_eq!(answer(&client, ask("hi", 0.7)).await, "first: miss");
    sleep(Duration::from_secs(3_599)).await;
    assert_eq!(answer(&client, ask("hi", 1.0)).await, "first: hit; age=3599; by=\"a/m\"");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(answer(&client, ask("hi", 0.7)).await, "second: miss");
    // Every target fails from here on: the last answer is given however old it is, and only for its own prompt.
    sleep(Duration::from_secs(86_400)).await;
    assert_eq!(answer(&client, ask("hi", 0.2)).await, "second: stale; age=86400; by=\"a/m\"");
    assert_eq!(answer(&client, ask("hello", 0.2)).await, "502");
}

#[tokio::test(start_paused = true)]
async fn an_answer_belongs_to_its_tenant() {
    let client = client("a: 200 / b: 200");
    let of = |tenant: &str| {
        ask("hi", 0.7).with_options(Options { tenant: Some(tenant.into()), ..Options::default() })
    };
    for (tenant, expected) in [("x", "miss"), ("y", "miss"), ("x", "hit; age=0; by=\"a/m\"")] {
        assert_eq!(answer(&client, of(tenant)).await, format!("hello from a: {expected}"));
    }
}

#[test]
fn preset_is_one_word_in_a_config() {
    let config = |cache: &str| {
        let target = r#"{ "provider": "a", "model": "m" }"#;
        let text =
            format!(r#"{{ "routes": {{ "default": {{ "cache": {cache}, "targets": [{target}] }} }} }}"#);
        serde_json::from_str::<Config>(&text)
    };
    assert_eq!(config(r#""simple""#).unwrap().routes["default"].cache, RouteCache::simple());
    assert!(!config(r#"{ "fresh": true }"#).unwrap().routes["default"].cache.any_temperature);
    let error = config(r#""simpel""#).unwrap_err().to_string();
    assert!(error.starts_with(r#"preset = "simpel": expected "simple""#), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_and_model_are_the_key_over_http() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let other = r#"[routes.other]
    cache = "simple"
    targets = [{ provider = "primary", model = "gpt-6.1-mini" }]
    "#;
    let config = sims.config(other).replace("aliases =", "cache = \"simple\"\naliases =");
    let gateway = Gateway::start(&fb, &config).await;
    let body = |model: &str, prompt: &str, more: &str| {
        let message = format!(r#"{{"role":"user","content":"{prompt}"}}"#);
        format!(r#"{{"model":"{model}","messages":[{message}]{more}}}"#)
    };
    let mut seen = Vec::new();
    for (model, prompt, more) in [
        ("default", "hi", ""),
        ("default", "hi", r#","temperature":1.5,"max_tokens":9"#),
        ("default", "hi", r#","seed":3,"top_p":0.1,"user":"u-1""#),
        ("default", "ho", ""),
        ("other", "hi", ""),
        ("default", "hi", r#","response_format":{"type":"json_object"}"#),
    ] {
        let response = gateway.post(body(model, prompt, more)).await;
        let cache = response.header("x-fb-cache").split(';').next().unwrap_or_default().to_owned();
        seen.push((response.status, cache));
    }
    let [miss, hit] = ["miss", "hit"].map(|cache| (200, cache.to_owned()));
    assert_eq!(seen, [miss.clone(), hit.clone(), hit, miss.clone(), miss.clone(), miss]);
}
