//! Runs golden cases at the targets of a route.

use std::collections::BTreeMap;

use fb::{
    Answer, AnswerContent, CacheControl, ClassRoutes, Client, Config, Error, FailureKind, LadderConfig, Mode,
    Money, Options, Override, Report, Route, RouteCache, Strategy, Target, TracesConfig,
};
use tokio::sync::Semaphore;

use super::cases::Case;
use crate::{
    config::find_route,
    evaluations::{
        CaseOutcome, Verdict,
        target::{EvalTarget, eval_targets, hash},
        truncated,
    },
    stdout::millis,
};

/// Highest value of `--concurrency`.
pub(super) const MAX_CONCURRENCY: u8 = 64;

/// A client with a route of its own for each target, so that no target answers for another.
pub(super) struct Evaluator {
    client: Client,
    route: Route,
    /// The primary first.
    targets: Vec<EvalTarget>,
    /// The limit of concurrent cases at each target, by name. As in the gateway, the first entry of a name sets it.
    limits: BTreeMap<String, Semaphore>,
}

impl Evaluator {
    /// Builds the client. Its routes have the gates, retries and timeouts of the route, but no cache, ladder, classes or
    /// breakers.
    ///
    /// # Errors
    /// If there is no such route, or it has no target; the first error of the config.
    pub(super) fn new(config: &Config, route: &str) -> Result<Self, String> {
        let Some(route) = find_route(config, route) else {
            let names: Vec<&str> = config.routes.keys().map(String::as_str).collect();
            return Err(format!("no route {route:?}; routes: {}", names.join(", ")));
        };
        let targets = eval_targets(route, &config.providers);
        let routes = targets.iter().enumerate().map(|(index, entry)| {
            let single = single_target_route(route, route_name(index), entry.target.clone());
            (single.name.clone(), single)
        });
        let mut config = config.clone();
        config.routes = routes.collect();
        config.tenants = BTreeMap::new();
        config.ledger = None;
        config.traces = TracesConfig::with(|config| config.keep = 0);
        let client = Client::builder().config(&config).and_then(fb::Builder::build);
        let client = client.map_err(|error| error.to_string())?;
        // A target that failed a case must still get the next one.
        for (_, breaker) in client.breakers() {
            breaker.force(Override::new(Mode::ForcedClosed, "evaluation"));
        }
        let mut limits = BTreeMap::new();
        for EvalTarget { name, target, .. } in &targets {
            let limit =
                target.max_in_flight.and_then(|max| u8::try_from(max).ok()).unwrap_or(MAX_CONCURRENCY);
            let limit = usize::from(limit.clamp(1, MAX_CONCURRENCY));
            limits.entry(name.clone()).or_insert_with(|| Semaphore::new(limit));
        }
        Ok(Self { client, targets, limits, route: route.clone() })
    }

    /// Returns the name of the evaluated route.
    pub(super) fn route(&self) -> &str {
        &self.route.name
    }

    pub(super) fn targets(&self) -> &[EvalTarget] {
        &self.targets
    }

    /// Returns the key of an outcome: a hash of the case and of the settings that affect the target's answers.
    pub(super) fn key(&self, target_index: usize, case: &Case) -> String {
        hash(&[&self.targets[target_index].digest, &case.line])
    }

    /// Sends a case to a target and judges the answer. Waits while the target has its maximum of cases in flight.
    pub(super) async fn run_case(&self, target_index: usize, case: &Case) -> CaseOutcome {
        let target = &self.targets[target_index].name;
        // Never fails, because the semaphore is never closed.
        let _permit = self.limits[target].acquire().await;
        let options = Options { cache: CacheControl::NoStore, ..Options::default() };
        let answer = match case.request(&route_name(target_index)) {
            Ok(request) => Some(self.client.chat(request.with_options(options)).await),
            Err(_) => None,
        };
        let judgment = answer
            .as_ref()
            .map_or_else(|| Judgment::error("the request cannot be read"), |answer| judge(answer, case));
        let report = match &answer {
            Some(Ok(answer)) => Some(&answer.report),
            Some(Err(error)) => error.report(),
            None => None,
        };
        CaseOutcome {
            route: self.route.name.clone(),
            target: target.clone(),
            case: case.id.clone(),
            key: self.key(target_index, case),
            verdict: judgment.verdict,
            reason: judgment.reason,
            answer: judgment.answer.map(truncated),
            calls: report.map_or(0, Report::attempts),
            took_ms: report.map_or(0, |report| millis(report.took)),
            cost_nanos: report.and_then(Report::cost).map(Money::nanos),
        }
    }
}

/// Returns the name of a target's own route. It cannot collide: the client has no other routes.
fn route_name(target_index: usize) -> String {
    format!("eval-{target_index}")
}

fn single_target_route(route: &Route, name: String, target: Target) -> Route {
    Route {
        name,
        aliases: Vec::new(),
        strategy: Strategy::Priority,
        classes: ClassRoutes::default(),
        cache: RouteCache::default(),
        downshift: None,
        require_eval: false,
        ladder: LadderConfig::default(),
        // The semaphore of `Evaluator` limits concurrency instead: a case waits for its turn and is not skipped.
        targets: vec![Target { max_in_flight: None, ..target }],
        ..route.clone()
    }
}

struct Judgment {
    verdict: Verdict,
    reason: Option<String>,
    answer: Option<AnswerContent>,
}

impl Judgment {
    fn error(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Error, reason: Some(reason.into()), answer: None }
    }
}

fn judge(answer: &Result<Answer, Error>, case: &Case) -> Judgment {
    let content = match answer {
        Ok(answer) => AnswerContent::from(&answer.reply),
        Err(Error::Blocked(ended)) => AnswerContent::refusal(ended.cause.detail.clone()),
        Err(error) => return judge_error(error),
    };
    let (verdict, reason) = match case.check(&content) {
        Ok(()) => (Verdict::Pass, None),
        Err(mismatch) => (Verdict::Fail, Some(mismatch.to_string())),
    };
    Judgment { verdict, reason, answer: Some(content) }
}

/// Judges an error: a failure of the case if the target caused it, otherwise no verdict, so that the case is repeated.
fn judge_error(error: &Error) -> Judgment {
    let kind = match error {
        Error::Surfaced(ended) => Some(ended.cause.kind()),
        Error::Exhausted(ended) => ended.cause.as_ref().map(fb::Failure::kind),
        _ => None,
    };
    let is_caused_by_target = match kind {
        Some(kind) => matches!(
            kind,
            FailureKind::Quality
                | FailureKind::Malformed
                | FailureKind::InvalidRequest
                | FailureKind::ContextLength
                | FailureKind::TooLarge
        ),
        // Without a call: the target cannot carry the request.
        None => error.code() == "unsupported_parameter",
    };
    let verdict = if is_caused_by_target { Verdict::Fail } else { Verdict::Error };
    let skipped = error.report().filter(|_| kind.is_none()).map(|report| report.trace.one_line());
    let reason = skipped.unwrap_or_else(|| error.summary());
    Judgment { verdict, reason: Some(reason), answer: None }
}

#[cfg(test)]
mod tests;
