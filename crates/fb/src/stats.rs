use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{AttemptEnd, FailureKind, ProviderId, Report, ServedBy, TargetId};
use fb_telemetry::TargetRole;
use serde::{Serialize, Serializer};

use crate::clock::now;

/// Counts since a client was built, in total, per provider and per target.
///
/// The primary of a request is the target that the strategy chose first for it: the next turn under `weighted`, the
/// target of the highest priority under `priority`, even if it is then skipped. A success of any other target counts as
/// one of a fallback, also in a race.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Finished requests, including those answered from the cache. A stream finishes when it ends.
    pub requests: u64,
    /// Requests that a target answered or blocked.
    pub answered: u64,
    /// Requests answered from the cache, fresh or stale.
    pub cached: u64,
    /// Requests that their callers cancelled.
    pub cancelled: u64,
    /// Successes per attempt. The total is that of all completed calls, without cancelled ones; a blocked call is no
    /// success.
    pub per_attempt: SuccessCounts,
    /// Successes per request. The total is that of requests that needed a target and were not cancelled; a request
    /// succeeds if a target answers or blocks it.
    pub per_request: SuccessCounts,
    /// Counts per provider, in order of name.
    pub providers: BTreeMap<ProviderId, ProviderStats>,
    /// Counts per target, in order of name.
    pub targets: BTreeMap<TargetId, TargetStats>,
}

/// The successes of primaries and of fallbacks among a total of attempts or of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SuccessCounts {
    /// The total, of which successes are a part.
    pub total: u64,
    /// Successes of the primary of the request.
    pub by_primary: u64,
    /// Successes of another target.
    pub by_fallback: u64,
}

impl SuccessCounts {
    const fn plus(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            by_primary: self.by_primary + other.by_primary,
            by_fallback: self.by_fallback + other.by_fallback,
        }
    }

    /// Returns the share of successes of the primary, 0 to 1; `None` if the total is 0.
    pub fn primary_success_rate(&self) -> Option<f64> {
        share(self.by_primary, self.total)
    }

    /// Returns the share of successes of another target, 0 to 1; `None` if the total is 0.
    pub fn fallback_rate(&self) -> Option<f64> {
        share(self.by_fallback, self.total)
    }
}

/// Counts of all targets of one provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderStats {
    /// Completed calls: answered, failed or blocked. Cancelled calls do not count.
    pub calls: u64,
    /// Calls with a usable answer.
    pub successes: u64,
    /// Failed calls, by kind of failure.
    pub failures: BTreeMap<&'static str, u64>,
    /// Calls that ended in a content-policy block.
    pub blocked: u64,
    /// Calls that were cancelled: the caller left, or another target was faster.
    pub cancelled: u64,
    /// Mean time to an answer, for a stream to its first output.
    #[serde(rename = "mean_latency_ms", serialize_with = "optional_millis")]
    pub mean_latency: Option<Duration>,
    /// Longest such time.
    #[serde(rename = "max_latency_ms", serialize_with = "millis")]
    pub max_latency: Duration,
}

/// The status of one of several API keys at a target.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// The name of the key: its environment variable, its file or its place.
    pub name: Arc<str>,
    /// True if the provider rejected the key and no call may try it now.
    pub rejected: bool,
    /// The time until the key may be used, if it rests.
    pub free_in: Option<Duration>,
    /// The smallest share that is left of its rate limits, 0 to 1, as far as the answers state it.
    pub share_left: f64,
}

