//! An answer that violates its schema is repaired once, then the next target is tried. A custom gate checks the text.

use std::sync::Arc;

use fb::{
    Chat, ChatRequest, Client, Defect, Error, Provider, QualityConfig, Reply, Route, Target,
    providers::ProviderConfig,
};
use fb_sim::{Dialect, Sim, SimReply};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

/// A custom quality gate.
fn has_no_todo(_: &Chat, reply: &Reply) -> Result<(), Defect> {
    if reply.text.contains("TODO") { Err(Defect::new("a TODO, expected finished work")) } else { Ok(()) }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (primary, backup) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    primary.reply(SimReply::text(r#"{"town": "Paris"}"#));
    backup.reply(SimReply::text(r#"{"city": "Paris"}"#));

    let quality = QualityConfig::with(|config| {
        config.answer_schema = Some(r#"{"type": "object", "required": ["city"]}"#.to_owned());
        config.repair = true;
    });
    let targets = [Target::new("openai", "gpt-6.1-sol"), Target::new("anthropic", "claude-sonnet-4-6")];
    let client = Client::builder()
        .provider("openai", provider(&primary)?)
        .provider("anthropic", provider(&backup)?)
        .route(Route::priority("default", targets).quality(quality))
        .gate("default", has_no_todo)
        .build()?;
    let answer = client.chat(ChatRequest::user("Which city is the capital of France? As JSON.")).await?;
    println!("{}  (by {})\n{}", answer.text(), answer.served_by(), answer.trace());
    Ok(())
}
