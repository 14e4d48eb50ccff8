//! Breaks the running `fb` server on purpose, over real sockets, and checks the responses of its clients and the calls
//! to its providers. Prints one row per scenario, and exits with 1 if a row is red.

mod scenarios;
mod testbed;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use tokio::time::Instant;

use crate::scenarios::{SCENARIOS, Scenario};

/// Time limit of one scenario, so that a hang is reported as a failure.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(180);

#[derive(Debug, Parser)]
struct Args {
    /// Path of the `fb` binary.
    #[arg(long)]
    fb: PathBuf,
    /// Run only the scenarios with this text in their name.
    #[arg(long)]
    only: Option<String>,
    /// Replay incidents for this many minutes instead of the few seconds of the suite.
    #[arg(long)]
    minutes: Option<u32>,
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
    anyhow::ensure!(!chosen.is_empty(), "no scenario's name contains {:?}", args.only.unwrap_or_default());

    let replay = args.minutes.map(|minutes| Duration::from_secs(60) * minutes);
    let limit = SCENARIO_TIMEOUT + replay.unwrap_or_default();

    println!("{:<24} {:>8}  {:<34} {:<34} verdict", "scenario", "time", "clients", "calls to providers");
    let mut red = 0;
    for scenario in &chosen {
        let began = Instant::now();
        let run = tokio::time::timeout(limit, (scenario.run)(fb.clone(), replay)).await;
        let took = format!("{:.1} s", began.elapsed().as_secs_f64());
        let run = run.unwrap_or_else(|_elapsed| Err(anyhow::anyhow!("not finished after {limit:?}")));
        match run {
            Ok(summary) => println!(
                "{:<24} {took:>8}  {:<34} {:<34} ok",
                scenario.name, summary.clients, summary.providers
            ),
            Err(error) => {
                red += 1;
                println!("{:<24} {took:>8}  RED: {error:#}", scenario.name);
            }
        }
    }
    println!("\n{} passed, {red} failed", chosen.len() - red);
    Ok(if red == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
