//! The record of one request: its attempts as they happen, published to observers, spans and traces.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use fb_budget::Warning;
use fb_core::{
    Attempt, AttemptEnd, CacheUse, Capabilities, ChatRequest, Cooldown, Envelope, Event, FailureKind, Level,
    Limit, Next, Observer, Refusal, Report, RequestError, RequestId, RequestSummary, ServedBy, Skip,
    TargetId, Trace,
};
use fb_router::Plan;
use fb_telemetry::{AttemptSpan, FanOut, RequestSpan};
use parking_lot::Mutex;

use super::{
    request_summary::{add_messages, summarize},
    target_state::TargetState,
};
use crate::{
    Route,
    clock::now,
    stats::RequestCounters,
    traces::{Record, Traces},
};

/// The record of one request. Every open [`AttemptRecord`] keeps it alive.
pub(crate) struct RequestRecord {
    route: Arc<Route>,
    pub(super) envelope: Envelope,
    observers: FanOut,
    id: RequestId,
    tenant: Option<Arc<str>>,
    traces: Arc<Traces>,
    counters: Arc<Mutex<RequestCounters>>,
    span: RequestSpan,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Vec<Attempt>,
    /// The first target that the request turned to.
    primary: Option<TargetId>,
    /// The target that the request left last, as long as it turned to no other one, and the end of its last row.
    left: Option<(TargetId, AttemptEnd)>,
    hops: u32,
    served_by: Option<ServedBy>,
    took: Option<Duration>,
    cache: Option<CacheUse>,
    level: Level,
    degraded: Option<String>,
    limit: Option<Limit>,
    plan: Option<Plan>,
    summary: RequestSummary,
    /// True if the request counts against the rate limits of its tenant.
    counted: bool,
    /// The context windows that the prompt exceeded.
    context: Exceeded,
    /// The limits on bodies that the body exceeded.
    body: Exceeded,
}

/// The limits of one kind that a request exceeded at earlier targets.
#[derive(Clone, Copy, Default)]
struct Exceeded {
    /// True if the request exceeded one, known or not.
    any: bool,
    /// The largest known one; zero if none is known.
    largest: u64,
}

impl Exceeded {
    fn record(&mut self, limit: Option<u64>) {
        *self = Self { any: true, largest: self.largest.max(limit.unwrap_or(0)) };
    }

    /// Returns true if the request exceeds this limit too. An unknown limit may be larger.
    const fn excludes(self, limit: Option<u64>) -> bool {
        matches!(limit, Some(limit) if self.any && limit <= self.largest)
    }

    /// Returns true if nothing shows whether the request fits.
    const fn is_uncertain(self, limit: Option<u64>) -> bool {
        self.any && limit.is_none()
    }
}

impl State {
    /// Returns the latest row of a target.
    fn last_row(&self, target: &TargetId) -> Option<&Attempt> {
        self.rows.iter().rfind(|row| row.target == *target)
    }
}

impl RequestRecord {
    pub(super) fn new(
        route: &Arc<Route>,
        request: &ChatRequest,
        stream: bool,
        envelope: Envelope,
        observers: FanOut,
        traces: &Arc<Traces>,
        counters: &Arc<Mutex<RequestCounters>>,
    ) -> Arc<Self> {
        let tenant = request.options().tenant.clone();
        let span = RequestSpan::new(&route.name, tenant.as_deref());
        let (route, traces, counters) = (Arc::clone(route), Arc::clone(traces), Arc::clone(counters));
        // Not drawn from the engine's own generator, so that ids do not change a seeded run.
        let id = RequestId::new(fastrand::u128(..));
        let state = Mutex::new(State { summary: summarize(request, stream), ..State::default() });
        Arc::new(Self { route, envelope, observers, id, tenant, traces, counters, span, state })
    }

    /// Records that the request turns to a target. The first one is its primary; the first one after [`leave`](Self::leave)
    /// is a hop, unless it is the same target again.
    pub(super) fn turn_to(&self, target: &TargetId) {
        let left = {
            let mut state = self.state.lock();
            state.primary.get_or_insert_with(|| target.clone());
            let left = state.left.take().filter(|(from, _)| from != target);
            state.hops += u32::from(left.is_some());
            left
        };
        if let Some((from, reason)) = &left {
            self.span.hop(from, target, reason);
            let tenant = self.tenant.as_deref();
            self.publish(|route| Event::Hop { route, tenant, from, to: target, reason });
        }
    }

    /// Records that the request leaves a target without an answer. The rows of the target are complete.
    pub(super) fn leave(&self, target: &TargetId) {
        let mut state = self.state.lock();
        state.left = state.last_row(target).map(|row| (target.clone(), row.end.clone()));
    }

