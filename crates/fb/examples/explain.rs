//! The record of a request that failed over: the ranking of the targets with its reasons, the exclusions, and every
//! attempt.

use std::sync::Arc;

use fb::{ChatRequest, Client, Error, Options, Provider, Route, Rules, Target, providers::ProviderConfig};
use fb_sim::{Dialect, Fault, Sim};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    let abroad = Sim::start(Dialect::Ollama).await?;
    let targets = [
        Target::new("abroad", "llama3.2").region("us"),
        Target::new("openai", "gpt-6.1-sol").region("eu"),
        Target::new("anthropic", "claude-sonnet-4-6").region("eu"),
    ];
    let client = Client::builder()
        .provider("abroad", provider(&abroad)?)
        .provider("openai", provider(&first)?)
        .provider("anthropic", provider(&second)?)
        .route(Route::priority("default", targets))
        .build()?;
    first.fault(Fault::status(503));

    let rules = Rules { regions: Some(vec!["eu".to_owned()]), ..Rules::default() };
    let options = Options { rules, tenant: Some("acme".into()), ..Options::default() };
    let answer = client.chat(ChatRequest::user("Hello!").with_options(options)).await?;

    // The id is in every report, and in the header `x-request-id` of the gateway.
    let record = client.trace(answer.report.id).ok_or("expected a record")?;
    println!("{record}");

    println!("latest requests, newest first:");
    client.chat(ChatRequest::user("Hello again!")).await?;
    for record in client.traces(10) {
        println!("{}  {}", record.id(), record.report.trace.one_line());
    }
    Ok(())
}
