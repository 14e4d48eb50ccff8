//! Behaviour in the field: what real providers do, over real sockets.

mod blocks;
mod environment_keys;
mod heartbeat;
mod hints;
mod keys;
mod limits;
mod one_request;
mod quality;
mod resets;
mod shapes;
mod siblings;
mod streams;
mod thinking;
mod time;

use crate::harness::{Sims, provider};

/// Returns a config in which the route `default` has two targets: a provider of this kind at the first simulator with the
/// given model and settings, and the third simulator.
fn two_targets(sims: &Sims, kind: &str, model: &str, settings: &str) -> String {
    format!(
        r#"{}{}
        [[routes.default.targets]]
        provider = "first"
        model = "{model}"
        {settings}
        [[routes.default.targets]]
        provider = "third"
        model = "llama3.2"
        "#,
        sims.providers(),
        provider("first", kind, &sims.primary)
    )
}

/// Returns a request with this prompt to the route `default`.
fn request(prompt: &str) -> String {
    serde_json::json!({ "model": "default", "messages": [{ "role": "user", "content": prompt }] }).to_string()
}
