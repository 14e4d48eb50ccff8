//! A stream that breaks before its first output moves to the next target; one that breaks after it ends with an error.

use std::{io::Write, sync::Arc};

use fb::{
    ChatRequest, ChatStream, Client, Error, Provider, Route, StreamEvent, Target, providers::ProviderConfig,
};
use fb_sim::{Dialect, Fault, Sim, SimReply};
use futures_util::StreamExt;

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

/// Prints the text as it arrives, then the outcome and the trace.
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn print(mut stream: ChatStream) -> std::io::Result<()> {
    let ended = loop {
        let frame = match stream.next().await {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => break format!("{error} [{}]", error.code()),
            None => break "complete".to_owned(),
        };
        for event in &frame.events {
            if let StreamEvent::Text(text) = event {
                print!("{text}|");
                std::io::stdout().flush()?;
            }
        }
    };
    println!("\n{ended}\n{}", stream.report().trace);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    for sim in [&first, &second] {
        let text = format!("A few words of {}, in pieces.", sim.dialect());
        sim.reply(SimReply { chunks: 5, ..SimReply::text(text) });
    }
    let targets =
        [Target::new("openai", "gpt-6.1-sol").max_retries(0), Target::new("anthropic", "claude-sonnet-4-6")];
    let client = Client::builder()
        .provider("openai", provider(&first)?)
        .provider("anthropic", provider(&second)?)
        .route(Route::priority("default", targets))
        .build()?;

    println!("-- cut before the first output: another target answers");
    first.fault_next(1, Fault::CutAfterEvents { events: 1, reset: false });
    print(client.stream(ChatRequest::user("Hello!")).await?).await?;

    println!("-- cut after three events, two of them text: the stream ends with an error");
    first.fault_next(1, Fault::CutAfterEvents { events: 3, reset: false });
    print(client.stream(ChatRequest::user("Hello!")).await?).await?;

    println!("-- collected into one answer");
    let answer = client.stream(ChatRequest::user("Hello!")).await?.collect().await?;
    println!("{:?} by {}", answer.text(), answer.served_by());
    Ok(())
}
