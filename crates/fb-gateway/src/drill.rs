mod outage;
mod score;
mod stand_in;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use fb::{
    CacheControl, Chat, ChatRequest, ClassRoutes, Client, Config, Error, Message, Options, Provider, Report,
    Role, Route, TargetId,
};
use tokio::{runtime::Builder, time::Instant};

use self::{
    outage::{Down, Fault, Outage},
    score::{Outcome, Score, print},
    stand_in::StandIn,
};
use crate::{config, out::say};

/// Of jitter and draws; the same table every time.
const SEED: u64 = 1;

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

/// Plays every outage on a stage of its own. Time is virtual: nothing here waits.
fn play(config: &Config, routes: &[&Route], requests: u32) -> Result<Vec<Score>, String> {
    let paused = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = paused.map_err(|error| format!("cannot start: {error}"))?;
    let adapters = adapters(config)?;
    let config = without_classes(config);
    runtime.block_on(async {
        let mut scores = Vec::new();
        for route in routes {
            let mut downs: Vec<Down> = targets(route)?.into_iter().map(Down::One).collect();
            downs.push(Down::All);
            for down in downs {
                for fault in Fault::ALL {
                    let stage = Stage::open(&config, &adapters)?;
                    let outcomes = stage.play(&route.name, &down, fault, requests).await;
                    let (route, down) = (route.name.clone(), down.clone());
                    scores.push(Score { route, down, fault, outcomes });
                }
            }
        }
        Ok(scores)
    })
}

/// The providers' own adapters: what they can do and what they take is theirs to say.
fn adapters(config: &Config) -> Result<BTreeMap<String, Arc<dyn Provider>>, String> {
    let build = |(name, provider): (&String, &fb::providers::ProviderConfig)| {
        let built = provider.build().map_err(|error| format!("providers.{name}.{error}"))?;
        Ok((name.clone(), built))
    };
    config.providers.iter().map(build).collect()
}

/// A route is drilled by its own targets; those of its classes have their own turn.
fn without_classes(config: &Config) -> Config {
    let mut config = config.clone();
    config.routes.values_mut().for_each(|route| route.classes = ClassRoutes::default());
    config
}

/// Who may answer at the full level.
fn targets(route: &Route) -> Result<Vec<TargetId>, String> {
    let mut found = Vec::new();
    for target in route.targets.iter().filter(|target| target.enabled) {
        let name = format!("{}/{}", target.provider, target.model);
        let id = name.parse().map_err(|error| format!("{name}: {error}"))?;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    Ok(found)
}

/// The user's routes and settings over providers that play.
struct Stage {
    client: Client,
    outage: Arc<Outage>,
}

impl Stage {
    fn open(config: &Config, adapters: &BTreeMap<String, Arc<dyn Provider>>) -> Result<Self, String> {
        let outage = Arc::new(Outage::default());
        let mut builder = Client::builder().settings(config).seed(SEED);
        for (name, adapter) in adapters {
            builder = builder.provider(name, StandIn::new(name, Arc::clone(adapter), Arc::clone(&outage)));
        }
        let client = builder.build().map_err(|error| error.to_string())?;
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
