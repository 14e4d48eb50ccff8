use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use fb_budget::Warning;
use fb_core::{
    Attempt, AttemptEnd, CacheUse, Capabilities, ChatRequest, Cooldown, Envelope, Event, FailureKind, Level,
    Next, Observer, Refusal, Report, RequestId, RequestSummary, ServedBy, Skip, TargetId, Trace,
};
use fb_router::Plan;
use fb_telemetry::{AttemptSpan, RequestSpan};
use parking_lot::Mutex;

use super::{Mode, request_summary};
use crate::{
    Route,
    clock::now,
    traces::{Record, Traces},
};

/// One request: its limits and its trace. Whoever holds a [`Row`] holds the run.
pub(crate) struct RequestRecord {
    route: Arc<Route>,
    pub(super) envelope: Envelope,
    observer: Option<Arc<dyn Observer>>,
    id: RequestId,
    tenant: Option<Arc<str>>,
    traces: Arc<Traces>,
    span: RequestSpan,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Vec<Attempt>,
    served_by: Option<ServedBy>,
    took: Option<Duration>,
    cache: Option<CacheUse>,
    level: Level,
    degraded: Option<String>,
    plan: Option<Plan>,
    asked: RequestSummary,
    /// Set by a failure that only a target with a larger window of tokens can survive.
    context_above: Option<u64>,
    /// Set by a failure that only a target with a larger limit on bodies can survive.
    body_above: Option<u64>,
}

impl RequestRecord {
    pub(super) fn new(
        route: &Arc<Route>,
        request: &ChatRequest,
        mode: Mode,
        envelope: Envelope,
        observer: Option<Arc<dyn Observer>>,
        traces: &Arc<Traces>,
    ) -> Arc<Self> {
        let tenant = request.options().tenant.clone();
        let span = RequestSpan::new(&route.name, tenant.as_deref());
        let (route, traces) = (Arc::clone(route), Arc::clone(traces));
        // Not of the engine's own numbers: an id decides nothing, and a seeded run is the same with and without it.
        let id = RequestId::new(fastrand::u128(..));
        let state = Mutex::new(State { asked: request_summary::of(request, mode), ..State::default() });
        Arc::new(Self { route, envelope, observer, id, tenant, traces, span, state })
    }

    /// Opens the row of a call; the row closes itself as cancelled when it is dropped.
    pub(super) fn begin(self: &Arc<Self>, target: &TargetId, number: u32, at: Instant) -> AttemptRecord {
        let row = Attempt {
            target: target.clone(),
            number,
            at: at.saturating_duration_since(self.envelope.started),
            took: Duration::ZERO,
            first: None,
            end: AttemptEnd::Running,
            next: Next::Nothing,
        };
        let (index, span) = {
            let mut state = self.state.lock();
            let failed = |row: &&Attempt| matches!(row.end, AttemptEnd::Failed(_)) && row.next == Next::Hop;
            let from = state.rows.iter().rfind(failed).filter(|row| number == 1 && row.target != *target);
            let span = self.span.attempt(target, number, from);
            state.rows.push(row);
            (state.rows.len() - 1, span)
        };
        self.tell(|route| Event::Started { route, target, number });
        AttemptRecord { record: Arc::clone(self), index, started: at, closed: false, span }
    }

    /// Writes down that a target was not called.
    pub(super) fn skip(&self, target: &TargetId, why: Skip, reopens: Option<Duration>, next: Next) {
        let row = Attempt {
            target: target.clone(),
            number: 0,
            at: now().saturating_duration_since(self.envelope.started),
            took: Duration::ZERO,
            first: None,
            end: AttemptEnd::Skipped { why, reopens },
            next,
        };
        self.span.skipped(&row);
        self.state.lock().rows.push(row.clone());
        self.tell(|route| Event::Ended { route, attempt: &row });
    }

    /// Changes what was decided in the last row of a target: it is waited for after all.
    pub(super) fn amend(&self, target: &TargetId, next: Next) {
        let mut state = self.state.lock();
        if let Some(row) = state.rows.iter_mut().rev().find(|row| row.target == *target) {
            row.next = next;
        }
    }

    /// Calls made so far.
    pub(super) fn calls(&self) -> u32 {
        let state = self.state.lock();
        u32::try_from(state.rows.iter().filter(|row| row.is_call()).count()).unwrap_or(u32::MAX)
    }

