//! Records of finished requests, without prompts and answers. `fb backtest` replays such a file through another config.

use std::sync::Arc;

use fb::{ChatRequest, Client, Error, Provider, Route, Target, providers::ProviderConfig};
use fb_sim::{Dialect, Fault, Sim};
use fb_telemetry::record::{RecordConfig, RecordEntry, Recorder};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (primary, backup) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    let file = std::env::temp_dir().join(format!("fb-example-{}.jsonl", std::process::id()));
    let recorder = Arc::new(Recorder::start(&RecordConfig::new(&file))?);
    let targets = [Target::new("openai", "gpt-6.1-sol"), Target::new("anthropic", "claude-sonnet-4-6")];
    let client = Client::builder()
        .provider("openai", provider(&primary)?)
        .provider("anthropic", provider(&backup)?)
        .route(Route::priority("default", targets))
        .observer(Arc::clone(&recorder) as _)
        .build()?;
    client.chat(ChatRequest::user("A secret.")).await?;
    primary.fault(Fault::Refuse);
    client.chat(ChatRequest::user("Another secret.")).await?;
    recorder.close();

    let text = std::fs::read_to_string(&file)?;
    std::fs::remove_file(&file)?;
    for line in text.lines() {
        let RecordEntry { outcome, by, attempts, .. } = serde_json::from_str(line)?;
        println!("{outcome:?} by {} after {} calls", by.unwrap_or_default(), attempts.len());
    }
    println!("{text}holds a secret: {}", text.contains("secret"));
    Ok(())
}
