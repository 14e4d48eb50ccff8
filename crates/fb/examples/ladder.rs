//! No target answers at the full level: a smaller model gives a shorter answer, then a cached answer is served, then a
//! fixed one.

use std::{sync::Arc, time::Duration};

use fb::{
    ChatRequest, Client, Error, LadderConfig, Level, OfflineConfig, Options, Provider, Route, RouteCache,
    Rung, Target, providers::ProviderConfig,
};
use fb_sim::{Dialect, Fault, Sim};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

fn ladder() -> LadderConfig {
    let small = Target::new("local", "llama3.2").max_retries(0);
    LadderConfig::with(|config| {
        config.reduced = Some(Rung::with(|rung| {
            rung.targets = vec![small];
            rung.max_tokens = Some(256);
        }));
        config.offline = Some(OfflineConfig::default());
    })
}

/// Sends a message and prints the level, the source and the trace of the answer.
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn send(client: &Client, text: &str) -> Result<(), Error> {
    let answer = client.chat(ChatRequest::user(text)).await?;
    println!("{}: {:?} by {}", answer.level(), answer.text(), answer.served_by());
    for note in answer.notes() {
        println!("  changed: {note}");
    }
    println!("{}", answer.trace());
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (large, small) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Ollama).await?);
    let cache = RouteCache::with(|cache| cache.stale_if_error = Some(Duration::from_secs(3_600)));
    let route = Route::priority("default", [Target::new("openai", "gpt-6.1-sol").max_retries(0)]);
    let client = Client::builder()
        .provider("openai", provider(&large)?)
        .provider("local", provider(&small)?)
        .route(route.cache(cache).ladder(ladder()))
        .build()?;

    send(&client, "What is a mutex?").await?;
    large.fault(Fault::status(503));
    send(&client, "What is a semaphore?").await?;
    small.fault(Fault::status(503));
    send(&client, "What is a mutex?").await?;
    send(&client, "What is a barrier?").await?;

    let full_only = Options { refuse_degraded: true, ..Options::default() };
    let refused = client.chat(ChatRequest::user("What is a barrier?").with_options(full_only)).await;
    println!("refusing degraded answers: {}\n", refused.err().ok_or("expected an error")?);

    large.heal();
    client.set_level(Some("default"), Some((Level::Offline, Some(Duration::from_secs(600)))));
    send(&client, "Hello!").await?;
    println!("{:?}", client.levels());
    Ok(())
}