    /// Opens the record of a call.
    pub(super) fn begin(
        self: &Arc<Self>,
        target: &Arc<TargetState>,
        number: u32,
        key: Option<Arc<str>>,
        at: Instant,
    ) -> AttemptRecord {
        let id = target.id();
        let mut row = Attempt::new(id.clone(), number, AttemptEnd::Running);
        row.key = key;
        row.at = at.saturating_duration_since(self.envelope.started);
        let span = self.span.attempt(id, number);
        let index = {
            let mut state = self.state.lock();
            state.limit = None;
            state.rows.push(row);
            state.rows.len() - 1
        };
        self.publish(|route| Event::Started { route, target: id, number });
        let (request, target) = (Arc::clone(self), Arc::clone(target));
        AttemptRecord { request, target, index, started: at, closed: false, span }
    }

    /// Records that a target was not called.
    pub(super) fn skip(&self, target: &TargetId, why: Skip, reopens: Option<Duration>, next: Next) {
        let mut row = Attempt::new(target.clone(), 0, AttemptEnd::Skipped { why, reopens });
        row.at = now().saturating_duration_since(self.envelope.started);
        row.next = next;
        self.span.skipped(&row);
        self.state.lock().rows.push(row.clone());
        self.publish(|route| Event::Ended { route, attempt: &row });
    }

    /// Returns true if the target refused the request as it is: by the last row, it cannot carry it or found it invalid.
    pub(super) fn was_refused(&self, target: &TargetId) -> bool {
        let state = self.state.lock();
        match state.last_row(target).map(|row| &row.end) {
            Some(AttemptEnd::Skipped { why: Skip::Inadmissible(_), .. }) => true,
            Some(AttemptEnd::Failed(failure)) => {
                matches!(failure.kind(), FailureKind::InvalidRequest | FailureKind::Unknown { server: false })
            }
            _ => false,
        }
    }

    /// Replaces the decision in the last row of a target, when the request waits for that target after all.
    pub(super) fn amend(&self, target: &TargetId, next: Next) {
        let mut state = self.state.lock();
        if let Some(row) = state.rows.iter_mut().rev().find(|row| row.target == *target) {
            row.next = next;
        }
    }

    /// Records the limit that prevents another call to a target that failed. The next call clears it.
    pub(super) fn set_limit(&self, limit: Limit) {
        self.state.lock().limit = Some(limit);
    }

    /// Returns true if the request counts against the rate limits of its tenant already.
    pub(super) fn is_counted(&self) -> bool {
        self.state.lock().counted
    }

    /// Records that the request counts against the rate limits of its tenant.
    pub(super) fn set_counted(&self) {
        self.state.lock().counted = true;
    }

    /// Returns the number of calls made so far.
    pub(super) fn calls(&self) -> u32 {
        let state = self.state.lock();
        u32::try_from(state.rows.iter().filter(|row| row.is_call()).count()).unwrap_or(u32::MAX)
    }

    /// Returns the number of calls to a target that arrived there, as far as is known, without those after which another key
    /// was used.
    pub(super) fn calls_to(&self, target: &TargetId) -> u32 {
        let state = self.state.lock();
        let is_stale = |end: &AttemptEnd| matches!(end, AttemptEnd::Failed(failure) if failure.kind() == FailureKind::StaleConnection);
        let own = state.rows.iter().filter(|row| row.is_call() && row.target == *target);
        let calls = own.filter(|row| !is_stale(&row.end) && row.next != Next::OtherKey);
        u32::try_from(calls.count()).unwrap_or(u32::MAX)
    }

    /// Returns true if this request called the target.
    pub(super) fn has_called(&self, target: &TargetId) -> bool {
        self.state.lock().rows.iter().any(|row| row.is_call() && row.target == *target)
    }

    /// Returns true if a call of this request to another target failed.
    pub(super) fn has_failed_elsewhere(&self, target: &TargetId) -> bool {
        let failed = |row: &Attempt| matches!(row.end, AttemptEnd::Failed(_)) && row.target != *target;
        self.state.lock().rows.iter().any(failed)
    }

    /// Returns true if the last row of the target is a reason that passes with time: a closed gate, or a failure
    /// that named one.
    pub(super) fn was_turned_away(&self, target: &TargetId) -> bool {
        let state = self.state.lock();
        match state.last_row(target).map(|row| &row.end) {
            Some(AttemptEnd::Skipped { why, .. }) => {
                why.is_unavailable() || matches!(why, Skip::LowQuality | Skip::Ramping)
            }
            Some(AttemptEnd::Failed(failure)) => {
                let has_time = failure.retry_after().is_some_and(|wait| !wait.is_zero());
                failure.consequences().cooldown == Cooldown::RetryAfter && has_time
            }
            _ => false,
        }
    }