    /// Whether the target was called in this request.
    pub(super) fn called(&self, target: &TargetId) -> bool {
        self.state.lock().rows.iter().any(|row| row.is_call() && row.target == *target)
    }

    /// Whether another target failed in this request.
    pub(super) fn has_failed_elsewhere(&self, target: &TargetId) -> bool {
        let failed = |row: &Attempt| matches!(row.end, AttemptEnd::Failed(_)) && row.target != *target;
        self.state.lock().rows.iter().any(failed)
    }

    /// Whether the target's last word in this request was to come back later.
    pub(super) fn was_turned_away(&self, target: &TargetId) -> bool {
        let state = self.state.lock();
        match state.rows.iter().rev().find(|row| row.target == *target).map(|row| &row.end) {
            Some(AttemptEnd::Skipped { why, .. }) => {
                matches!(
                    why,
                    Skip::BreakerOpen | Skip::Cooling | Skip::Ejected | Skip::Ramping | Skip::Unhealthy
                )
            }
            Some(AttemptEnd::Failed(failure)) => {
                failure.kind().consequences().cooldown == Cooldown::RetryAfter
            }
            _ => false,
        }
    }

    /// From now on only targets that are known to take more than this one may be tried.
    pub(super) fn require_larger_window(&self, than: &Capabilities) {
        self.state.lock().context_above = Some(than.context.unwrap_or(0));
    }

    /// From now on only targets that are known to take larger bodies than this one may be tried.
    pub(super) fn require_larger_body(&self, than: &Capabilities) {
        self.state.lock().body_above = Some(than.max_body.unwrap_or(0));
    }

    /// Whether an earlier failure of this request leaves the target a chance.
    pub(super) fn admits(&self, capabilities: &Capabilities) -> Result<(), Refusal> {
        let state = self.state.lock();
        let above = |floor: Option<u64>, have: Option<u64>| {
            floor.is_none_or(|floor| floor > 0 && have.is_some_and(|have| have > floor))
        };
        if !above(state.context_above, capabilities.context) {
            return Err(Refusal::new(
                "messages",
                "too long for an earlier target, and this window is not known to be larger",
            ));
        }
        if !above(state.body_above, capabilities.max_body) {
            return Err(Refusal::new(
                "body",
                "too large for an earlier target, and this limit is not known to be larger",
            ));
        }
        Ok(())
    }

    /// Notes what the messages tell of the request, if somebody had to parse them.
    pub(super) fn read(&self, request: &ChatRequest) {
        if let Some(chat) = request.parsed().filter(|_| self.observer.is_some()) {
            request_summary::add(&mut self.state.lock().asked, request, chat);
        }
    }

    /// Whether some target failed, or could not be called, by its own fault; what a caller's own short deadline ended is
    /// nobody's.
    pub(super) fn speaks_of_targets(&self, deadline_shortened: bool) -> bool {
        let speaks = |row: &Attempt| match &row.end {
            AttemptEnd::Failed(failure) => {
                !(deadline_shortened && matches!(failure.kind(), FailureKind::Timeout(_)))
            }
            AttemptEnd::Skipped { why, .. } => matches!(
                why,
                Skip::BreakerOpen
                    | Skip::Cooling
                    | Skip::Ejected
                    | Skip::Unhealthy
                    | Skip::KeyRejected
                    | Skip::AtCapacity
            ),
            _ => false,
        };
        self.state.lock().rows.iter().any(speaks)
    }

    /// Whether nobody was called, and somebody only since the tenant may not pay.
    pub(super) fn is_unpaid(&self) -> bool {
        let state = self.state.lock();
        let unpaid = |row: &Attempt| matches!(row.end, AttemptEnd::Skipped { why: Skip::Budget { .. }, .. });
        state.rows.iter().any(unpaid) && !state.rows.iter().any(Attempt::is_call)
    }

    /// In how long the tenant may pay for one of the targets that it could not pay for.
    pub(super) fn pays_again(&self) -> Option<Duration> {
        let unpaid = |row: &Attempt| match &row.end {
            AttemptEnd::Skipped { why: Skip::Budget { .. }, reopens } => *reopens,
            _ => None,
        };
        self.state.lock().rows.iter().filter_map(unpaid).min()
    }

    /// Notes what the cache had to do with it.
    pub(super) fn cache(&self, used: CacheUse) {
        self.state.lock().cache = Some(used);
    }

    /// Notes on which level it is tried.
    pub(super) fn level(&self, level: Level) {
        self.state.lock().level = level;
    }

