//! Seven of ten requests go to the first target, three to the second; then the weights are adjusted to the success rates.

use std::{collections::BTreeMap, sync::Arc};

use fb::{ChatRequest, Client, Error, Provider, Route, Strategy, Target, providers::ProviderConfig};
use fb_sim::{Dialect, Fault, Sim};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

/// Sends twenty requests and counts the answers of each target.
async fn send_twenty(client: &Client) -> Result<BTreeMap<String, u32>, Error> {
    let mut served = BTreeMap::new();
    for _ in 0..20 {
        let answer = client.chat(ChatRequest::user("Hello!")).await?;
        *served.entry(answer.served_by()).or_default() += 1;
    }
    Ok(served)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
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

    println!("plan of the next request:\n{}", client.plan(&ChatRequest::user("Hello!"))?);
    println!("with weights 70 and 30: {:?}", send_twenty(&client).await?);

    first.fault_next(4, Fault::status(500));
    println!("the first target fails 4 times: {:?}", send_twenty(&client).await?);
    let weights = client.adjust_weights("default").ok_or("expected a route")?;
    for (target, weight) in weights {
        println!("new weight of {target}: {weight:.3}");
    }
    println!("with the new weights: {:?}", send_twenty(&client).await?);
    Ok(())
}
