//! The first target is overloaded, so the second answers. A content-policy block by the first is returned to the caller
//! and not retried elsewhere.

use std::sync::Arc;

use fb::{ChatRequest, Client, Error, Provider, Route, Target, providers::ProviderConfig};
use fb_sim::{BlockForm, Dialect, Fault, Sim};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    let client = Client::builder()
        .provider("openai", provider(&first)?)
        .provider("anthropic", provider(&second)?)
        .route(Route::priority(
            "default",
            [Target::new("openai", "gpt-6.1-sol"), Target::new("anthropic", "claude-sonnet-4-6")],
        ))
        .build()?;

    println!("-- both targets work");
    let answer = client.chat(ChatRequest::user("Hello!")).await?;
    println!("{:?} by {} at level {}\n{}", answer.text(), answer.served_by(), answer.level(), answer.trace());

    println!("-- the first target is overloaded");
    first.fault(Fault::status(503));
    let answer = client.chat(ChatRequest::user("Hello!")).await?;
    println!("{:?} by {} at level {}\n{}", answer.text(), answer.served_by(), answer.level(), answer.trace());

    println!("-- the first target refuses the content");
    first.fault(Fault::Block(BlockForm::Http400));
    let before = second.calls();
    match client.chat(ChatRequest::user("Hello!")).await {
        Err(Error::Blocked(ended)) => println!("{}\n{}", ended.cause.detail, ended.report.trace),
        other => return Err(format!("expected a block, not {other:?}").into()),
    }
    println!("calls to the second target: {}", second.calls() - before);
    Ok(())
}
