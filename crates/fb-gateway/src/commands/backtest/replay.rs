//! The replay of recorded requests, in virtual time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fb::{Answer, ChatRequest, Client, Config, Error, Money, Report, Route, TargetId};
use fb_telemetry::record::{CacheResult, RecordEntry, RecordedOutcome};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    history::{Assumption, History},
    synthetic_request::{self, offset},
};
use crate::{
    config::find_route,
    dry_run::{DryRun, Script, virtual_time},
};

/// The result of one request, recorded or predicted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RequestResult {
    pub(super) outcome: RecordedOutcome,
    /// The target or cache that answered, or a phrase for the outcome.
    pub(super) answered_by: String,
    pub(super) calls: u32,
    pub(super) took: Duration,
    pub(super) cost: Option<Money>,
}

/// All requests as recorded and as predicted, with the assumptions that were made.
#[derive(Debug, PartialEq)]
pub(super) struct Replay {
    pub(super) requests: Vec<ReplayedRequest>,
    pub(super) assumptions: BTreeMap<TargetId, Assumption>,
    /// Latency of targets at a provider that was never called.
    pub(super) latency: Duration,
    /// Requests that are assumed to be answered by a cache again.
    pub(super) cached: usize,
    /// Answers to requests that had none, with a cost estimated from the median output.
    pub(super) estimated: usize,
}

#[derive(Debug, PartialEq)]
pub(super) struct ReplayedRequest {
    pub(super) route: String,
    pub(super) recorded: RequestResult,
    pub(super) predicted: RequestResult,
}

/// Replays entries that are sorted by time. Each begins at its recorded time, so that overlapping requests overlap.
pub(super) fn replay(
    config: &Config,
    dry_run: &DryRun,
    entries: &[RecordEntry],
    latency: Duration,
) -> Result<Replay, String> {
    virtual_time()?.block_on(async {
        let history = Arc::new(History::new(entries, latency));
        let script: Arc<dyn Script> = Arc::<History>::clone(&history);
        let client = dry_run.client(&script).build().map_err(|error| error.to_string())?;
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        let (mut cached, mut predicted) = (0, vec![None; entries.len()]);
        for (index, entry) in entries.iter().enumerate() {
            sleep_until(start + offset(entries, entry)).await;
            let model = destination(config, entry);
            let route = find_route(config, &model);
            if is_from_cache(entry) && route.is_some_and(|route| route.cache.fresh.is_some()) {
                cached += 1;
                predicted[index] = Some(RequestResult::recorded(entry));
                continue;
            }
            let call = send(client.clone(), synthetic_request::build(index, entry, model), entry.stream);
            let cancel_after =
                (entry.outcome == RecordedOutcome::Cancelled).then(|| Duration::from_millis(entry.took_ms));
            let history = Arc::clone(&history);
            tasks.spawn(async move {
                let start = Instant::now();
                let answer = match cancel_after {
                    Some(limit) => timeout(limit, call).await.ok(),
                    None => Some(call.await),
                };
                (index, RequestResult::predicted(answer.as_ref(), history.calls(index), start.elapsed()))
            });
        }
        while let Some(joined) = tasks.join_next().await {
            let (index, result) = joined.map_err(|error| format!("a request panicked: {error}"))?;
            predicted[index] = Some(result);
        }
        let mut requests = Vec::with_capacity(entries.len());
        for (entry, predicted) in entries.iter().zip(predicted) {
            let mut predicted = predicted.ok_or("a request was not replayed")?;
            let route = find_route(config, &destination(config, entry));
            let may_be_stale = route.is_some_and(|route| route.cache.stale_if_error.is_some());
            if entry.cache == Some(CacheResult::Stale)
                && predicted.outcome == RecordedOutcome::Failed
                && may_be_stale
            {
                cached += 1;
                (predicted.outcome, predicted.answered_by) = (RecordedOutcome::Ok, "cache".to_owned());
            }
            let (route, recorded) = (entry.route.clone(), RequestResult::recorded(entry));
            requests.push(ReplayedRequest { route, recorded, predicted });
        }
        let had_answer = |request: &ReplayedRequest| request.recorded.outcome == RecordedOutcome::Ok;
        let estimated =
            requests.iter().filter(|request| !had_answer(request) && request.predicted.cost.is_some());
        let (estimated, assumptions) = (estimated.count(), history.assumptions());
        Ok(Replay { requests, assumptions, latency, cached, estimated })
    })
}

/// Returns the name to which a request is sent: the requested one, or for a route with classes the route of the recorded
/// class.
fn destination(config: &Config, entry: &RecordEntry) -> String {
    let has_classes = |route: &Route| route.classes != fb::ClassRoutes::default();
    let by_class = find_route(config, &entry.model).is_some_and(has_classes);
    if by_class && config.routes.contains_key(&entry.route) { &entry.route } else { &entry.model }.clone()
}

fn is_from_cache(entry: &RecordEntry) -> bool {
    matches!(entry.cache, Some(CacheResult::Hit | CacheResult::Coalesced))
        && entry.outcome == RecordedOutcome::Ok
}

async fn send(client: Client, request: ChatRequest, stream: bool) -> Result<Answer, Error> {
    if stream { client.stream(request).await?.collect().await } else { client.chat(request).await }
}

impl RequestResult {
    pub(super) fn recorded(entry: &RecordEntry) -> Self {
        Self {
            outcome: entry.outcome,
            answered_by: answered_by(entry.outcome, entry.by.as_deref()),
            calls: u32::try_from(entry.attempts.len()).unwrap_or(u32::MAX),
            took: Duration::from_millis(entry.took_ms),
            cost: entry.cost_nanos.map(Money::from_nanos),
        }
    }

    /// `answer` is `None` if the client disconnected.
    fn predicted(answer: Option<&Result<Answer, Error>>, calls: u32, took: Duration) -> Self {
        let (outcome, source, report) = match answer {
            None => (RecordedOutcome::Cancelled, None, None),
            Some(Ok(answer)) => (RecordedOutcome::Ok, Some(answer.served_by()), Some(&answer.report)),
            Some(Err(error)) => {
                let outcome = match error {
                    Error::Blocked(_) => RecordedOutcome::Blocked,
                    Error::Interrupted(_) => RecordedOutcome::Cut,
                    _ => RecordedOutcome::Failed,
                };
                (outcome, None, error.report())
            }
        };
        let answered_by = answered_by(outcome, source.as_deref());
        Self { outcome, answered_by, calls, took, cost: report.and_then(Report::cost) }
    }
}

fn answered_by(outcome: RecordedOutcome, source: Option<&str>) -> String {
    match outcome {
        RecordedOutcome::Ok => source.unwrap_or_default(),
        RecordedOutcome::Blocked => "(blocked)",
        RecordedOutcome::Cut => "(stream cut)",
        RecordedOutcome::Failed => "(no answer)",
        RecordedOutcome::Cancelled => "(caller left)",
    }
    .to_owned()
}
