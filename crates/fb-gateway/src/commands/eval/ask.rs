use std::collections::BTreeMap;

use fb::{
    Answer, AnswerContent, CacheControl, ClassRoutes, Client, Config, Error, FailureKind, LadderConfig, Mode,
    Money, Options, Override, Report, Route, RouteCache, Strategy, Target, TracesConfig,
};
use tokio::sync::Semaphore;

use super::cases::Case;
use crate::{
    evaluations::{
        Outcome, Verdict, kept,
        target::{Listed, hash, listed},
    },
    stdout::millis,
};

/// Most that `--concurrency` can be.
pub(super) const MAX_CONCURRENCY: u8 = 64;

/// The targets of a route, each alone: what one says is not mixed with what another does.
pub(super) struct Bench {
    client: Client,
    route: Route,
    /// The primary first.
    targets: Vec<Listed>,
    /// How many cases may be under way at a target, by its name: the first entry of a name decides, as it does in the gateway.
    places: BTreeMap<String, Semaphore>,
}

impl Bench {
    /// A client with a route of its own for each target: with its gates, retries and timeouts; without cache, ladder, classes
    /// and breakers.
    ///
    /// # Errors
    /// A route that is not there, or has no target; what is wrong in the config.
    pub(super) fn new(config: &Config, route: &str) -> Result<Self, String> {
        let by_alias =
            || config.routes.values().find(|known| known.aliases.iter().any(|alias| alias == route));
        let Some(route) = config.routes.get(route).or_else(by_alias) else {
            let names: Vec<&str> = config.routes.keys().map(String::as_str).collect();
            return Err(format!("no route is named {route:?}; routes: {}", names.join(", ")));
        };
        let targets = listed(route, &config.providers);
        let routes = targets.iter().enumerate().map(|(place, listed)| {
            let alone = alone(route, name(place), listed.target.clone());
            (alone.name.clone(), alone)
        });
        let config = Config {
            routes: routes.collect(),
            tenants: BTreeMap::new(),
            ledger: None,
            traces: TracesConfig { keep: 0 },
            ..config.clone()
        };
        let client = Client::builder().config(&config).and_then(fb::Builder::build);
        let client = client.map_err(|error| error.to_string())?;
        // A target that fails is asked the next case all the same.
        for (_, breaker) in client.breakers() {
            breaker.force(Override::new(Mode::ForcedClosed, "evaluation"));
        }
        let mut places = BTreeMap::new();
        for Listed { name, target, .. } in &targets {
            let most =
                target.max_in_flight.and_then(|most| u8::try_from(most).ok()).unwrap_or(MAX_CONCURRENCY);
            let most = usize::from(most.clamp(1, MAX_CONCURRENCY));
            places.entry(name.clone()).or_insert_with(|| Semaphore::new(most));
        }
        Ok(Self { client, targets, places, route: route.clone() })
    }

    /// The route's own name.
    pub(super) fn route(&self) -> &str {
        &self.route.name
    }

    pub(super) fn targets(&self) -> &[Listed] {
        &self.targets
    }

    /// What a case's outcome at a target is known by: the case's text and what the target's answers are made of.
    pub(super) fn key(&self, place: usize, case: &Case) -> String {
        hash(&[&self.targets[place].of, &case.line])
    }

    /// Asks a target a case, as soon as it takes one more, and judges what it says.
    pub(super) async fn ask(&self, place: usize, case: &Case) -> Outcome {
        let name_of_target = &self.targets[place].name;
        // Nobody closes it.
        let _place = self.places[name_of_target].acquire().await;
        let options = Options { cache: CacheControl::NoStore, ..Options::default() };
        let answer = match case.request(&name(place)) {
            Ok(request) => Some(self.client.chat(request.with_options(options)).await),
            Err(_) => None,
        };
        let judged = answer
            .as_ref()
            .map_or_else(|| Judged::error("the request cannot be read"), |answer| judge(answer, case));
        let report = match &answer {
            Some(Ok(answer)) => Some(&answer.report),
            Some(Err(error)) => error.report(),
            None => None,
        };
        Outcome {
            route: self.route.name.clone(),
            target: name_of_target.clone(),
            case: case.id.clone(),
            key: self.key(place, case),
            verdict: judged.verdict,
            why: judged.why,
            said: judged.said.map(kept),
            calls: report.map_or(0, Report::attempts),
            took_ms: report.map_or(0, |report| millis(report.took)),
            cost_nanos: report.and_then(Report::cost).map(Money::nanos),
        }
    }
}

/// The route of one target. A name that no config's route needs to differ from: there are no others.
fn name(place: usize) -> String {
    format!("eval-{place}")
}

fn alone(route: &Route, name: String, target: Target) -> Route {
    Route {
        name,
        aliases: Vec::new(),
        strategy: Strategy::Priority,
        classes: ClassRoutes::default(),
        cache: RouteCache::default(),
        downshift: None,
        require_eval: false,
        ladder: LadderConfig::default(),
        // A case that waits for its turn is no case that could not be asked: `Bench` counts instead.
        targets: vec![Target { max_in_flight: None, ..target }],
        ..route.clone()
    }
}

struct Judged {
    verdict: Verdict,
    why: Option<String>,
    said: Option<AnswerContent>,
}

impl Judged {
    fn error(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Error, why: Some(why.into()), said: None }
    }
}

fn judge(answer: &Result<Answer, Error>, case: &Case) -> Judged {
    let said = match answer {
        Ok(answer) => AnswerContent::from(&answer.reply),
        Err(Error::Blocked(ended)) => AnswerContent::refusal(ended.cause.detail.clone()),
        Err(error) => return failed(error),
    };
    let (verdict, why) = match case.check(&said) {
        Ok(()) => (Verdict::Pass, None),
        Err(unmet) => (Verdict::Fail, Some(unmet.to_string())),
    };
    Judged { verdict, why, said: Some(said) }
}

/// What speaks against the target, and what only says that it could not be asked today.
fn failed(error: &Error) -> Judged {
    let kind = match error {
        Error::Surfaced(ended) => Some(ended.cause.kind()),
        Error::Exhausted(ended) => ended.cause.as_ref().map(fb::Failure::kind),
        _ => None,
    };
    let is_its_own = match kind {
        Some(kind) => matches!(
            kind,
            FailureKind::Quality
                | FailureKind::Malformed
                | FailureKind::InvalidRequest
                | FailureKind::ContextLength
                | FailureKind::TooLarge
        ),
        // Nobody was called: it cannot take the request.
        None => error.code() == "unsupported_parameter",
    };
    let verdict = if is_its_own { Verdict::Fail } else { Verdict::Error };
    let skipped = error.report().filter(|_| kind.is_none()).map(|report| report.trace.one_line());
    let why = skipped.unwrap_or_else(|| error.to_string());
    Judged { verdict, why: Some(why), said: None }
}

#[cfg(test)]
mod tests;
