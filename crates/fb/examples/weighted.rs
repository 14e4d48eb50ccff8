//! Seven of ten requests go to the first target, three to the second; then the weights follow who answered.

use std::{collections::BTreeMap, sync::Arc};

use fb::{ChatRequest, Client, Error, Provider, Route, Strategy, Target, providers::ProviderConfig};
use fb_sim::{Dialect, Fault, Sim};

/// A simulator as a provider: only the address differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(ProviderConfig { base_url: Some(sim.base_url()), ..config }.build()?)
}

/// Asks twenty times, and counts who answered.
async fn ask(client: &Client) -> Result<BTreeMap<String, u32>, Error> {
    let mut served = BTreeMap::new();
    for _ in 0..20 {
        let answer = client.chat(ChatRequest::user("Hello!")).await?;
        *served.entry(answer.served_by()).or_default() += 1;
    }
    Ok(served)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    let targets = [
        Target::new("openai", "gpt-6.1-sol").weight(70.0).max_retries(0),
        Target::new("anthropic", "claude-sonnet-4-6").weight(30.0).max_retries(0),
    ];
    let client = Client::builder()
        .provider("openai", provider(&first)?)
        .provider("anthropic", provider(&second)?)
        .route(Route::new("default", Strategy::Weighted, targets))
        .build()?;

    println!("who is next:\n{}", client.plan(&ChatRequest::user("Hello!"))?);
    println!("by weight 70 to 30: {:?}", ask(&client).await?);

    first.fault_next(4, Fault::status(500));
    println!("the first fails 4 times: {:?}", ask(&client).await?);
    let weights = client.adjust_weights("default").ok_or("there is such a route")?;
    for (target, weight) in weights {
        println!("new weight of {target}: {weight:.3}");
    }
    println!("by the new weights: {:?}", ask(&client).await?);
    Ok(())
}
