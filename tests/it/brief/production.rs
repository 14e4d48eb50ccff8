//! The production composition (row 24): three providers, a breaker each, a cache before and after them.

use fb_sim::{Dialect, Fault, Sim};
use serde_json::{Value, json};

use crate::harness::{Gateway, client, prepared};

/// Returns a config of the providers with their keys from the environment and their models.
fn config(openai: &Sim, anthropic: &Sim, together: &Sim) -> String {
    let provider = |name: &str, sim: &Sim, models: [&str; 2]| {
        format!(
            "[providers.{name}]\nkind = \"{name}\"\nbase_url = \"{}\"\napi_key = {{ env = \"FB_TEST_KEY\" }}\nmodels = \
             {models:?}\n",
            sim.base_url()
        )
    };
    format!(
        r#"
        [admin]
        listen = "127.0.0.1:0"
        {}{}{}
        [routes.default]
        cache = {{ fresh = "1h", stale_if_error = "24h" }}
        targets = [
            {{ provider = "openai", model = "gpt-4.1", max_retries = 0 }},
            {{ provider = "anthropic", model = "claude-sonnet-4", max_retries = 0 }},
            {{ provider = "together", model = "llama-3.3-70b", max_retries = 0 }},
        ]
        "#,
        provider("openai", openai, ["gpt-4.1", "gpt-4.1-mini"]),
        provider("anthropic", anthropic, ["claude-sonnet-4", "claude-haiku-4"]),
        provider("together", together, ["llama-3.3-70b", "llama-3.1-8b"]),
    )
}

async fn get(url: String) -> Value {
    let text = client().get(url).send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_anthropic_and_together_with_a_breaker_each_and_a_cache_before_and_after() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = [Dialect::OpenAi, Dialect::Anthropic, Dialect::OpenAi].map(Sim::start);
    let [openai, anthropic, together] = sims;
    let (openai, anthropic, together) =
        (openai.await.unwrap(), anthropic.await.unwrap(), together.await.unwrap());
    let gateway = Gateway::start(&fb, &config(&openai, &anthropic, &together)).await;
    let admin = gateway.admin().await;
    let calls = || [openai.calls(), anthropic.calls(), together.calls()];

    let models = names(&get(format!("{}/models", gateway.url)).await["data"], "id");
    let all = [
        "default",
        "anthropic/claude-haiku-4",
        "anthropic/claude-sonnet-4",
        "openai/gpt-4.1",
        "openai/gpt-4.1-mini",
        "together/llama-3.1-8b",
        "together/llama-3.3-70b",
    ];
    assert_eq!(models, all);
    let circuits = names(&get(format!("{admin}/v1/circuits")).await["circuits"], "target");
    for target in ["anthropic/claude-sonnet-4", "openai/gpt-4.1", "together/llama-3.3-70b"] {
        assert!(circuits.iter().any(|known| known == target), "no {target} in {circuits:?}");
    }

    let send_to = async |model: &str, text: &str, temperature: f64| {
        let messages = json!([{ "role": "user", "content": text }]);
        let body = json!({ "model": model, "messages": messages, "temperature": temperature });
        let response = gateway.post(body.to_string()).await;
        let cache = response.header("x-fb-cache").split(';').next().unwrap().to_owned();
        (response.header("x-fb-served-by").to_owned(), cache)
    };
    assert_eq!(send_to("claude-haiku-4", "a", 0.0).await.0, "anthropic/claude-haiku-4");
    anthropic.reset_counters();
    let send = async |text: &str, temperature: f64| send_to("default", text, temperature).await;
    let found = |by: &str, cache: &str| (by.to_owned(), cache.to_owned());
    // Before: a fresh answer saves the call.
    assert_eq!(send("a", 0.0).await, found("openai/gpt-4.1", "miss"));
    assert_eq!((send("a", 0.0).await, calls()), (found("cache", "hit"), [1, 0, 0]));
    // The chain, one provider after the other.
    openai.fault(Fault::status(503));
    assert_eq!(send("b", 0.7).await.0, "anthropic/claude-sonnet-4");
    anthropic.fault(Fault::status(529));
    assert_eq!(send("c", 0.7).await.0, "together/llama-3.3-70b");
    // After: when all failed, the last answer.
    together.fault(Fault::Refuse);
    assert_eq!((send("c", 0.7).await, calls()), (found("cache", "stale"), [4, 3, 1]));
}
