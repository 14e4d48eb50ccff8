//! Mounts the gateway in an axum application, beside routes of its own.
//!
//! ```text
//! cargo run -p fb-server --example mount
//! curl http://127.0.0.1:3000/hello
//! curl http://127.0.0.1:3000/v1/chat/completions -d '{"model": "default", "messages": [{"role": "user", "content": "hi"}]}'
//! ```
//!
//! The providers are scripted, so that no key is needed: the first one fails, the second one answers.

use std::error::Error;

use axum::{Router, routing::get};
use fb::{Client, Config, Route, Target};
use fb_server::{ServerConfig, Service};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let script = fb_testkit::script("openai: 503 / anthropic: 200(\"hi there\") in 300ms");
    let mut builder = Client::builder().route(Route::priority(
        "default",
        [Target::new("openai", "gpt-6.1-sol"), Target::new("anthropic", "claude-sonnet-4-6")],
    ));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let gateway = Service::new(builder.build()?, &ServerConfig::default(), &Config::default())?;

    let app = Router::new().route("/hello", get(async || "hello")).fallback_service(gateway);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