    /// Excludes targets with a known context window no larger than this one from later attempts.
    pub(super) fn require_larger_window(&self, than: &Capabilities) {
        self.state.lock().context.record(than.context);
    }

    /// Excludes targets with a known body limit no larger than this one from later attempts.
    pub(super) fn require_larger_body(&self, than: &Capabilities) {
        self.state.lock().body.record(than.max_body);
    }

    /// Returns true if a limit of the target is unknown that the request exceeded elsewhere: it is tried after the targets
    /// with known, larger limits.
    pub(super) fn is_uncertain(&self, capabilities: &Capabilities) -> bool {
        let state = self.state.lock();
        state.context.is_uncertain(capabilities.context) || state.body.is_uncertain(capabilities.max_body)
    }

    /// Checks a target against the limits that earlier failures of this request exceeded.
    pub(super) fn check_limits(&self, capabilities: &Capabilities) -> Result<(), Refusal> {
        let state = self.state.lock();
        if state.context.excludes(capabilities.context) {
            return Err(Refusal::new(
                "messages",
                "too long for an earlier target, and this window is no larger",
            ));
        }
        if state.body.excludes(capabilities.max_body) {
            return Err(Refusal::new("body", "too large for an earlier target, and this limit is no larger"));
        }
        Ok(())
    }

    /// Completes the summary with the facts of the messages, if they were parsed anyway.
    pub(super) fn complete_summary(&self, request: &ChatRequest) {
        if let Some(chat) = request.parsed().filter(|_| !self.observers.is_empty()) {
            add_messages(&mut self.state.lock().summary, request, chat);
        }
    }

    /// Returns true if a target failed or was unavailable through its own fault. A timeout under a deadline that the
    /// caller shortened is not the target's fault.
    pub(super) fn blames_a_target(&self, deadline_shortened: bool) -> bool {
        let blames = |row: &Attempt| match &row.end {
            AttemptEnd::Failed(failure) => {
                !(deadline_shortened && matches!(failure.kind(), FailureKind::Timeout(_)))
            }
            AttemptEnd::Skipped { why, .. } => why.is_unavailable() || *why == Skip::AtCapacity,
            _ => false,
        };
        self.state.lock().rows.iter().any(blames)
    }

    /// Returns true if no call was made and a limit of the tenant refused one.
    pub(super) fn is_refused_by_budget(&self) -> bool {
        let state = self.state.lock();
        let refused = |row: &Attempt| matches!(row.end, AttemptEnd::Skipped { why: Skip::Budget { .. }, .. });
        state.rows.iter().any(refused) && !state.rows.iter().any(Attempt::is_call)
    }

    /// Returns the shortest time after which a limit of the tenant that refused a call has room again.
    pub(super) fn budget_resets_in(&self) -> Option<Duration> {
        let resets_in = |row: &Attempt| match &row.end {
            AttemptEnd::Skipped { why: Skip::Budget { .. }, reopens } => *reopens,
            _ => None,
        };
        self.state.lock().rows.iter().filter_map(resets_in).min()
    }

    pub(super) fn set_cache_use(&self, cache: CacheUse) {
        self.state.lock().cache = Some(cache);
    }

    pub(super) fn set_level(&self, level: Level) {
        self.state.lock().level = level;
    }

    /// Returns the level of the latest attempts.
    pub(super) fn level(&self) -> Level {
        self.state.lock().level
    }

    /// Records the error that a degraded answer replaces.
    pub(super) fn set_degraded(&self, instead_of: String) {
        self.state.lock().degraded = Some(instead_of);
    }

    /// Records the target that streams the answer.
    pub(crate) fn set_served_by(&self, by: ServedBy) {
        self.state.lock().served_by = Some(by);
    }

    /// Finishes the request and returns its report. Only the first call counts and publishes the request.
    pub(crate) fn finish(&self, by: Option<ServedBy>) -> Report {
        self.finish_as(by, false, |_| None)
    }

    /// Finishes the request with an error, given the report, and returns the report.
    pub(crate) fn fail(&self, by: Option<ServedBy>, error: impl FnOnce(&Report) -> RequestError) -> Report {
        self.finish_as(by, false, |report| Some(error(report)))
    }

