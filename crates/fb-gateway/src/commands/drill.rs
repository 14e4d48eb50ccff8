//! `fb drill`: simulates an outage of every target and prints which target answers instead.

mod outage;
mod results;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use fb::{
    CacheControl, Chat, ChatRequest, Client, Config, Error, Message, Options, Report, Role, Route, TargetId,
};
use tokio::time::Instant;

use self::{
    outage::{Down, Fault, OutageScript},
    results::{OutageResult, RequestResult, print},
};
use crate::{
    config,
    dry_run::{DryRun, Script, virtual_time},
    stdout::print_line,
};

/// Arguments of `fb drill`.
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// Config file.
    #[arg(long)]
    pub config: PathBuf,
    /// Route to drill [default: all routes].
    #[arg(long)]
    pub route: Option<String>,
    /// Number of successive requests during each outage, 1 to 1000.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub requests: u32,
    /// Number of outages of one target that may end in an error; with more, the exit code is 1.
    #[arg(long, default_value_t = 0)]
    pub allow_errors: usize,
}

/// Fails each target of each route alone, then all together, and prints the targets that answered. Exits with 1 if more
/// outages of one target than allowed end in an error.
pub(crate) fn drill(args: &DrillArgs) -> Result<ExitCode, String> {
    let config = config::load_without_keys(&args.config)?.fb;
    let routes = select_routes(&config, args.route.as_deref())?;
    let results = simulate(&config, &routes, args.requests)?;
    print_line(&print(&results, args.requests));
    let failed = results.iter().filter(|result| result.is_single() && result.has_error()).count();
    Ok(if failed > args.allow_errors { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn select_routes<'a>(config: &'a Config, only: Option<&str>) -> Result<Vec<&'a Route>, String> {
    let Some(name) = only else { return Ok(config.routes.values().collect()) };
    let known = || config.routes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let route = config.routes.get(name).ok_or_else(|| format!("no route {name:?}; routes: {}", known()))?;
    Ok(vec![route])
}

/// Runs every outage with a new client, in virtual time.
fn simulate(config: &Config, routes: &[&Route], requests: u32) -> Result<Vec<OutageResult>, String> {
    // Classes are ignored: their routes are drilled by themselves.
    let dry_run = DryRun::new(config)?;
    virtual_time()?.block_on(async {
        let mut results = Vec::new();
        for route in routes {
            let mut downs: Vec<Down> = enabled_targets(route)?.into_iter().map(Down::One).collect();
            downs.push(Down::All);
            for down in downs {
                for fault in Fault::ALL {
                    let simulation = Simulation::new(&dry_run)?;
                    let requests = simulation.run(&route.name, &down, fault, requests).await;
                    let (route, down) = (route.name.clone(), down.clone());
                    results.push(OutageResult { route, down, fault, requests });
                }
            }
        }
        Ok(results)
    })
}

/// Returns the enabled targets of the full level, each once.
fn enabled_targets(route: &Route) -> Result<Vec<TargetId>, String> {
    let mut found = Vec::new();
    for target in route.targets.iter().filter(|target| target.enabled) {
        let name = target.name();
        let id = name.parse().map_err(|error| format!("{name}: {error}"))?;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    Ok(found)
}

/// A new client, and the script of its providers.
struct Simulation {
    client: Client,
    script: Arc<OutageScript>,
}

impl Simulation {
    fn new(dry_run: &DryRun) -> Result<Self, String> {
        let outage = Arc::new(OutageScript::default());
        let script: Arc<dyn Script> = Arc::<OutageScript>::clone(&outage);
        let client = dry_run.client(&script).build().map_err(|error| error.to_string())?;
        Ok(Self { client, script: outage })
    }

    /// Sends one request while all targets work, which fills caches, then `requests` during the outage.
    async fn run(&self, route: &str, down: &Down, fault: Fault, requests: u32) -> Vec<RequestResult> {
        let streamed = fault == Fault::Cut;
        self.send(route, streamed).await;
        self.script.begin_outage(down.clone(), fault);
        let mut results = Vec::new();
        for _ in 0..requests {
            results.push(self.send(route, streamed).await);
        }
        results
    }

    async fn send(&self, route: &str, streamed: bool) -> RequestResult {
        let start = Instant::now();
        let request = request(route);
        let answer = if streamed {
            match self.client.stream(request).await {
                Ok(stream) => stream.collect().await,
                Err(error) => Err(error),
            }
        } else {
            self.client.chat(request).await
        };
        let took = start.elapsed();
        match answer {
            Ok(answer) => RequestResult {
                answered_by: Ok(answer.served_by()),
                level: Some(answer.level()),
                calls: answer.report.attempts(),
                took,
            },
            Err(error) => RequestResult {
                calls: error.report().map_or(0, Report::attempts),
                answered_by: Err(http_error(&error)),
                level: None,
                took,
            },
        }
    }
}

/// Builds a request that bypasses fresh cache entries, which would answer without a target.
fn request(route: &str) -> ChatRequest {
    let messages = vec![Message::text(Role::User, "Which target answers?")];
    let options = Options { cache: CacheControl::NoCache, ..Options::default() };
    ChatRequest::from_chat(route, Chat { messages, ..Chat::default() }).with_options(options)
}

/// Formats the HTTP status and code of an error.
fn http_error(error: &Error) -> String {
    format!("{} {}", error.status(), error.code())
}

#[cfg(test)]
mod tests;
