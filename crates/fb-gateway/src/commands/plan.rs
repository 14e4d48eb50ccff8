mod money;

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use fb::{ChatRequest, Client, Config, Destination, Facts, Options, Plan, Route, Rules, Signals, Strategy};

use self::money::dollars;
use crate::{
    config, requests,
    stdout::{open, say},
};

/// What `fb plan` is told.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The config file.
    #[arg(long)]
    pub config: PathBuf,
    /// A chat request as an OpenAI client sends it; `-` reads standard input.
    pub request: PathBuf,
    /// The target to try first: PROVIDER/MODEL, or any of this PROVIDER.
    #[arg(long)]
    pub prefer: Option<String>,
    /// The conversation it belongs to, where requests stick by it.
    #[arg(long)]
    pub session: Option<String>,
    /// What else it belongs to, where requests stick by it; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = tag)]
    pub tag: Vec<(String, String)>,
    /// A region it may be computed in; may be given several times.
    #[arg(long)]
    pub region: Vec<String>,
    /// The class of its data, which a target has to be approved for.
    #[arg(long)]
    pub data_class: Option<String>,
    /// Who may see it, a PROVIDER or a PROVIDER/MODEL; may be given several times.
    #[arg(long)]
    pub allow: Vec<String>,
    /// Most that one call may cost, in US dollars.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub max_cost: Option<fb::Money>,
}

/// Prints where a request would go. 1 when nobody may be asked.
pub(crate) fn plan(args: &PlanArgs) -> Result<ExitCode, String> {
    let loaded = config::load_without_keys(&args.config)?;
    let request = read(&args.request, loaded.server.max_body)?.with_options(options(args));
    let builder = Client::builder().config(&loaded.fb).map_err(|error| error.to_string())?;
    let client = builder.build().map_err(|error| error.to_string())?;
    let destination = client.destination(&request).map_err(|error| error.to_string())?;
    let plan = client.plan(&request).map_err(|error| error.to_string())?;
    say(describe(&loaded.fb, &request, &destination, &plan)?.trim_end());
    Ok(if plan.order.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(file: &Path, most: usize) -> Result<ChatRequest, String> {
    let mut body = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let at = file.display();
    open(file)?.take(limit).read_to_end(&mut body).map_err(|error| format!("{at}: {error}"))?;
    if body.len() > most {
        return Err(format!("{at}: expected at most {most} bytes, as server.max_body says"));
    }
    requests::of_body(body).map_err(|error| format!("{at}: {error}"))
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

/// Where a request goes and why, what of it decides that, and the plan.
fn describe(
    config: &Config,
    request: &ChatRequest,
    destination: &Destination,
    plan: &Plan,
) -> Result<String, String> {
    let chat = request.chat().map_err(ToString::to_string)?;
    let Destination { requested, class, route } = destination;
    let strategy = config.routes.get(route).map_or(Strategy::Priority, |route| route.strategy);
    let class = match (class, config.routes.get(requested)) {
        (Some(class), Some(Route { complexity, .. })) => {
            let (_, sign) = complexity.explain(&Signals::from_chat(chat));
            let sent = if requested == route { "stays there" } else { "is sent there" };
            format!(": asked of {requested}, {class} ({sign}), which {sent}")
        }
        _ => String::new(),
    };
    let needs = needs(&Facts::from_request(request).with_messages(chat));
    Ok(format!("route {route} ({}){class}\n{needs}\n{plan}", word(strategy)?))
}

/// What a target must be able to take.
fn needs(facts: &Facts<'_>) -> String {
    let output = match facts.max_output {
        Some(most) => format!("at most {most} out"),
        None => format!("no limit out ({} reckoned with)", facts.expected_output()),
    };
    let needs = facts.needs;
    let abilities = [
        (needs.tools, "tools"),
        (needs.parallel_tools, "parallel tools"),
        (needs.json_schema, "a JSON schema"),
        (needs.vision, "pictures"),
    ];
    let needed = abilities.into_iter().filter(|(needed, _)| *needed).map(|(_, what)| what.to_owned());
    let tokens = [format!("about {} tokens in", facts.input_tokens), output];
    tokens.into_iter().chain(needed).collect::<Vec<_>>().join(", ")
}

/// The word of a config for a strategy.
fn word(strategy: Strategy) -> Result<String, String> {
    match serde_json::to_value(strategy) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(format!("a strategy without a word: {other:?}")),
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests;
