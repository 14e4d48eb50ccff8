//! Breaks the running `fb` server on purpose, over real sockets, and checks what its clients saw and what its
//! providers were asked. One row a scenario; exits with 1 when a row is red.

mod scenarios;
mod stage;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use tokio::time::Instant;

use crate::scenarios::{SCENARIOS, Scenario};

/// Most time one scenario may take; what hangs is red, not silent.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Parser)]
struct Args {
    /// The `fb` binary to break.
    #[arg(long)]
    fb: PathBuf,
    /// Only scenarios whose name holds this text.
    #[arg(long)]
    only: Option<String>,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the table is the result")]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let fb = args.fb.canonicalize().with_context(|| format!("no fb binary at {}", args.fb.display()))?;
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| args.only.as_ref().is_none_or(|only| scenario.name.contains(only.as_str())))
        .collect();
    anyhow::ensure!(!chosen.is_empty(), "no scenario's name holds {:?}", args.only.unwrap_or_default());

    // The gateway is asked over plain HTTP, but an HTTP client is not built without TLS.
    drop(rustls::crypto::ring::default_provider().install_default());
    println!(
        "{:<24} {:>8}  {:<34} {:<34} verdict",
        "scenario", "time", "clients saw", "providers were asked"
    );
    let mut red = 0;
    for scenario in &chosen {
        let began = Instant::now();
        let run = tokio::time::timeout(PATIENCE, (scenario.run)(fb.clone())).await;
        let took = format!("{:.1} s", began.elapsed().as_secs_f64());
        let run = run.unwrap_or_else(|_elapsed| Err(anyhow::anyhow!("not over after {PATIENCE:?}")));
        match run {
            Ok(row) => {
                println!("{:<24} {took:>8}  {:<34} {:<34} ok", scenario.name, row.clients, row.providers);
            }
            Err(error) => {
                red += 1;
                println!("{:<24} {took:>8}  RED: {error:#}", scenario.name);
            }
        }
    }
    println!("\n{} passed, {red} failed", chosen.len() - red);
    Ok(if red == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
