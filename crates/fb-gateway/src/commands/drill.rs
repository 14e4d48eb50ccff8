mod outage;
mod score;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use fb::{
    CacheControl, Chat, ChatRequest, Client, Config, Error, Message, Options, Report, Role, Route, TargetId,
};
use tokio::time::Instant;

use self::{
    outage::{Down, Fault, Outage},
    score::{Outcome, Score, print},
};
use crate::{
    config,
    dry_run::{Script, Stage, virtual_time},
    stdout::say,
};

/// What `fb drill` is told.
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// The config file.
    #[arg(long)]
    pub config: PathBuf,
    /// Drill this route alone.
    #[arg(long)]
    pub route: Option<String>,
    /// Requests during each outage, one after the other.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub requests: u32,
    /// Outages of a single target that may end in an error before the exit code is 1.
    #[arg(long, default_value_t = 0)]
    pub allow_errors: usize,
}

/// Fails each target of each route, then all together, and prints who answered. 1 when more outages of a single target
/// than allowed end in an error.
pub(crate) fn drill(args: &DrillArgs) -> Result<ExitCode, String> {
    let config = config::load_without_keys(&args.config)?.fb;
    let routes = routes(&config, args.route.as_deref())?;
    let scores = play(&config, &routes, args.requests)?;
    say(&print(&scores, args.requests));
    let failed = scores.iter().filter(|score| score.is_single() && score.has_error()).count();
    Ok(if failed > args.allow_errors { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn routes<'a>(config: &'a Config, only: Option<&str>) -> Result<Vec<&'a Route>, String> {
    let Some(name) = only else { return Ok(config.routes.values().collect()) };
    let known = || config.routes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let route = config.routes.get(name).ok_or_else(|| format!("no route {name:?}; routes: {}", known()))?;
    Ok(vec![route])
}

/// Plays every outage with a client of its own. Time is virtual: nothing here waits.
fn play(config: &Config, routes: &[&Route], requests: u32) -> Result<Vec<Score>, String> {
    // A route is drilled by its own targets; those of its classes have their own turn.
    let stage = Stage::new(config)?;
    virtual_time()?.block_on(async {
        let mut scores = Vec::new();
        for route in routes {
            let mut downs: Vec<Down> = targets(route)?.into_iter().map(Down::One).collect();
            downs.push(Down::All);
            for down in downs {
                for fault in Fault::ALL {
                    let scene = Scene::open(&stage)?;
                    let outcomes = scene.play(&route.name, &down, fault, requests).await;
                    let (route, down) = (route.name.clone(), down.clone());
                    scores.push(Score { route, down, fault, outcomes });
                }
            }
        }
        Ok(scores)
    })
}

/// Who may answer at the full level.
fn targets(route: &Route) -> Result<Vec<TargetId>, String> {
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

/// A new client before an outage.
struct Scene {
    client: Client,
    outage: Arc<Outage>,
}

impl Scene {
    fn open(stage: &Stage) -> Result<Self, String> {
        let outage = Arc::new(Outage::default());
        let script: Arc<dyn Script> = Arc::<Outage>::clone(&outage);
        let client = stage.client(&script).build().map_err(|error| error.to_string())?;
        Ok(Self { client, outage })
    }

    /// One request while all is well, which caches may keep, then so many during the outage.
    async fn play(&self, route: &str, down: &Down, fault: Fault, requests: u32) -> Vec<Outcome> {
        let streamed = fault == Fault::Cut;
        self.ask(route, streamed).await;
        self.outage.begin(down.clone(), fault);
        let mut outcomes = Vec::new();
        for _ in 0..requests {
            outcomes.push(self.ask(route, streamed).await);
        }
        outcomes
    }

    async fn ask(&self, route: &str, streamed: bool) -> Outcome {
        let begun = Instant::now();
        let request = question(route);
        let answer = if streamed {
            match self.client.stream(request).await {
                Ok(stream) => stream.collect().await,
                Err(error) => Err(error),
            }
        } else {
            self.client.chat(request).await
        };
        let took = begun.elapsed();
        match answer {
            Ok(answer) => Outcome {
                answer: Ok(answer.served_by()),
                level: Some(answer.level()),
                calls: answer.report.attempts(),
                took,
            },
            Err(error) => Outcome {
                calls: error.report().map_or(0, Report::attempts),
                answer: Err(told(&error)),
                level: None,
                took,
            },
        }
    }
}

/// Not answered by what is fresh in a cache: that needs no target.
fn question(route: &str) -> ChatRequest {
    let messages = vec![Message::text(Role::User, "Is anybody there to answer?")];
    let options = Options { cache: CacheControl::NoCache, ..Options::default() };
    ChatRequest::from_chat(route, Chat { messages, ..Chat::default() }).with_options(options)
}

/// An error as an HTTP client sees it.
fn told(error: &Error) -> String {
    format!("{} {}", error.status(), error.code())
}

#[cfg(test)]
mod tests;
