mod ledger;
mod query;

use std::{io::BufReader, path::PathBuf, process::ExitCode};

use clap::Args;
use fb::{Client, Config, TargetId};

use self::{
    ledger::{Ledger, Priced},
    query::Query,
};
use crate::{
    config,
    jsonl::for_each_line,
    stdout::{open, say},
};

/// What `fb savings` is told.
#[derive(Debug, Args)]
pub struct SavingsArgs {
    /// The config file; its targets need a `price`.
    #[arg(long)]
    pub config: PathBuf,
    /// Requests, one a line: a text, `{"text": "...", "output_tokens": 300}`, or a chat request with `messages`.
    /// `-` reads standard input.
    pub queries: PathBuf,
    /// The route of requests that name none in `model`.
    #[arg(long, default_value = "default")]
    pub route: String,
    /// The target to compare with, PROVIDER/MODEL; without it the one at which all requests together cost most, of
    /// the targets of the route and of its classes.
    #[arg(long)]
    pub best: Option<TargetId>,
}

/// Prints what the requests cost by class and target, and in all beside the best model.
pub(crate) fn savings(args: &SavingsArgs) -> Result<ExitCode, String> {
    let loaded = config::load_without_keys(&args.config)?;
    let builder = Client::builder().config(&loaded.fb).map_err(|error| error.to_string())?;
    // Strategies that draw draw the same each time.
    let client = builder.seed(0).build().map_err(|error| error.to_string())?;
    let compared = match &args.best {
        Some(best) => vec![ledger::priced(&loaded.fb, best)?],
        None => ledger::candidates(&loaded.fb, &args.route)?,
    };
    let mut ledger = Ledger::new(compared);
    let reader = BufReader::new(open(&args.queries)?);
    for_each_line(reader, |line| add(&mut ledger, &loaded.fb, &client, &Query::read(line, &args.route)?))
        .map_err(|(line, error)| format!("{}:{line}  {error}", args.queries.display()))?;
    if ledger.is_empty() {
        return Err(format!("{}: no request; expected one a line", args.queries.display()));
    }
    say(&ledger.print()?);
    Ok(ExitCode::SUCCESS)
}

/// Sends a request on paper to the first target of its plan.
fn add(ledger: &mut Ledger, config: &Config, client: &Client, query: &Query) -> Result<(), String> {
    let request = &query.request;
    let destination = client.destination(request).map_err(|error| error.to_string())?;
    let plan = client.plan(request).map_err(|error| error.to_string())?;
    let Some(first) = plan.order.first() else {
        let refused = plan.inadmissible.iter().map(|one| format!("{}: {}", one.target, one.refusal));
        return Err(format!("nobody may be asked; {}", refused.collect::<Vec<_>>().join("; ")));
    };
    let price = ledger::price_in(config, &destination.route, &first.target)?;
    ledger.add(destination.class, Priced { target: first.target.clone(), price }, query.usage()?);
    Ok(())
}

#[cfg(test)]
mod tests;
