mod figures;
mod memory;
mod read;
mod replay;
mod request;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use fb::Config;
use fb_telemetry::record::RecordEntry;

use self::{
    figures::{Comparison, compare, print},
    read::read,
    replay::replay,
};
use crate::{config, dry_run::Stage, stdout::say};

/// What `fb backtest` is told.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// The config to try; its keys need not be there.
    #[arg(long)]
    pub config: PathBuf,
    /// Only the requests that this route served when they were recorded.
    #[arg(long)]
    pub route: Option<String>,
    /// How long an answer takes of a target that neither itself nor its provider was ever called.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub assume_latency: Duration,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Files that `[record]` wrote, in any order; `-` reads standard input.
    #[arg(required = true)]
    pub records: Vec<PathBuf>,
}

/// Plays recorded requests through a config and prints what would have come of them.
pub(crate) fn backtest(args: &BacktestArgs) -> Result<ExitCode, String> {
    let config = config::load_without_keys(&args.config)?.fb;
    let entries = of_route(read(&args.records)?, args.route.as_deref())?;
    let comparison = run(&config, &entries, args.assume_latency)?;
    if args.json {
        say(&serde_json::to_string_pretty(&comparison).map_err(|error| error.to_string())?);
    } else {
        say(&print(&comparison));
    }
    Ok(ExitCode::SUCCESS)
}

/// The same entries and the same config give the same comparison.
fn run(config: &Config, entries: &[RecordEntry], latency: Duration) -> Result<Comparison, String> {
    let stage = Stage::new(config)?;
    let replayed = replay(config, &stage, entries, latency)?;
    Ok(compare(&replayed))
}

fn of_route(mut entries: Vec<RecordEntry>, only: Option<&str>) -> Result<Vec<RecordEntry>, String> {
    if let Some(name) = only {
        let mut known: Vec<String> = entries.iter().map(|entry| entry.route.clone()).collect();
        entries.retain(|entry| entry.route == name);
        if entries.is_empty() {
            known.sort_unstable();
            known.dedup();
            return Err(format!(
                "no request of the route {name:?}; routes in the records: {}",
                known.join(", ")
            ));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
