use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fb_core::{FailureKind, TargetId};

/// Counts since a client was built, in total and per target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Requests that reached a route.
    pub requests: u64,
    /// Requests that a target answered or blocked.
    pub answered: u64,
    /// Requests answered from the cache, fresh or stale.
    pub cached: u64,
    /// Share of requests answered by their first target, 0 to 1; `None` before the first request.
    pub primary_success_rate: Option<f64>,
    /// Share of requests answered by a target other than their first one, 0 to 1; `None` before the first request.
    pub fallback_rate: Option<f64>,
    /// Counts per target, in order of name.
    pub targets: BTreeMap<TargetId, TargetStats>,
}

/// Counts of one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetStats {
    /// Completed calls: answered, failed or blocked. Cancelled calls do not count.
    pub calls: u64,
    /// Calls with a usable answer.
    pub successes: u64,
    /// Failed calls, by kind of failure.
    pub failures: BTreeMap<&'static str, u64>,
    /// Kind and time of the latest failure.
    pub last_failure: Option<(&'static str, Instant)>,
    /// Calls that ended in a content-policy block.
    pub blocked: u64,
    /// Turns at which the target was skipped without a call.
    pub skipped: u64,
    /// Mean time to an answer, for a stream to its first output.
    pub mean_latency: Option<Duration>,
    /// Longest such time.
    pub max_latency: Duration,
    /// Requests that called the target without a failure at another one before. Retries do not count again.
    pub selected: u64,
    /// Selections that failed and were followed by a move to another target.
    pub fallback_from: u64,
    /// Requests that called the target after a failure at another one.
    pub fallback_to: u64,
    /// Requests that have this target as their first one.
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

/// The counters of one target.
#[derive(Debug, Clone, Default)]
pub(crate) struct TargetCounters {
    pub(crate) successes: u64,
    pub(crate) blocked: u64,
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

    pub(crate) fn record_failure(&mut self, kind: FailureKind, at: Instant) {
        self.last_failure = Some((kind.name(), at));
        *self.failures.entry(kind.name()).or_default() += 1;
    }
}

/// The counters of requests, by the first target of each.
#[derive(Debug, Default)]
pub(crate) struct RequestCounters {
    by_primary: BTreeMap<TargetId, PrimaryCounters>,
}

#[derive(Debug, Clone, Copy, Default)]
struct PrimaryCounters {
    requests: u64,
    by_primary: u64,
    by_fallback: u64,
    cached: u64,
}

impl RequestCounters {
    pub(crate) fn record_answered(&mut self, primary: Option<&TargetId>, by: &TargetId) {
        self.record(primary, |counters| {
            let answered =
                if primary == Some(by) { &mut counters.by_primary } else { &mut counters.by_fallback };
            *answered += 1;
        });
    }

    pub(crate) fn record_cached(&mut self, primary: Option<&TargetId>) {
        self.record(primary, |counters| counters.cached += 1);
    }

    pub(crate) fn record_unanswered(&mut self, primary: Option<&TargetId>) {
        self.record(primary, |_| {});
    }

    fn record(&mut self, primary: Option<&TargetId>, update: impl FnOnce(&mut PrimaryCounters)) {
        let Some(primary) = primary else { return };
        // Looking up first saves a clone of the id for every request but the first.
        if !self.by_primary.contains_key(primary) {
            self.by_primary.insert(primary.clone(), PrimaryCounters::default());
        }
        if let Some(counters) = self.by_primary.get_mut(primary) {
            counters.requests += 1;
            update(counters);
        }
    }

    pub(crate) fn stats(&self, targets: impl Iterator<Item = (TargetId, TargetCounters)>) -> Stats {
        let total = self.by_primary.values().fold(PrimaryCounters::default(), |sum, one| PrimaryCounters {
            requests: sum.requests + one.requests,
            by_primary: sum.by_primary + one.by_primary,
            by_fallback: sum.by_fallback + one.by_fallback,
            cached: sum.cached + one.cached,
        });
        let targets = targets.map(|(id, counters)| {
            let primary = self.by_primary.get(&id).copied().unwrap_or_default();
            (id, target_stats(&counters, primary))
        });
        Stats {
            requests: total.requests,
            answered: total.by_primary + total.by_fallback,
            cached: total.cached,
            primary_success_rate: share(total.by_primary, total.requests),
            fallback_rate: share(total.by_fallback, total.requests),
            targets: targets.collect(),
        }
    }
}

fn target_stats(counters: &TargetCounters, primary: PrimaryCounters) -> TargetStats {
    TargetStats {
        calls: counters.calls(),
        successes: counters.successes,
        failures: counters.failures.clone(),
        last_failure: counters.last_failure,
        blocked: counters.blocked,
        skipped: counters.skipped,
        selected: counters.selected,
        fallback_from: counters.fallback_from,
        fallback_to: counters.fallback_to,
        mean_latency: counters.total_latency.checked_div(counters.latencies),
        max_latency: counters.max_latency,
        primary_requests: primary.requests,
        primary_success_rate: share(primary.by_primary, primary.requests),
        fallback_rate: share(primary.by_fallback, primary.requests),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
