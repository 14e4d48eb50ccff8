//! `fb eval`: sends golden cases to every target of a route and compares the fallbacks with the primary.

mod cases;
mod evaluator;
mod progress;
mod report;
mod summary;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use clap::Args;
use futures_util::StreamExt;

use self::{
    cases::Case,
    evaluator::{Evaluator, MAX_CONCURRENCY},
    progress::Progress,
    summary::Summary,
};
use crate::{
    config::{LoadedConfig, eval::default_min_pass, load_to_evaluate},
    evaluations::{CaseOutcome, ResultsFile},
    runtime::{runtime, wall_time},
    stdout::print_line,
};

/// Arguments of `fb eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Config file; the API keys of its providers must be set.
    #[arg(long)]
    pub config: PathBuf,
    /// File of golden cases, one JSON object per line; `-` for standard input.
    pub cases: PathBuf,
    /// Route to evaluate, by name or alias.
    #[arg(long, default_value = "default")]
    pub route: String,
    /// Results file: new outcomes are appended, and known ones are reused [default: `eval.results` of the config, or no
    /// file].
    #[arg(long)]
    pub results: Option<PathBuf>,
    /// Send every case again, even if its outcome is known.
    #[arg(long)]
    pub again: bool,
    /// Share of the cases that every target must pass, 0 to 1 [default: `eval.min_pass` of the config, or 0.9].
    #[arg(long, value_parser = parse_share)]
    pub min_pass: Option<f64>,
    /// Number of concurrent requests, 1 to 64.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_CONCURRENCY)))]
    pub concurrency: u8,
    /// HTML report to write, with every case and every answer. An answer that a quality gate of the route rejected is
    /// replaced by the reason.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// Sends every case to every target and prints a summary. Exits with 1 if a target is below the required share.
pub(crate) fn eval(args: &EvalArgs) -> Result<ExitCode, String> {
    let loaded = load_to_evaluate(&args.config)?;
    let cases = cases::read(&args.cases)?;
    let evaluator = Evaluator::new(&loaded.fb, &args.route)?;
    let mut results = open_results(args, &loaded)?;
    let summary = runtime()?.block_on(run(args, &evaluator, &cases, &mut results))?;
    let min_pass =
        args.min_pass.unwrap_or_else(|| loaded.eval.map_or_else(default_min_pass, |eval| eval.min_pass));
    print_line(&summary.print(min_pass));
    if let Some(file) = &args.report {
        let page = report::page(&summary, &cases, min_pass);
        std::fs::write(file, page).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(if summary.passes(min_pass) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open_results(args: &EvalArgs, loaded: &LoadedConfig) -> Result<ResultsFile, String> {
    let file = args.results.as_deref().or_else(|| Some(loaded.eval.as_ref()?.results.as_path()));
    ResultsFile::open(file)
}

/// Runs the cases without a known outcome, several at a time, and appends every outcome to the results as it arrives.
async fn run(
    args: &EvalArgs,
    evaluator: &Evaluator,
    cases: &[Case],
    results: &mut ResultsFile,
) -> Result<Summary, String> {
    let mut outcomes = BTreeMap::new();
    let mut pending = Vec::new();
    for (target_index, target) in evaluator.targets().iter().enumerate() {
        for (case_index, case) in cases.iter().enumerate() {
            let key = evaluator.key(target_index, case);
            match results.known(evaluator.route(), &target.name, &key).filter(|_| !args.again) {
                Some(known) => {
                    // A case without an id is named after its line, which may have changed.
                    let outcome = CaseOutcome { case: case.id.clone(), ..known.clone() };
                    drop(outcomes.insert((target_index, case_index), outcome));
                }
                None => pending.push((target_index, case_index)),
            }
        }
    }
    let progress = Progress::new(pending.len(), outcomes.len());
    let runs = pending.into_iter().map(|(target, case)| async move {
        ((target, case), evaluator.run_case(target, &cases[case]).await)
    });
    let mut runs = futures_util::stream::iter(runs).buffer_unordered(usize::from(args.concurrency));
    while let Some((indices, outcome)) = runs.next().await {
        results.append_outcome(&outcome)?;
        progress.step();
        outcomes.insert(indices, outcome);
    }
    progress.end();
    let summary = Summary::new(evaluator.route(), evaluator.targets(), cases.len(), outcomes);
    for evaluation in summary.evaluations(wall_time()) {
        results.append_evaluation(&evaluation)?;
    }
    Ok(summary)
}

/// Parses a share on the command line.
fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests;