    fn finish_as(
        &self,
        by: Option<ServedBy>,
        cancelled: bool,
        error: impl FnOnce(&Report) -> Option<RequestError>,
    ) -> Report {
        let first = {
            let mut state = self.state.lock();
            let first = state.took.is_none();
            if first {
                state.took = Some(now().saturating_duration_since(self.envelope.started));
                state.served_by = by.or_else(|| state.served_by.take());
            }
            first
        };
        let report = self.report();
        if first {
            self.counters.lock().record(&report, cancelled);
            self.span.finished(&report);
            let (tenant, summary) = (self.tenant.as_deref(), mem::take(&mut self.state.lock().summary));
            self.publish(|route| Event::Finished {
                route,
                tenant,
                request: &summary,
                cancelled,
                coalesced: false,
                error: error(&report),
                report: &report,
            });
            self.remember(summary, &report);
        }
        report
    }

    /// Returns the report of the request so far.
    pub(crate) fn report(&self) -> Report {
        let state = self.state.lock();
        let so_far = || now().saturating_duration_since(self.envelope.started);
        Report::with(|report| {
            report.id = self.id;
            report.primary.clone_from(&state.primary);
            report.hops = state.hops;
            report.served_by.clone_from(&state.served_by);
            report.level = state.level;
            report.took = state.took.unwrap_or_else(so_far);
            report.cache.clone_from(&state.cache);
            report.degraded.clone_from(&state.degraded);
            report.limit = state.limit.filter(|_| state.served_by.is_none());
            report.trace = Trace::new(state.rows.clone());
        })
    }

    /// Publishes that a stream that broke at a target was resumed by another one, or by none.
    pub(super) fn publish_resumed(&self, from: &TargetId, by: Option<&TargetId>) {
        self.publish(|route| Event::Resumed { route, from, by });
    }

    /// Publishes that much of a limit is used, or that it refused a call.
    pub(super) fn publish_budget(&self, warning: &Warning) {
        let Warning { account, limit, share, refused, .. } = warning;
        let (tenant, key) =
            account.split_once('/').map_or((&**account, None), |(tenant, key)| (tenant, Some(key)));
        self.publish(|_route| Event::Budget {
            tenant,
            key,
            limit: limit.as_str(),
            share: *share,
            refused: *refused,
        });
    }

    /// Keeps the router's first plan for the trace.
    pub(super) fn set_plan(&self, plan: Plan) {
        if self.traces.is_on() {
            self.state.lock().plan.get_or_insert(plan);
        }
    }

    fn remember(&self, summary: RequestSummary, report: &Report) {
        if !self.traces.is_on() {
            return;
        }
        self.traces.remember(Record {
            route: self.route.name.clone(),
            requested: (summary.model != self.route.name).then_some(summary.model),
            tenant: self.tenant.clone(),
            began: self.envelope.started,
            plan: self.state.lock().plan.take(),
            report: report.clone(),
        });
    }

    fn publish<'a>(&'a self, event: impl FnOnce(&'a str) -> Event<'a>) {
        if !self.observers.is_empty() {
            self.observers.on_event(&event(&self.route.name));
        }
    }
}

impl Drop for RequestRecord {
    /// Finishes a request that its caller left, so that metrics count it too.
    fn drop(&mut self) {
        if self.state.get_mut().took.is_none() {
            self.finish_as(None, true, |_| None);
        }
    }
}

/// The record of one call in flight. Dropped unclosed, it closes as cancelled.
pub(crate) struct AttemptRecord {
    request: Arc<RequestRecord>,
    target: Arc<TargetState>,
    index: usize,
    started: Instant,
    closed: bool,
    span: AttemptSpan,
}

impl AttemptRecord {
    /// Records the end of the call and the decision that follows.
    pub(crate) fn close(mut self, end: AttemptEnd, next: Next) {
        self.write(end, next);
    }

    /// Records and publishes the time to the first output of a stream.
    pub(super) fn record_first_output(&self, after: Duration) {
        if let Some(row) = self.request.state.lock().rows.get_mut(self.index) {
            row.first = Some(after);
        }
        self.request.publish(|route| Event::FirstToken { route, target: self.target.id(), after });
    }

    fn write(&mut self, end: AttemptEnd, next: Next) {
        self.closed = true;
        let at = now();
        let took = at.saturating_duration_since(self.started);
        self.span.ended(&end, next);
        let is_primary = self.request.state.lock().primary.as_ref() == Some(self.target.id());
        self.target.count(|counters| counters.record(&end, is_primary, at));
        let row = {
            let mut state = self.request.state.lock();
            let Some(row) = state.rows.get_mut(self.index) else { return };
            (row.took, row.end, row.next) = (took, end, next);
            (!self.request.observers.is_empty()).then(|| row.clone())
        };
        if let Some(row) = row {
            self.request.publish(|route| Event::Ended { route, attempt: &row });
        }
    }
}

impl Drop for AttemptRecord {
    fn drop(&mut self) {
        if !self.closed {
            self.write(AttemptEnd::Cancelled, Next::Nothing);
        }
    }
}
