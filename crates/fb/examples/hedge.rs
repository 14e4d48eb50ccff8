//! The first target is slow, so a second one is called in parallel. A budget limits the share of hedged requests.

use std::{sync::Arc, time::Duration};

use fb::{
    ChatRequest, Client, Error, HedgeAfter, HedgeConfig, Provider, Route, Strategy, Target,
    providers::ProviderConfig,
};
use fb_sim::{Dialect, Sim, SimReply};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    first.reply(SimReply { latency: Duration::from_millis(300), ..SimReply::text("Late.") });
    second.reply(SimReply::text("At once."));
    // Allows a second call for half of the requests. The default is one in twenty, after the p95 of the first target.
    let hedge = HedgeConfig::with(|config| {
        config.after = HedgeAfter::Time(Duration::from_millis(100));
        config.budget = 0.5;
    });
    let targets = [Target::new("openai", "gpt-6.1-sol"), Target::new("anthropic", "claude-sonnet-4-6")];
    let client = Client::builder()
        .provider("openai", provider(&first)?)
        .provider("anthropic", provider(&second)?)
        .route(Route::new("default", Strategy::Hedged, targets).hedge(hedge))
        .build()?;

    println!("{}", client.plan(&ChatRequest::user("Hello!"))?);
    for _ in 0..4 {
        let answer = client.chat(ChatRequest::user("Hello!")).await?;
        println!("{:?} by {}\n{}", answer.text(), answer.served_by(), answer.trace());
    }
    println!("calls: {} + {} for 4 requests", first.calls(), second.calls());
    Ok(())
}
