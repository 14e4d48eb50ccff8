use std::fmt::Write;

use fb_core::{CallError, ChatRequest};
use fb_sim::{Dialect, Fault};

use super::{chat, sim};
use crate::{AnthropicConfig, AzureConfig, OllamaConfig, OpenAiConfig, ProviderConfig, Secret};

const CANARY: &str = "sk-canary-8d1f3a77c2e9";

#[tokio::test]
async fn keys_are_never_printed() {
    let sim = sim(Dialect::OpenAi).await;
    let url = sim.base_url();
    let key = || Some(Secret::value(CANARY));
    let mut shown = String::new();
    let openai = OpenAiConfig { base_url: Some(url.clone()), api_key: key(), ..OpenAiConfig::default() };
    let anthropic =
        AnthropicConfig { base_url: Some(url.clone()), api_key: key(), ..AnthropicConfig::default() };
    let azure = AzureConfig { base_url: Some(url.clone()), api_key: key(), ..AzureConfig::default() };
    let ollama = OllamaConfig { base_url: Some(url.clone()), api_key: key(), ..OllamaConfig::default() };
    write!(shown, "{openai:?} {:?}", openai.build().unwrap()).unwrap();
    write!(shown, "{anthropic:?} {:?}", anthropic.build().unwrap()).unwrap();
    write!(shown, "{azure:?} {:?}", azure.build().unwrap()).unwrap();
    write!(shown, "{ollama:?} {:?}", ollama.build().unwrap()).unwrap();
    write!(shown, "{:?}", ProviderConfig::with_key("openai", CANARY)).unwrap();

    // A provider that echoes the key in its error.
    let body = format!(
        r#"{{"error":{{"message":"Incorrect API key provided: {CANARY}","code":"invalid_api_key"}}}}"#
    );
    sim.fault(Fault::status(401).with_body(body));
    let provider = openai.build().unwrap();
    let CallError::Failed(failure) = chat(&provider, &ChatRequest::user("hi")).await.unwrap_err() else {
        panic!("blocked");
    };
    write!(shown, "{failure:?} {failure} {}", failure.detail()).unwrap();
    sim.fault(Fault::Refuse);
    write!(shown, "{:?}", chat(&provider, &ChatRequest::user("hi")).await).unwrap();

    // Keys that are invalid as a header, and configs with the key in the wrong field.
    let broken = ProviderConfig::with_key("openai", format!("{CANARY}\n{CANARY}")).build();
    write!(shown, "{}", broken.err().unwrap()).unwrap();
    let userinfo = ProviderConfig {
        base_url: Some(format!("https://me:{CANARY}@host/v1")),
        ..ProviderConfig::with_key("openai", "k")
    };
    write!(shown, "{}", userinfo.build().err().unwrap()).unwrap();
    let plain: Result<ProviderConfig, _> =
        serde_json::from_str(&format!(r#"{{"kind":"openai","api_key":"{CANARY}"}}"#));
    write!(shown, "{}", plain.unwrap_err()).unwrap();

    assert!(!shown.contains(CANARY), "{shown}");
    assert!(!shown.contains("8d1f3a77c2e9"), "{shown}");
}
