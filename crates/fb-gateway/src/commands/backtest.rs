//! `fb backtest`: replays recorded requests against another config and compares the results.

mod figures;
mod history;
mod records;
mod replay;
mod synthetic_request;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use fb::Config;
use fb_telemetry::record::RecordEntry;

use self::{
    figures::{Comparison, compare, print},
    replay::replay,
};
use crate::{config, dry_run::DryRun, stdout::print_line};

/// Arguments of `fb backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// Config file to try.
    #[arg(long)]
    pub config: PathBuf,
    /// Replay only the requests that were recorded for this route.
    #[arg(long)]
    pub route: Option<String>,
    /// Latency of targets at a provider that was never called.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub assume_latency: Duration,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Files written by `[record]`, in any order; `-` for standard input.
    #[arg(required = true)]
    pub records: Vec<PathBuf>,
}

/// Replays recorded requests against a config and prints the recorded and the predicted figures.
pub(crate) fn backtest(args: &BacktestArgs) -> Result<ExitCode, String> {
    let config = config::load_without_keys(&args.config)?.fb;
    let entries = filter_by_route(records::read(&args.records)?, args.route.as_deref())?;
    let comparison = run(&config, &entries, args.assume_latency)?;
    if args.json {
        print_line(&serde_json::to_string_pretty(&comparison).map_err(|error| error.to_string())?);
    } else {
        print_line(&print(&comparison));
    }
    Ok(ExitCode::SUCCESS)
}

/// Replays the entries. The result is a function of the arguments.
fn run(config: &Config, entries: &[RecordEntry], latency: Duration) -> Result<Comparison, String> {
    let dry_run = DryRun::new(config)?;
    Ok(compare(&replay(config, &dry_run, entries, latency)?))
}

fn filter_by_route(mut entries: Vec<RecordEntry>, only: Option<&str>) -> Result<Vec<RecordEntry>, String> {
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
