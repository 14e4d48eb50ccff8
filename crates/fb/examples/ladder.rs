//! Nobody answers at the full level: a smaller model is asked for less, then an old answer is given, then a fixed one.

use std::{sync::Arc, time::Duration};

use fb::{
    ChatRequest, Client, Error, LadderConfig, Level, OfflineConfig, Options, Provider, Route, RouteCache,
    Rung, Target, providers::ProviderConfig,
};
use fb_sim::{Dialect, Fault, Sim};

/// A simulator as a provider: only the address differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(ProviderConfig { base_url: Some(sim.base_url()), ..config }.build()?)
}

fn ladder() -> LadderConfig {
    let small = Target::new("local", "llama3.2").max_retries(0);
    LadderConfig {
        reduced: Some(Rung { targets: vec![small], max_tokens: Some(256), ..Rung::default() }),
        offline: Some(OfflineConfig::default()),
        ..LadderConfig::default()
    }
}

/// Asks, and says at which level it was answered, by whom, and why so.
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn ask(client: &Client, text: &str) -> Result<(), Error> {
    let answer = client.chat(ChatRequest::user(text)).await?;
    println!("{}: {:?} by {}", answer.level(), answer.text(), answer.served_by());
    for note in answer.notes() {
        println!("  sent differently: {note}");
    }
    println!("{}", answer.trace());
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (large, small) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Ollama).await?);
    let cache = RouteCache { stale_if_error: Some(Duration::from_secs(3_600)), ..RouteCache::default() };
    let route = Route::priority("default", [Target::new("openai", "gpt-6.1-sol").max_retries(0)]);
    let client = Client::builder()
        .provider("openai", provider(&large)?)
        .provider("local", provider(&small)?)
        .route(route.cache(cache).ladder(ladder()))
        .build()?;

    ask(&client, "What is a mutex?").await?;
    large.fault(Fault::status(503));
    ask(&client, "What is a semaphore?").await?;
    small.fault(Fault::status(503));
    ask(&client, "What is a mutex?").await?;
    ask(&client, "What is a barrier?").await?;

    let whole = Options { refuse_degraded: true, ..Options::default() };
    let refused = client.chat(ChatRequest::user("What is a barrier?").with_options(whole)).await;
    println!("only a whole answer will do: {}\n", refused.err().ok_or("expected an error")?);

    large.heal();
    client.set_level(Some("default"), Some((Level::Offline, Some(Duration::from_secs(600)))));
    ask(&client, "Hello!").await?;
    println!("{:?}", client.levels());
    Ok(())
}
