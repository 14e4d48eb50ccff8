//! Two targets are called at once; the first usable answer wins, and the other call is cancelled.

use std::{sync::Arc, time::Duration};

use fb::{
    ChatRequest, Client, Error, Provider, RaceConfig, Route, Strategy, Target, providers::ProviderConfig,
};
use fb_sim::{Dialect, Fault, Sim, SimReply};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

/// Sets the latency of a simulator.
fn set_latency(sim: &Sim, millis: u64) {
    let latency = Duration::from_millis(millis);
    sim.reply(SimReply { latency, ..SimReply::text(format!("Here after {millis} ms.")) });
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    let third = Sim::start(Dialect::Ollama).await?;
    for (sim, millis) in [(&first, 400), (&second, 100), (&third, 50)] {
        set_latency(sim, millis);
    }
    let targets = [
        Target::new("openai", "gpt-6.1-sol"),
        Target::new("anthropic", "claude-sonnet-4-6").max_retries(0),
        Target::new("local", "llama3.2"),
    ];
    let client = Client::builder()
        .provider("openai", provider(&first)?)
        .provider("anthropic", provider(&second)?)
        .provider("local", provider(&third)?)
        .route(
            Route::new("default", Strategy::Race, targets)
                .race(RaceConfig::with(|config| config.width = Some(2))),
        )
        .build()?;

    println!("-- two targets at once");
    let answer = client.chat(ChatRequest::user("Hello!")).await?;
    println!("{:?} by {}\n{}", answer.text(), answer.served_by(), answer.trace());

    println!("-- one of the two fails, and the third replaces it");
    second.fault(Fault::status(500));
    let answer = client.chat(ChatRequest::user("Hello!")).await?;
    println!("{:?} by {}\n{}", answer.text(), answer.served_by(), answer.trace());

    tokio::time::timeout(Duration::from_secs(2), first.wait_until(|counts| counts.open == 0)).await?;
    println!("calls: {} + {} + {}, none in flight", first.calls(), second.calls(), third.calls());
    Ok(())
}
