//! Golden cases, asked of every target of a route: does a fallback answer as the primary does?

mod ask;
mod cases;
mod progress;
mod report;
mod summary;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use clap::Args;
use futures_util::StreamExt;

use self::{
    ask::{Bench, MAX_CONCURRENCY},
    cases::Case,
    progress::Progress,
    summary::Summary,
};
use crate::{
    config::{Loaded, eval::default_min_pass, load_to_evaluate},
    evaluations::{Outcome, Results},
    runtime::{runtime, wall_time},
    stdout::say,
};

/// What `fb eval` is told.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The config file; the keys of its providers must be there.
    #[arg(long)]
    pub config: PathBuf,
    /// Golden cases, one JSON object a line; `-` reads standard input.
    pub cases: PathBuf,
    /// The route whose targets are asked, by its name or an alias.
    #[arg(long, default_value = "default")]
    pub route: String,
    /// Where outcomes are written as they come; what stands there is not asked again. Default: `eval.results` of the
    /// config; without either nothing is kept.
    #[arg(long)]
    pub results: Option<PathBuf>,
    /// Ask everything anew, whatever the results say.
    #[arg(long)]
    pub again: bool,
    /// The share of the cases that every target must pass, 0 to 1. Default: `eval.min_pass` of the config, or 0.9.
    #[arg(long, value_parser = share)]
    pub min_pass: Option<f64>,
    /// Requests at one time, 1 to 64.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_CONCURRENCY)))]
    pub concurrency: u8,
    /// An HTML page to write, with every case and every answer; of one that a check of the route turned down, the check.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// Asks every target of a route every case, and prints who passes.
pub(crate) fn eval(args: &EvalArgs) -> Result<ExitCode, String> {
    let loaded = load_to_evaluate(&args.config)?;
    let cases = cases::read(&args.cases)?;
    let bench = Bench::new(&loaded.fb, &args.route)?;
    let mut results = open(args, &loaded)?;
    let summary = runtime()?.block_on(run(args, &bench, &cases, &mut results))?;
    let min_pass =
        args.min_pass.unwrap_or_else(|| loaded.eval.map_or_else(default_min_pass, |eval| eval.min_pass));
    say(&summary.print(min_pass));
    if let Some(file) = &args.report {
        let page = report::page(&summary, &cases, min_pass);
        std::fs::write(file, page).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(if summary.passes(min_pass) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open(args: &EvalArgs, loaded: &Loaded) -> Result<Results, String> {
    let file = args.results.as_deref().or_else(|| Some(loaded.eval.as_ref()?.results.as_path()));
    Results::open(file)
}

/// Asks what is not known yet, several at a time, and notes every outcome as it comes.
async fn run(
    args: &EvalArgs,
    bench: &Bench,
    cases: &[Case],
    results: &mut Results,
) -> Result<Summary, String> {
    let mut outcomes = BTreeMap::new();
    let mut open = Vec::new();
    for (place, target) in bench.targets().iter().enumerate() {
        for (index, case) in cases.iter().enumerate() {
            let key = bench.key(place, case);
            match results.known(bench.route(), &target.name, &key).filter(|_| !args.again) {
                Some(known) => {
                    // A case without an id is called by its line, which may be another one today.
                    let outcome = Outcome { case: case.id.clone(), ..known.clone() };
                    drop(outcomes.insert((place, index), outcome));
                }
                None => open.push((place, index)),
            }
        }
    }
    let progress = Progress::new(open.len(), outcomes.len());
    let asked = open
        .into_iter()
        .map(|(place, index)| async move { ((place, index), bench.ask(place, &cases[index]).await) });
    let mut asked = futures_util::stream::iter(asked).buffer_unordered(usize::from(args.concurrency));
    while let Some((place, outcome)) = asked.next().await {
        results.note(&outcome)?;
        progress.step();
        outcomes.insert(place, outcome);
    }
    progress.end();
    let summary = Summary::new(bench.route(), bench.targets(), cases.len(), outcomes);
    for evaluation in summary.evaluations(wall_time()) {
        results.evaluated(&evaluation)?;
    }
    Ok(summary)
}

/// A share on the command line.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests;