/// Counts of one target.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TargetStats {
    /// Completed calls: answered, failed or blocked. Cancelled calls do not count.
    pub calls: u64,
    /// Calls with a usable answer.
    pub successes: u64,
    /// Failed calls, by kind of failure.
    pub failures: BTreeMap<&'static str, u64>,
    /// Kind and time of the latest failure.
    #[serde(serialize_with = "last_failure")]
    pub last_failure: Option<(&'static str, Instant)>,
    /// Calls that ended in a content-policy block.
    pub blocked: u64,
    /// Calls that were cancelled: the caller left, or another target was faster.
    pub cancelled: u64,
    /// Turns at which the target was skipped without a call.
    pub skipped: u64,
    /// Mean time to an answer, for a stream to its first output.
    #[serde(rename = "mean_latency_ms", serialize_with = "optional_millis")]
    pub mean_latency: Option<Duration>,
    /// Longest such time.
    #[serde(rename = "max_latency_ms", serialize_with = "millis")]
    pub max_latency: Duration,
    /// Requests that called the target without a failure at another one before. Retries do not count again.
    pub selected: u64,
    /// Selections that failed and were followed by a move to another target.
    pub fallback_from: u64,
    /// Requests that called the target after a failure at another one.
    pub fallback_to: u64,
    /// Requests that have this target as their primary and were not cancelled.
    pub primary_requests: u64,
    /// Share of these that the target answered itself; `None` without such requests.
    pub primary_success_rate: Option<f64>,
    /// Share of these that another target answered; `None` without such requests.
    pub fallback_rate: Option<f64>,
}

impl TargetStats {
    /// Returns the counts that the router uses, from which it derives its rates.
    pub const fn router_stats(&self) -> fb_router::Stats {
        fb_router::Stats {
            selected: self.selected,
            successes: self.successes,
            fallback_from: self.fallback_from,
            fallback_to: self.fallback_to,
        }
    }
}

/// Serializes a time as milliseconds with their fraction.
fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64() * 1e3)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn optional_millis<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64() * 1e3).serialize(serializer)
}

/// Serializes the kind of the latest failure, and the time since.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn last_failure<S: Serializer>(
    failure: &Option<(&'static str, Instant)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct LastFailure {
        kind: &'static str,
        ago_ms: u64,
    }
    let since = |at| u64::try_from(now().saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
    failure.map(|(kind, at)| LastFailure { kind, ago_ms: since(at) }).serialize(serializer)
}

/// The counters of one target.
#[derive(Debug, Clone, Default)]
pub(crate) struct TargetCounters {
    successes: u64,
    /// Successes for requests that have this target as their primary.
    primary_successes: u64,
    blocked: u64,
    cancelled: u64,
    pub(crate) skipped: u64,
    pub(crate) selected: u64,
    pub(crate) fallback_from: u64,
    pub(crate) fallback_to: u64,
    failures: BTreeMap<&'static str, u64>,
    last_failure: Option<(&'static str, Instant)>,
    latencies: u32,
    total_latency: Duration,
    max_latency: Duration,
}

impl TargetCounters {
    fn calls(&self) -> u64 {
        self.successes + self.blocked + self.failures.values().sum::<u64>()
    }

    /// Records the time to a first output or to a whole reply.
    pub(crate) fn record_latency(&mut self, latency: Duration) {
        self.latencies = self.latencies.saturating_add(1);
        self.total_latency = self.total_latency.saturating_add(latency);
        self.max_latency = self.max_latency.max(latency);
    }

    /// Records the end of a call; `is_primary` is true if the target is the primary of the request.
    pub(crate) fn record(&mut self, end: &AttemptEnd, is_primary: bool, at: Instant) {
        match end {
            AttemptEnd::Ok { .. } => {
                self.successes += 1;
                self.primary_successes += u64::from(is_primary);
            }
            AttemptEnd::Failed(failure) => self.record_failure(failure.kind(), at),
            AttemptEnd::Blocked { .. } => self.blocked += 1,
            AttemptEnd::Cancelled => self.cancelled += 1,
            AttemptEnd::Running | AttemptEnd::Skipped { .. } => {}
        }
    }

    fn record_failure(&mut self, kind: FailureKind, at: Instant) {
        self.last_failure = Some((kind.name(), at));
        *self.failures.entry(kind.name()).or_default() += 1;
    }

    /// Adds the counts of attempts of another target.
    fn add(&mut self, other: &Self) {
        self.successes += other.successes;
        self.primary_successes += other.primary_successes;
        self.blocked += other.blocked;
        self.cancelled += other.cancelled;
        for (kind, count) in &other.failures {
            *self.failures.entry(kind).or_default() += count;
        }
        self.latencies = self.latencies.saturating_add(other.latencies);
        self.total_latency = self.total_latency.saturating_add(other.total_latency);
        self.max_latency = self.max_latency.max(other.max_latency);
    }