    /// The level at which it was tried last.
    pub(super) fn reached(&self) -> Level {
        self.state.lock().level
    }

    /// Notes the error in whose place something else is given.
    pub(super) fn degraded(&self, instead_of: String) {
        self.state.lock().degraded = Some(instead_of);
    }

    /// Notes who answers, while the answer still streams.
    pub(crate) fn serving(&self, by: ServedBy) {
        self.state.lock().served_by = Some(by);
    }

    /// Closes the books, once, and says what happened.
    pub(crate) fn finish(&self, by: Option<ServedBy>) -> Report {
        self.over(by, false)
    }

    fn over(&self, by: Option<ServedBy>, left: bool) -> Report {
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
            self.span.finished(&report);
            let (tenant, asked) = (self.tenant.as_deref(), mem::take(&mut self.state.lock().asked));
            self.tell(|route| Event::Finished {
                route,
                tenant,
                request: &asked,
                cancelled: left,
                coalesced: false,
                report: &report,
            });
            self.remember(asked, &report);
        }
        report
    }

    /// What happened so far.
    pub(crate) fn report(&self) -> Report {
        let state = self.state.lock();
        let so_far = || now().saturating_duration_since(self.envelope.started);
        Report {
            id: self.id,
            served_by: state.served_by.clone(),
            level: state.level,
            took: state.took.unwrap_or_else(so_far),
            cache: state.cache.clone(),
            degraded: state.degraded.clone(),
            trace: Trace::new(state.rows.clone()),
        }
    }

    /// Tells that much of a budget is used.
    pub(super) fn warned(&self, warning: &Warning) {
        let Warning { account, limit, share, refused } = warning;
        let (tenant, key) =
            account.split_once('/').map_or((&**account, None), |(tenant, key)| (tenant, Some(key)));
        self.tell(|_route| Event::Budget {
            tenant,
            key,
            limit: limit.as_str(),
            share: *share,
            refused: *refused,
        });
    }

    /// Notes how the targets were ranked.
    pub(super) fn planned(&self, plan: Plan) {
        if self.traces.is_on() {
            self.state.lock().plan.get_or_insert(plan);
        }
    }

    fn remember(&self, asked: RequestSummary, report: &Report) {
        if !self.traces.is_on() {
            return;
        }
        self.traces.remember(Record {
            route: self.route.name.clone(),
            asked: (asked.model != self.route.name).then_some(asked.model),
            tenant: self.tenant.clone(),
            began: self.envelope.started,
            plan: self.state.lock().plan.take(),
            report: report.clone(),
        });
    }

    fn tell<'a>(&'a self, event: impl FnOnce(&'a str) -> Event<'a>) {
        if let Some(observer) = &self.observer {
            observer.on_event(&event(&self.route.name));
        }
    }
}

impl Drop for RequestRecord {
    /// A caller that left is a finished request too, or metrics would lose it.
    fn drop(&mut self) {
        if self.state.get_mut().took.is_none() {
            self.over(None, true);
        }
    }
}

/// The row of a call in flight. Dropped unclosed, the call was cancelled.
pub(crate) struct AttemptRecord {
    record: Arc<RequestRecord>,
    index: usize,
    started: Instant,
    closed: bool,
    span: AttemptSpan,
}

impl AttemptRecord {
    /// Writes down how the call ended and what was decided.
    pub(crate) fn close(mut self, end: AttemptEnd, next: Next) {
        self.write(end, next);
    }

    /// Notes that the first output of its stream came, and tells of it.
    pub(super) fn first_output(&self, after: Duration) {
        let target = {
            let mut state = self.record.state.lock();
            let Some(row) = state.rows.get_mut(self.index) else { return };
            row.first = Some(after);
            self.record.observer.is_some().then(|| row.target.clone())
        };
        if let Some(target) = &target {
            self.record.tell(|route| Event::FirstToken { route, target, after });
        }
    }

    fn write(&mut self, end: AttemptEnd, next: Next) {
        self.closed = true;
        let took = now().saturating_duration_since(self.started);
        self.span.ended(&end, next);
        let row = {
            let mut state = self.record.state.lock();
            let Some(row) = state.rows.get_mut(self.index) else { return };
            (row.took, row.end, row.next) = (took, end, next);
            self.record.observer.is_some().then(|| row.clone())
        };
        if let Some(row) = row {
            self.record.tell(|route| Event::Ended { route, attempt: &row });
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
