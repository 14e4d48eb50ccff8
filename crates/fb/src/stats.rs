use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fb_core::{FailureKind, TargetId};

/// Counts of a client since it was built, per request and per target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Requests that saw a route.
    pub requests: u64,
    /// Of these: answered or blocked by a target.
    pub answered: u64,
    /// Of the rest: answered from the cache, fresh or stale.
    pub cached: u64,
    /// Share of requests that their first target answered, 0 to 1; `None` before the first request.
    pub primary_success_rate: Option<f64>,
    /// Share of requests that another than their first target answered, 0 to 1.
    pub fallback_rate: Option<f64>,
    /// Per target, in order of name.
    pub targets: BTreeMap<TargetId, TargetStats>,
}

/// Counts of one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetStats {
    /// Calls that ended: answered, failed or blocked. A call whose caller left is none of these.
    pub calls: u64,
    /// Calls with a usable answer.
    pub successes: u64,
    /// Calls that failed, by kind.
    pub failures: BTreeMap<&'static str, u64>,
    /// What the last of them was, and when.
    pub last_failure: Option<(&'static str, Instant)>,
    /// Calls that ended in a content-policy refusal.
    pub blocked: u64,
    /// Times it was its turn but it was not called.
    pub skipped: u64,
    /// Mean time to an answer, for a stream to its first output.
    pub mean_latency: Option<Duration>,
    /// Longest such time.
    pub max_latency: Duration,
    /// Calls after which the request moved on to another target.
    pub fallback_from: u64,
    /// Calls for requests that another target had failed.
    pub fallback_to: u64,
    /// Requests whose first target this is.
    pub primary_requests: u64,
    /// Of these, the share it answered itself.
    pub primary_success_rate: Option<f64>,
    /// Of these, the share that another target answered.
    pub fallback_rate: Option<f64>,
}

impl TargetStats {
    /// What a router goes by, with the rates derived from it.
    pub const fn routing(&self) -> fb_router::Stats {
        fb_router::Stats {
            selected: self.calls,
            successes: self.successes,
            fallback_from: self.fallback_from,
            fallback_to: self.fallback_to,
        }
    }
}

/// What one target counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) successes: u64,
    pub(crate) blocked: u64,
    pub(crate) skipped: u64,
    pub(crate) fallback_from: u64,
    pub(crate) fallback_to: u64,
    failures: BTreeMap<&'static str, u64>,
    last_failure: Option<(&'static str, Instant)>,
    answers: u32,
    latency: Duration,
    max_latency: Duration,
}

impl Counts {
    fn calls(&self) -> u64 {
        self.successes + self.blocked + self.failures.values().sum::<u64>()
    }

    /// A first output or a whole reply came after this time.
    pub(crate) fn answered_after(&mut self, took: Duration) {
        self.answers = self.answers.saturating_add(1);
        self.latency = self.latency.saturating_add(took);
        self.max_latency = self.max_latency.max(took);
    }

    pub(crate) fn failed(&mut self, kind: FailureKind, at: Instant) {
        self.last_failure = Some((kind.name(), at));
        *self.failures.entry(kind.name()).or_default() += 1;
    }
}

/// What requests count, by their first target.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    by_primary: BTreeMap<TargetId, Primary>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Primary {
    requests: u64,
    itself: u64,
    others: u64,
    cached: u64,
}

impl Totals {
    pub(crate) fn answered(&mut self, primary: Option<&TargetId>, by: &TargetId) {
        self.count(primary, |count| {
            let share = if primary == Some(by) { &mut count.itself } else { &mut count.others };
            *share += 1;
        });
    }

    pub(crate) fn cached(&mut self, primary: Option<&TargetId>) {
        self.count(primary, |count| count.cached += 1);
    }

    pub(crate) fn unanswered(&mut self, primary: Option<&TargetId>) {
        self.count(primary, |_| {});
    }

    fn count(&mut self, primary: Option<&TargetId>, add: impl FnOnce(&mut Primary)) {
        let Some(primary) = primary else { return };
        if !self.by_primary.contains_key(primary) {
            self.by_primary.insert(primary.clone(), Primary::default());
        }
        if let Some(count) = self.by_primary.get_mut(primary) {
            count.requests += 1;
            add(count);
        }
    }

    pub(crate) fn stats(&self, targets: impl Iterator<Item = (TargetId, Counts)>) -> Stats {
        let sum = self.by_primary.values().fold(Primary::default(), |sum, one| Primary {
            requests: sum.requests + one.requests,
            itself: sum.itself + one.itself,
            others: sum.others + one.others,
            cached: sum.cached + one.cached,
        });
        let targets = targets.map(|(id, counts)| {
            let primary = self.by_primary.get(&id).copied().unwrap_or_default();
            (id, target_stats(&counts, primary))
        });
        Stats {
            requests: sum.requests,
            answered: sum.itself + sum.others,
            cached: sum.cached,
            primary_success_rate: share(sum.itself, sum.requests),
            fallback_rate: share(sum.others, sum.requests),
            targets: targets.collect(),
        }
    }
}

fn target_stats(counts: &Counts, primary: Primary) -> TargetStats {
    TargetStats {
        calls: counts.calls(),
        successes: counts.successes,
        failures: counts.failures.clone(),
        last_failure: counts.last_failure,
        blocked: counts.blocked,
        skipped: counts.skipped,
        fallback_from: counts.fallback_from,
        fallback_to: counts.fallback_to,
        mean_latency: counts.latency.checked_div(counts.answers),
        max_latency: counts.max_latency,
        primary_requests: primary.requests,
        primary_success_rate: share(primary.itself, primary.requests),
        fallback_rate: share(primary.others, primary.requests),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