    fn success_counts(&self) -> SuccessCounts {
        SuccessCounts {
            total: self.calls(),
            by_primary: self.primary_successes,
            by_fallback: self.successes - self.primary_successes,
        }
    }

    fn mean_latency(&self) -> Option<Duration> {
        self.total_latency.checked_div(self.latencies)
    }
}

/// The counters of requests, in total and by the primary of each.
#[derive(Debug, Default)]
pub(crate) struct RequestCounters {
    requests: u64,
    answered: u64,
    cached: u64,
    cancelled: u64,
    by_primary: BTreeMap<TargetId, SuccessCounts>,
    /// The calls to targets that were removed, by provider.
    removed: BTreeMap<ProviderId, TargetCounters>,
    /// The requests with a primary that was removed.
    removed_primaries: SuccessCounts,
}

impl RequestCounters {
    /// Counts a finished request.
    pub(crate) fn record(&mut self, report: &Report, cancelled: bool) {
        self.requests += 1;
        if cancelled {
            self.cancelled += 1;
            return;
        }
        let role = TargetRole::of_answer(report);
        self.answered += u64::from(role.is_some());
        self.cached += u64::from(report.served_by == Some(ServedBy::Cache));
        let Some(primary) = &report.primary else { return };
        // Looking up first saves a clone of the id for every request but the first.
        if !self.by_primary.contains_key(primary) {
            self.by_primary.insert(primary.clone(), SuccessCounts::default());
        }
        if let Some(counts) = self.by_primary.get_mut(primary) {
            counts.total += 1;
            counts.by_primary += u64::from(role == Some(TargetRole::Primary));
            counts.by_fallback += u64::from(role == Some(TargetRole::Fallback));
        }
    }

    /// Keeps the counts of a target that is removed in the totals and in those of its provider.
    pub(crate) fn remove(&mut self, target: &TargetId, counters: &TargetCounters) {
        self.removed.entry(target.provider().clone()).or_default().add(counters);
        let requests = self.by_primary.remove(target).unwrap_or_default();
        self.removed_primaries = self.removed_primaries.plus(requests);
    }

    pub(crate) fn stats(&self, targets: impl Iterator<Item = (TargetId, TargetCounters)>) -> Stats {
        let (mut attempts, mut providers) = (TargetCounters::default(), self.removed.clone());
        for counters in self.removed.values() {
            attempts.add(counters);
        }
        let targets = targets.map(|(id, counters)| {
            attempts.add(&counters);
            let of_provider: &mut TargetCounters = providers.entry(id.provider().clone()).or_default();
            of_provider.add(&counters);
            let requests = self.by_primary.get(&id).copied().unwrap_or_default();
            (id, target_stats(&counters, requests))
        });
        let targets = targets.collect();
        Stats {
            requests: self.requests,
            answered: self.answered,
            cached: self.cached,
            cancelled: self.cancelled,
            per_attempt: attempts.success_counts(),
            per_request: self.by_primary.values().fold(self.removed_primaries, |sum, one| sum.plus(*one)),
            providers: providers.into_iter().map(|(id, counters)| (id, provider_stats(&counters))).collect(),
            targets,
        }
    }
}

fn provider_stats(counters: &TargetCounters) -> ProviderStats {
    ProviderStats {
        calls: counters.calls(),
        successes: counters.successes,
        failures: counters.failures.clone(),
        blocked: counters.blocked,
        cancelled: counters.cancelled,
        mean_latency: counters.mean_latency(),
        max_latency: counters.max_latency,
    }
}

fn target_stats(counters: &TargetCounters, requests: SuccessCounts) -> TargetStats {
    TargetStats {
        calls: counters.calls(),
        successes: counters.successes,
        failures: counters.failures.clone(),
        last_failure: counters.last_failure,
        blocked: counters.blocked,
        cancelled: counters.cancelled,
        skipped: counters.skipped,
        selected: counters.selected,
        fallback_from: counters.fallback_from,
        fallback_to: counters.fallback_to,
        mean_latency: counters.mean_latency(),
        max_latency: counters.max_latency,
        primary_requests: requests.total,
        primary_success_rate: requests.primary_success_rate(),
        fallback_rate: requests.fallback_rate(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
