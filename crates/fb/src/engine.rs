//! The engine: one request, from the route that it names to the response.
//!
//! [`Engine::serve`] reads top to bottom. Below it, in the order in which a request meets them: [`routing`] finds the route,
//! [`selection`] orders its targets, [`race`] goes through them, [`attempts`] calls one target, [`admission`] takes what a
//! call needs, [`attempt`] makes it, [`inspect`] checks the answer, [`decide`] decides what follows a failure. If no target
//! answers, [`degrade`] goes down the ladder, [`last_resort`] waits, and [`conclude`] turns the outcome into the response.

mod admission;
mod admitted;
mod attempt;
mod attempts;
mod cache;
mod cause;
mod conclude;
mod context;
mod decide;
mod degrade;
mod directory;
mod inspect;
mod key_ring;
mod key_standing;
mod keys;
mod last_resort;
#[cfg(not(feature = "cache"))]
mod no_store;
mod observers;
mod open_call;
mod operate;
mod outcome;
mod permits;
mod position;
mod probe;
mod race;
mod reconfigure;
mod record;
mod request_summary;
mod response;
mod retries;
mod route_state;
mod route_target;
mod routing;
mod selection;
mod spend;
mod state;
mod sticky_key;
pub(crate) mod stream;
mod suspicion;
mod target_state;
mod trials;

use std::{sync::Arc, time::Instant};

use fb_cache::Role;
use fb_core::{
    CacheUse, ChatRequest, Envelope, Event, Failure, FailureKind, Level, Note, Observer, Options, Report,
    RequestError, RequestId, ServedBy,
};

use self::{
    admission::count_callable, cache::Lookup, degrade::count_callable_below, directory::Directory,
    last_resort::last_resort, outcome::TargetOutcome, race::race, record::RequestRecord,
    request_summary::summarize, route_state::RouteState, selection::may_use_hit,
};
pub(crate) use self::{context::Mode, response::Response, state::Engine};
use crate::{Ended, Error, ErrorCode, Rung, clock::now, ladder::reduce, traces::Record};

