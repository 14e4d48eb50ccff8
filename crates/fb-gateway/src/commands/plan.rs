//! `fb plan`: prints the targets of a request in order, with reasons.

mod money;

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use fb::{ChatRequest, Client, Config, Destination, Facts, Options, Plan, Route, Rules, Signals, Strategy};

use self::money::parse_dollars;
use crate::{config, input, requests, stdout::print_line};

/// Arguments of `fb plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Config file.
    #[arg(long)]
    pub config: PathBuf,
    /// File with the body of a chat completions request; `-` for standard input.
    pub request: PathBuf,
    /// Target to try first: PROVIDER/MODEL, or PROVIDER for any of its targets.
    #[arg(long)]
    pub prefer: Option<String>,
    /// Session of the request, for routes that are sticky by session.
    #[arg(long)]
    pub session: Option<String>,
    /// Tag of the request, for routes that are sticky by a tag; repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_tag)]
    pub tag: Vec<(String, String)>,
    /// Region in which the request may be processed; repeatable.
    #[arg(long)]
    pub region: Vec<String>,
    /// Data class of the request; only targets approved for it are called.
    #[arg(long)]
    pub data_class: Option<String>,
    /// Allowed PROVIDER or PROVIDER/MODEL; repeatable.
    #[arg(long)]
    pub allow: Vec<String>,
    /// Highest cost of one call, in US dollars.
    #[arg(long, value_name = "USD", value_parser = parse_dollars)]
    pub max_cost: Option<fb::Money>,
}

/// Prints the plan of a request. Exits with 1 if no target may be called.
pub(crate) fn plan(args: &PlanArgs) -> Result<ExitCode, String> {
    let loaded = config::load_without_keys(&args.config)?;
    let request = read(&args.request, loaded.server.max_body)?.with_options(options(args));
    let builder = Client::builder().config(&loaded.fb).map_err(|error| error.to_string())?;
    let client = builder.build().map_err(|error| error.to_string())?;
    let destination = client.destination(&request).map_err(|error| error.to_string())?;
    let plan = client.plan(&request).map_err(|error| error.to_string())?;
    print_line(describe(&loaded.fb, &request, &destination, &plan)?.trim_end());
    Ok(if plan.order.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(file: &Path, max: usize) -> Result<ChatRequest, String> {
    let mut body = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let name = file.display();
    input::open(file)?.take(limit).read_to_end(&mut body).map_err(|error| format!("{name}: {error}"))?;
    if body.len() > max {
        return Err(format!("{name}: expected at most {max} bytes (server.max_body)"));
    }
    requests::from_body(body).map_err(|error| format!("{name}: {error}"))
}

fn options(args: &PlanArgs) -> Options {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    Options {
        prefer: args.prefer.clone(),
        session: args.session.clone(),
        tags: args.tag.iter().cloned().collect(),
        rules: Rules {
            regions: some(&args.region),
            data_class: args.data_class.clone(),
            allowed: some(&args.allow),
            ceiling: args.max_cost,
        },
        ..Options::default()
    }
}

/// Formats the route and class of a request, the facts that routing depends on, and the plan.
fn describe(
    config: &Config,
    request: &ChatRequest,
    destination: &Destination,
    plan: &Plan,
) -> Result<String, String> {
    let chat = request.chat().map_err(ToString::to_string)?;
    let Destination { requested, class, route, .. } = destination;
    let strategy = config.routes.get(route).map_or(Strategy::Priority, |route| route.strategy);
    let class = match (class, config.routes.get(requested)) {
        (Some(class), Some(Route { complexity, .. })) => {
            let (_, evidence) = complexity.explain(&Signals::from_chat(chat));
            if requested == route {
                format!(", class {class} ({evidence})")
            } else {
                format!(", for class {class} ({evidence}) of route {requested}")
            }
        }
        _ => String::new(),
    };
    let facts = describe_facts(&Facts::from_request(request).with_messages(chat));
    Ok(format!("route {route} ({}){class}\n{facts}\n{plan}", strategy_name(strategy)?))
}

/// Lists the tokens and the capabilities that a request needs.
fn describe_facts(facts: &Facts<'_>) -> String {
    let output = match facts.max_output {
        Some(max) => format!("at most {max} output tokens"),
        None => format!("no output limit ({} tokens assumed)", facts.expected_output()),
    };
    let needs = facts.needs;
    let capabilities = [
        (needs.tools, "tools"),
        (needs.parallel_tools, "parallel tools"),
        (needs.json_schema, "JSON schema"),
        (needs.vision, "images"),
    ];
    let needed = capabilities.into_iter().filter(|(needed, _)| *needed).map(|(_, name)| name.to_owned());
    let tokens = [format!("about {} input tokens", facts.input_tokens), output];
    tokens.into_iter().chain(needed).collect::<Vec<_>>().join(", ")
}

/// Returns the name of a strategy in a config file.
fn strategy_name(strategy: Strategy) -> Result<String, String> {
    match serde_json::to_value(strategy) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        other => Err(format!("a strategy without a name: {other:?}")),
    }
}

fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests;
