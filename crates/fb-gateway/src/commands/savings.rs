//! `fb savings`: compares the cost of routing by class with that of sending every request to the best model.

mod cost_table;
mod prices;
mod query;

use std::{io::BufReader, path::PathBuf, process::ExitCode};

use clap::Args;
use fb::{Client, Config, TargetId};

use self::{cost_table::CostTable, prices::PricedTarget, query::Query};
use crate::{config, input, jsonl::for_each_line, stdout::print_line};

/// Arguments of `fb savings`.
#[derive(Debug, Args)]
pub struct SavingsArgs {
    /// Config file; its targets need a `price`.
    #[arg(long)]
    pub config: PathBuf,
    /// File with one request per line: a text, `{"text": "...", "input_tokens": 900, "output_tokens": 300}`, or a
    /// chat request with `messages`; `-` for standard input.
    pub queries: PathBuf,
    /// Route of requests without a `model`.
    #[arg(long, default_value = "default")]
    pub route: String,
    /// Target to compare with, as PROVIDER/MODEL [default: of the targets of the route and of its classes, the one at
    /// which all requests together cost most].
    #[arg(long)]
    pub best: Option<TargetId>,
}

/// Prints the cost of the requests by class and target, and the total beside that at the best model.
pub(crate) fn savings(args: &SavingsArgs) -> Result<ExitCode, String> {
    let loaded = config::load_without_keys(&args.config)?;
    let builder = Client::builder().config(&loaded.fb).map_err(|error| error.to_string())?;
    // A fixed seed, so that strategies with random choices give the same table every time.
    let client = builder.seed(0).build().map_err(|error| error.to_string())?;
    let candidates = match &args.best {
        Some(best) => vec![prices::find_target(&loaded.fb, best)?],
        None => prices::route_targets(&loaded.fb, &args.route)?,
    };
    let mut costs = CostTable::new(candidates);
    let reader = BufReader::new(input::open(&args.queries)?);
    for_each_line(reader, |line| add(&mut costs, &loaded.fb, &client, &Query::parse(line, &args.route)?))
        .map_err(|(line, error)| format!("{}:{line}  {error}", args.queries.display()))?;
    if costs.is_empty() {
        return Err(format!("{}: no request; expected one per line", args.queries.display()));
    }
    print_line(&costs.print()?);
    Ok(ExitCode::SUCCESS)
}

/// Adds the cost of a request at the first target of its plan.
fn add(costs: &mut CostTable, config: &Config, client: &Client, query: &Query) -> Result<(), String> {
    let request = &query.request;
    let destination = client.destination(request).map_err(|error| error.to_string())?;
    let plan = client.plan(request).map_err(|error| error.to_string())?;
    let Some(first) = plan.order.first() else {
        let refused = plan.inadmissible.iter().map(|one| format!("{}: {}", one.target, one.refusal));
        return Err(format!("no target may be called; {}", refused.collect::<Vec<_>>().join("; ")));
    };
    let price = prices::price_on_route(config, &destination.route, &first.target)?;
    costs.add(destination.class, PricedTarget { target: first.target.clone(), price }, query.usage()?);
    Ok(())
}

#[cfg(test)]
mod tests;