impl Engine {
    /// Serves one request: from the cache, by joining an identical request in flight, or by calling targets.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        request: &ChatRequest,
        mode: Mode,
    ) -> Result<Response, Error> {
        let directory = &self.directory();
        let route = self.find_route(directory, request)?;
        let lookup = Lookup::for_request(request, &route.config, mode);
        if let Some(lookup) = lookup.as_ref().filter(|lookup| lookup.fresh) {
            let hit = self.cache.get(&lookup.key, now());
            if let Some(hit) = hit.filter(|hit| may_use_hit(directory, request, route, hit)) {
                let record = self.begin(request, mode, route);
                return Ok(Response::from_cache(&record, &hit, request));
            }
            if mode == Mode::Plain && may_coalesce(request) {
                // Boxed, as few requests need it and every one has this future.
                return Box::pin(self.coalesce(request, (directory, route), lookup.clone())).await;
            }
        }
        self.call_targets(request, mode, (directory, route), lookup).await
    }

    /// Serves a request by calling targets: the full level, then the lower ones, then the last resort.
    async fn call_targets(
        self: &Arc<Self>,
        request: &ChatRequest,
        mode: Mode,
        (directory, route): (&Arc<Directory>, &Arc<RouteState>),
        lookup: Option<Lookup>,
    ) -> Result<Response, Error> {
        let bounded = bounded(request, route);
        let request = bounded.as_ref().map_or(request, |bounded| &bounded.0);
        prepare_gates(request, route)?;
        let record = self.begin(request, mode, route);
        if lookup.as_ref().is_some_and(|lookup| lookup.fresh) {
            record.set_cache_use(CacheUse::Miss);
        }
        let ctx = self.context(request, mode, (directory, route), &record, record.envelope);
        let selection = self.select(ctx);
        let whole_only = request.options().refuse_degraded;
        // A caller that refuses degraded answers starts at the full level, unless an operator chose a level without models.
        let starting_level = self.starting_level(route);
        let level = if whole_only && starting_level < Level::Cached { Level::Full } else { starting_level };

        let mut outcome = TargetOutcome::MoveOn;
        if level == Level::Full {
            let reserve = if whole_only { 0 } else { count_callable_below(ctx, route.levels_from(level)) };
            let ctx = context::RequestContext { reserve, ..ctx };
            for is_last in [false, true] {
                let (targets, start) = selection.stage(is_last);
                let after = if is_last { 0 } else { count_callable(ctx, selection.doubtful.into_iter()) };
                let ctx = context::RequestContext { reserve: reserve.saturating_add(after), ..ctx };
                outcome = race(ctx, targets, start).await;
                if !matches!(outcome, TargetOutcome::MoveOn) {
                    break;
                }
            }
            if let TargetOutcome::MoveOn = outcome {
                self.record_unanswered(ctx, Level::Full);
            }
        }
        if let TargetOutcome::MoveOn = outcome
            && !whole_only
        {
            outcome = Box::pin(self.descend(ctx, level)).await;
            if let TargetOutcome::MoveOn = outcome
                && let Some(fallback) = self.without_models(ctx, lookup.as_ref(), level)
            {
                return Ok(fallback);
            }
        }
        // Only when there is nothing else to give, since it may take long.
        if let TargetOutcome::MoveOn = outcome
            && level < Level::Cached
        {
            record.set_level(Level::Full);
            // Boxed, as few requests need it and every one has this future.
            outcome = Box::pin(last_resort(ctx, &selection.targets)).await;
        }
        if record.level() == Level::Full {
            let notes = bounded.as_ref().map_or_else(Vec::new, |bounded| bounded.1.clone());
            return self.conclude(ctx, outcome.with_notes(notes), lookup);
        }
        // The answer to a reduced request does not answer the whole one, and is not cached.
        self.conclude(ctx, outcome, None)
    }

    /// Opens the record of a request.
    fn begin(&self, request: &ChatRequest, mode: Mode, route: &RouteState) -> Arc<RequestRecord> {
        let deadline = route.deadline(request, mode == Mode::Stream).after;
        let timeout = request.options().timeout.unwrap_or(deadline).min(deadline);
        let below = route.levels_from(Level::Full).map(|lower| lower.targets.len()).sum::<usize>();
        let targets = route.targets.len() + below;
        let envelope = Envelope::new(now(), timeout, route.config.max_attempts, targets);
        let (stream, observers) = (mode == Mode::Stream, self.observers.current());
        let (traces, counters) = (&self.traces, &self.counters);
        RequestRecord::new(&route.config, request, stream, envelope, observers, traces, counters)
    }

    /// Calls targets once for all identical requests in flight. The calls run in a task of their own, which ends when the
    /// last caller leaves.
    async fn coalesce(
        self: &Arc<Self>,
        request: &ChatRequest,
        (directory, route): (&Arc<Directory>, &Arc<RouteState>),
        lookup: Lookup,
    ) -> Result<Response, Error> {
        let (key, began) = (lookup.flight, now());
        let (engine, leader) = (Arc::clone(self), request.clone());
        let place = (Arc::clone(directory), Arc::clone(route));
        let fill = move || async move {
            match engine.call_targets(&leader, Mode::Plain, (&place.0, &place.1), Some(lookup)).await? {
                Response::Plain(answer) => Ok(answer),
                Response::Stream(stream) => stream.collect().await.map(Box::new),
            }
        };
        let (mut result, role) = match route.flights.run(key, None, fill).await {
            Ok(result) => result,
            Err(error) => {
                let cause = Failure::new(FailureKind::Unknown { server: true }, error.to_string());
                let code = ErrorCode::for_failure(&cause);
                let report = self.begin(request, Mode::Plain, route).fail(None, |_| code.as_reported());
                return Err(Error::Surfaced(Box::new(Ended { cause, report, reopens: None })));
            }
        };
        if role == Role::Follower {
            let (error, report) = match &mut result {
                Ok(answer) => (None, Some(&mut answer.report)),
                Err(error) => (Some(error.as_reported()), error.report_mut()),
            };
            if let Some(report) = report {
                self.record_follower(request, route, began, error, report);
            }
        }
        result.map(Response::Plain)
    }

    /// Gives a coalesced request its own id, cache use and duration, then counts, publishes and remembers its report.
    fn record_follower(
        &self,
        request: &ChatRequest,
        route: &RouteState,
        began: Instant,
        error: Option<RequestError>,
        report: &mut Report,
    ) {
        report.id = RequestId::new(fastrand::u128(..));
        // The age of a stale answer matters to every caller that receives it.
        if report.served_by != Some(ServedBy::Cache) {
            report.cache = Some(CacheUse::Coalesced);
        }
        report.took = now().saturating_duration_since(began);
        let report = &*report;
        self.counters.lock().record(report, false);
        let (name, tenant) = (route.name(), request.options().tenant.as_ref());
        let observers = self.observers.current();
        if !observers.is_empty() {
            let summary = &summarize(request, false);
            observers.on_event(&Event::Finished {
                route: name,
                tenant: tenant.map(AsRef::as_ref),
                request: summary,
                cancelled: false,
                coalesced: true,
                error,
                report,
            });
        }
        if self.traces.is_on() {
            let requested = request.head().model.as_str();
            self.traces.remember(Record {
                route: name.to_owned(),
                requested: (requested != name).then(|| requested.to_owned()),
                tenant: tenant.cloned(),
                began,
                plan: None,
                report: report.clone(),
            });
        }
    }
}

/// Returns the request within the bound of level `full` on the tokens of an answer, with notes on the change; `None` if
/// nothing changes. Boxed, as few routes have a bound and every request has this future.
fn bounded(request: &ChatRequest, route: &RouteState) -> Option<Box<(ChatRequest, Vec<Note>)>> {
    let max_tokens = Some(route.config.ladder.max_tokens?);
    reduce(request, &Rung { max_tokens, ..Rung::default() }, Level::Full).map(Box::new)
}

/// Compiles the schema that the gates check answers against. An unusable schema is the caller's mistake.
#[cfg(feature = "quality")]
fn prepare_gates(request: &ChatRequest, route: &RouteState) -> Result<(), Error> {
    if route.gates.is_empty() {
        return Ok(());
    }
    // An unreadable request is left to the adapter, which names the field that is wrong.
    let Ok(chat) = request.chat() else { return Ok(()) };
    route
        .gates
        .prepare(chat)
        .map_err(|error| Error::InvalidRequest(fb_core::InvalidRequest::field(error.field, error.why)))
}

/// Compiles nothing: no gate has a schema.
#[cfg(not(feature = "quality"))]
#[expect(clippy::unnecessary_wraps, reason = "the other form returns an error")]
const fn prepare_gates(_request: &ChatRequest, _route: &RouteState) -> Result<(), Error> {
    Ok(())
}

/// Returns true if the request may share its calls with identical ones. A request with a deadline, a preference or rules of
/// its own may not.
fn may_coalesce(request: &ChatRequest) -> bool {
    let Options { timeout, prefer, category, refuse_degraded, rules, .. } = request.options();
    timeout.is_none() && prefer.is_none() && category.is_none() && !refuse_degraded && rules.is_empty()
}

#[cfg(test)]
mod tests;
