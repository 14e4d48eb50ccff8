use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fb::{Answer, ChatRequest, Client, Config, Error, Money, Report, Route, TargetId};
use fb_telemetry::record::{CacheResult, RecordEntry, RecordedOutcome};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    memory::{Assumed, Memory},
    request::{offset, request},
};
use crate::dry_run::{Script, Stage, virtual_time};

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Played {
    pub(super) outcome: RecordedOutcome,
    /// Who answered, or in a few words why nobody did.
    pub(super) by: String,
    pub(super) calls: u32,
    pub(super) took: Duration,
    pub(super) cost: Option<Money>,
}

/// Every request as it was and as it would have been, with what had to be assumed.
#[derive(Debug, PartialEq)]
pub(super) struct Replayed {
    pub(super) requests: Vec<Both>,
    pub(super) assumed: BTreeMap<TargetId, Assumed>,
    pub(super) latency: Duration,
    /// Requests that a cache is taken to answer again.
    pub(super) cached: usize,
    /// Answers in place of none, whose cost rests on a guess of their length.
    pub(super) guessed: usize,
}

#[derive(Debug, PartialEq)]
pub(super) struct Both {
    pub(super) route: String,
    pub(super) recorded: Played,
    pub(super) predicted: Played,
}

/// Plays the entries, which are in order of time: each begins when it began, so that what overlapped overlaps.
pub(super) fn replay(
    config: &Config,
    stage: &Stage,
    entries: &[RecordEntry],
    latency: Duration,
) -> Result<Replayed, String> {
    virtual_time()?.block_on(async {
        let memory = Arc::new(Memory::new(entries, latency));
        let script: Arc<dyn Script> = Arc::<Memory>::clone(&memory);
        let client = stage.client(&script).build().map_err(|error| error.to_string())?;
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        let (mut cached, mut predicted) = (0, vec![None; entries.len()]);
        for (index, entry) in entries.iter().enumerate() {
            sleep_until(begin + offset(entries, entry)).await;
            let model = destination(config, entry);
            let route = find(config, &model);
            if is_from_cache(entry) && route.is_some_and(|route| route.cache.fresh.is_some()) {
                cached += 1;
                predicted[index] = Some(Played::recorded(entry));
                continue;
            }
            let ask = ask(client.clone(), request(index, entry, model), entry.stream);
            let leaves =
                (entry.outcome == RecordedOutcome::Cancelled).then(|| Duration::from_millis(entry.took_ms));
            let memory = Arc::clone(&memory);
            tasks.spawn(async move {
                let begun = Instant::now();
                let asked = match leaves {
                    Some(leaves) => timeout(leaves, ask).await.ok(),
                    None => Some(ask.await),
                };
                (index, Played::now(asked.as_ref(), memory.calls(index), begun.elapsed()))
            });
        }
        while let Some(done) = tasks.join_next().await {
            let (index, played) = done.map_err(|error| format!("a request broke off: {error}"))?;
            predicted[index] = Some(played);
        }
        let mut requests = Vec::with_capacity(entries.len());
        for (entry, predicted) in entries.iter().zip(predicted) {
            let mut predicted = predicted.ok_or("a request was not played")?;
            let route = find(config, &destination(config, entry));
            let may_be_stale = route.is_some_and(|route| route.cache.stale_if_error.is_some());
            if entry.cache == Some(CacheResult::Stale)
                && predicted.outcome == RecordedOutcome::Failed
                && may_be_stale
            {
                cached += 1;
                (predicted.outcome, predicted.by) = (RecordedOutcome::Ok, "cache".to_owned());
            }
            requests.push(Both { route: entry.route.clone(), recorded: Played::recorded(entry), predicted });
        }
        let was_answered = |both: &&Both| both.recorded.outcome == RecordedOutcome::Ok;
        let guessed = requests.iter().filter(|both| !was_answered(both) && both.predicted.cost.is_some());
        Ok(Replayed { guessed: guessed.count(), requests, assumed: memory.assumed(), latency, cached })
    })
}

fn find<'a>(config: &'a Config, name: &str) -> Option<&'a Route> {
    let alias = |route: &&Route| route.aliases.iter().any(|alias| alias == name);
    config.routes.get(name).or_else(|| config.routes.values().find(alias))
}

/// Where a request goes: what its caller asked for, or where that has classes, the route of the class it had.
fn destination(config: &Config, entry: &RecordEntry) -> String {
    let has_classes = |route: &Route| route.classes != fb::ClassRoutes::default();
    let by_class = find(config, &entry.model).is_some_and(has_classes);
    if by_class && config.routes.contains_key(&entry.route) { &entry.route } else { &entry.model }.clone()
}

fn is_from_cache(entry: &RecordEntry) -> bool {
    matches!(entry.cache, Some(CacheResult::Hit | CacheResult::Coalesced))
        && entry.outcome == RecordedOutcome::Ok
}

async fn ask(client: Client, request: ChatRequest, stream: bool) -> Result<Answer, Error> {
    if stream { client.stream(request).await?.collect().await } else { client.chat(request).await }
}

impl Played {
    pub(super) fn recorded(entry: &RecordEntry) -> Self {
        Self {
            outcome: entry.outcome,
            by: who(entry.outcome, entry.by.as_deref()),
            calls: u32::try_from(entry.attempts.len()).unwrap_or(u32::MAX),
            took: Duration::from_millis(entry.took_ms),
            cost: entry.cost_nanos.map(Money::from_nanos),
        }
    }

    /// `None`: the caller left.
    fn now(asked: Option<&Result<Answer, Error>>, calls: u32, took: Duration) -> Self {
        let (outcome, by, report) = match asked {
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
        Self { outcome, by: who(outcome, by.as_deref()), calls, took, cost: report.and_then(Report::cost) }
    }
}

fn who(outcome: RecordedOutcome, by: Option<&str>) -> String {
    match outcome {
        RecordedOutcome::Ok => by.unwrap_or_default(),
        RecordedOutcome::Blocked => "(blocked)",
        RecordedOutcome::Cut => "(stream cut)",
        RecordedOutcome::Failed => "(no answer)",
        RecordedOutcome::Cancelled => "(caller left)",
    }
    .to_owned()
}
