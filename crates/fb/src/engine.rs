//! One request, from the route it names to the answer: plan, race over the targets, last resort, report.
//!
//! `serve` reads top to bottom; below it [`visit`] is one target, [`attempt`] one call, [`decide`] what follows.

mod admit;
mod attempt;
mod cached;
mod decide;
mod lane;
mod last_resort;
mod plan;
mod race;
mod run;
mod visit;

use std::{sync::Arc, time::Instant};

use fb_breaker::Breaker;
use fb_cache::{Cache, Flights, FlightsConfig, Hit, Role};
use fb_core::{
    CacheUse, ChatRequest, Eligibility, Envelope, Failure, FailureKind, Frame, Observer, Probe, ServedBy,
    TargetId,
};
use fb_health::{Check, PanicConfig, Prober, Status as HealthStatus};
use parking_lot::Mutex;

use crate::{
    Answer, Builder, ChatStream, Ended, Error, Problem, Route, Stats,
    engine::{
        cached::{Kept, Lookup, Said, is_unavailable, used},
        lane::Lane,
        plan::{Directory, Plan},
        race::{Start, race},
        visit::Visit,
    },
    error::BuildError,
};

pub(crate) use self::{
    cached::Recorder,
    lane::{Slot, Upstream, weight},
    run::{Row, Run},
    visit::Committed,
};

/// The engine's time: tokio's, so that a test with paused time runs an hour in a millisecond.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What the caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A whole reply.
    Plain,
    /// A stream.
    Stream,
}

/// What a request came to.
pub(crate) enum Opened {
    Plain(Box<Answer>),
    Stream(Box<ChatStream>),
}

/// Everything the requests of one client share.
pub(crate) struct Engine {
    directory: Directory,
    health: PanicConfig,
    observer: Option<Arc<dyn Observer>>,
    random: Mutex<fastrand::Rng>,
    totals: Mutex<crate::stats::Totals>,
    cache: Cache<Kept>,
    /// Requests for the same answer at the same time.
    flights: Flights<Result<Box<Answer>, Error>>,
}

/// What stays the same while one request visits its targets.
#[derive(Clone, Copy)]
struct Trip<'a> {
    engine: &'a Engine,
    request: &'a ChatRequest,
    mode: Mode,
    route: &'a Route,
    run: &'a Arc<Run>,
    /// Whether the caller shortened the deadline: then running out of it is no target's fault.
    hurried: bool,
    /// Whether too few of the route's targets are healthy for health to be heeded.
    panic: bool,
}

impl Engine {
    pub(crate) fn new(builder: Builder) -> Result<Self, BuildError> {
        let random = builder.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let health = builder.mechanisms.health.panic;
        let observer = builder.observer.clone();
        let cache = Cache::new(builder.cache.clone()).map_err(|error| {
            let field = format!("cache.{}", error.field);
            BuildError::new(Problem::new(field, error.value, error.expected))
        })?;
        let directory = Directory::new(builder)?;
        Ok(Self {
            directory,
            health,
            observer,
            random: Mutex::new(random),
            totals: Mutex::default(),
            cache,
            flights: Flights::new(FlightsConfig::default()),
        })
    }

    /// Answers one request: from the cache, from the same request that is on its way, or by asking.
    pub(crate) async fn serve(self: &Arc<Self>, request: &ChatRequest, mode: Mode) -> Result<Opened, Error> {
        let plan = self.directory.plan(&request.head().model)?;
        let lookup = Lookup::of(request, &plan.route, mode);
        if let Some(lookup) = lookup.as_ref().filter(|lookup| lookup.fresh) {
            if let Some(hit) = self.cache.get(&lookup.key, now()) {
                let run = self.begin(request, plan);
                self.totals.lock().cached(plan.primary());
                return Ok(replay(&run, &hit, request));
            }
            // A stream belongs to its caller, and so does a deadline of one's own.
            if mode == Mode::Plain && request.options().timeout.is_none() {
                return self.share(request, plan, lookup.clone()).await;
            }
        }
        self.ask(request, mode, plan, lookup).await
    }

    /// Asks once for all who want the same now. The asking is a task of its own: whoever leaves takes nothing from the
    /// others, and with the last one it ends.
    async fn share(
        self: &Arc<Self>,
        request: &ChatRequest,
        plan: &Plan,
        lookup: Lookup,
    ) -> Result<Opened, Error> {
        let (engine, key) = (Arc::clone(self), lookup.key);
        let (asked, planned) = (request.clone(), plan.clone());
        let fill = move || async move {
            match engine.ask(&asked, Mode::Plain, &planned, Some(lookup)).await? {
                Opened::Plain(answer) => Ok(answer),
                Opened::Stream(stream) => stream.collect().await.map(Box::new),
            }
        };
        match self.flights.run(key, None, fill).await {
            Ok((answer, role)) => {
                let mut answer = answer?;
                if role == Role::Follower {
                    answer.report.cache = Some(CacheUse::Coalesced);
                }
                Ok(Opened::Plain(answer))
            }
            Err(error) => {
                let cause = Failure::new(FailureKind::Unknown { server: true }, error.to_string());
                let report = self.begin(request, plan).finish(None);
                Err(Error::Surfaced(Box::new(Ended { cause, report, reopens: None })))
            }
        }
    }

    /// An answer given before, if no target was available and the route has it so.
    fn last_known_good(&self, trip: Trip<'_>, lanes: &[Lane], lookup: Option<&Lookup>) -> Option<Opened> {
        let lookup = lookup.filter(|lookup| lookup.is_stale_good())?;
        if !is_unavailable(&trip.run.report().trace) {
            return None;
        }
        let hit = self.cache.get_stale(&lookup.key, now())?;
        self.totals.lock().cached(lanes.first().map(Lane::id));
        Some(replay(trip.run, &hit, trip.request))
    }

    fn begin(&self, request: &ChatRequest, plan: &Plan) -> Arc<Run> {
        let deadline = plan.route.effective_deadline();
        let asked = request.options().timeout.unwrap_or(deadline).min(deadline);
        let envelope = Envelope::new(now(), asked, plan.route.max_attempts, plan.lanes.len());
        Run::new(Arc::clone(&plan.route), envelope, self.observer.clone())
    }

    /// Asks the targets.
    async fn ask(
        &self,
        request: &ChatRequest,
        mode: Mode,
        plan: &Plan,
        lookup: Option<Lookup>,
    ) -> Result<Opened, Error> {
        let run = self.begin(request, plan);
        if lookup.as_ref().is_some_and(|lookup| lookup.fresh) {
            run.cache(CacheUse::Miss);
        }
        let deadline = plan.route.effective_deadline();
        let trip = Trip {
            engine: self,
            request,
            mode,
            route: &plan.route,
            run: &run,
            hurried: request.options().timeout.is_some_and(|asked| asked < deadline),
            panic: self.panics(plan),
        };

        let visit = match race(trip, &plan.lanes, Start::ONE_BY_ONE).await {
            Visit::Moved => {
                // The last resort is for those who have nothing: it may take its time.
                if let Some(old) = self.last_known_good(trip, &plan.lanes, lookup.as_ref()) {
                    return Ok(old);
                }
                last_resort::last_resort(trip, &plan.lanes).await
            }
            ended => ended,
        };
        self.conclude(trip, &plan.lanes, visit, lookup)
    }

    /// Turns how the visits ended into what the caller gets, and closes the books.
    fn conclude(
        &self,
        trip: Trip<'_>,
        lanes: &[Lane],
        visit: Visit,
        lookup: Option<Lookup>,
    ) -> Result<Opened, Error> {
        let run = trip.run;
        let by = |id: &TargetId| ServedBy::Target(id.clone());
        let primary = lanes.first().map(Lane::id);
        match visit {
            Visit::Reply(id, reply) => {
                if let Some(lookup) = lookup {
                    lookup.keep(&self.cache, &id, &reply, now());
                }
                let report = run.finish(Some(by(&id)));
                self.totals.lock().answered(primary, &id);
                Ok(Opened::Plain(Box::new(Answer { reply: *reply, report })))
            }
            Visit::Stream(id, opened) => {
                run.serving(by(&id));
                self.totals.lock().answered(primary, &id);
                let meta = opened.held.meta.clone();
                let recorder = lookup.map(|lookup| Recorder::new(lookup, self.cache.clone(), id, meta));
                let stream = ChatStream::new(*opened, Arc::clone(run), trip.route, recorder);
                Ok(Opened::Stream(Box::new(stream)))
            }
            Visit::Blocked(id, block) => {
                let report = run.finish(Some(by(&id)));
                self.totals.lock().answered(primary, &id);
                Err(Error::Blocked(Box::new(Ended { cause: *block, report, reopens: None })))
            }
            Visit::Surfaced(failure) => {
                let report = run.finish(None);
                self.totals.lock().unanswered(primary);
                let reopens = failure.hint();
                Err(Error::Surfaced(Box::new(Ended { cause: failure, report, reopens })))
            }
            Visit::Moved => {
                let report = run.finish(None);
                self.totals.lock().unanswered(primary);
                let named = trip.request.head().model.contains('/');
                let cause = most_telling(&report.trace, primary, named);
                let at = now();
                let reopens = lanes.iter().filter_map(|lane| lane.reopens(trip, at)).min();
                Err(Error::Exhausted(Box::new(Ended { cause, report, reopens })))
            }
        }
    }

    fn panics(&self, plan: &Plan) -> bool {
        let at = now();
        let healthy = plan.lanes.iter().filter(|lane| lane.upstream.health.standing(at).is_usable()).count();
        plan.panic.update(&self.health, healthy, plan.lanes.len())
    }

    /// A random number in `[0, 1)`.
    fn unit(&self) -> f64 {
        self.random.lock().f64()
    }

    pub(crate) fn stats(&self) -> Stats {
        let counts = self.directory.upstreams().map(|upstream| (upstream.id().clone(), upstream.counts()));
        self.totals.lock().stats(counts)
    }

    pub(crate) fn eligibility(&self) -> Vec<(TargetId, Eligibility)> {
        let at = now();
        let eligibility = |upstream: &Upstream| upstream.eligibility(upstream.health.eligibility(at), at);
        self.directory.upstreams().map(|upstream| (upstream.id().clone(), eligibility(upstream))).collect()
    }

    pub(crate) fn breakers(&self) -> Vec<(TargetId, Breaker)> {
        self.directory
            .upstreams()
            .map(|upstream| (upstream.id().clone(), upstream.breaker().clone()))
            .collect()
    }

    pub(crate) fn health(&self) -> Vec<(TargetId, HealthStatus)> {
        let at = now();
        self.directory
            .upstreams()
            .map(|upstream| (upstream.id().clone(), upstream.health.status(at)))
            .collect()
    }

    /// Starts to ask providers how they are, by what costs nothing.
    pub(crate) fn probe(&self) -> Prober {
        let providers = self.directory.providers();
        Prober::start(self.directory.fleet(), move |name| {
            let provider = providers.get(name).cloned();
            async move {
                match provider {
                    Some(provider) => found(provider.probe().await),
                    None => Check::Unknown,
                }
            }
        })
    }

    pub(crate) fn cache(&self) -> &Cache<Kept> {
        &self.cache
    }

    pub(crate) fn models(&self) -> Vec<String> {
        self.directory.models()
    }

    pub(crate) fn outstanding(&self) -> u32 {
        self.directory.upstreams().map(Upstream::outstanding).sum()
    }
}

/// Closes the books of a request that is answered with what was found.
fn replay(run: &Run, hit: &Hit<Kept>, request: &ChatRequest) -> Opened {
    run.cache(used(hit));
    let report = run.finish(Some(ServedBy::Cache));
    match &hit.value().said {
        Said::Reply(reply) => Opened::Plain(Box::new(Answer { reply: (**reply).clone(), report })),
        Said::Stream { meta, frames, usage } => {
            let as_it_came = *usage == request.head().include_usage;
            let frames = frames.iter().map(|frame| Frame {
                raw: frame.raw.clone().filter(|_| as_it_came),
                events: frame.events.clone(),
            });
            Opened::Stream(Box::new(ChatStream::replay(meta.clone(), frames, report)))
        }
    }
}

/// What a probe's outcome says of the provider. That the question was refused or not understood says nothing: a key
/// may be allowed to chat and not to list models.
fn found(probed: Result<Probe, Failure>) -> Check {
    use FailureKind::{
        Auth, Connect, ContextLength, Interrupted, InvalidRequest, Malformed, ModelNotFound, Network,
        Overloaded, Permission, Quality, QuotaExhausted, RateLimited, Region, ServerError, StaleConnection,
        Timeout, TooLarge, Unknown,
    };
    match probed {
        Ok(Probe::Reachable) => Check::Passed,
        Ok(Probe::Unknown) => Check::Unknown,
        Err(failure) => match failure.kind() {
            Auth
            | Connect
            | Interrupted
            | Malformed
            | Network
            | Overloaded
            | QuotaExhausted
            | Region
            | ServerError
            | Timeout(_)
            | Unknown { server: true } => Check::Failed(failure.to_string()),
            ContextLength
            | InvalidRequest
            | ModelNotFound
            | Permission
            | Quality
            | RateLimited
            | StaleConnection
            | TooLarge
            | Unknown { server: false } => Check::Unknown,
        },
    }
}

/// The failure that tells the caller most: one that the caller can repair, else the primary's, else the first.
fn most_telling(trace: &fb_core::Trace, primary: Option<&TargetId>, named: bool) -> Option<Failure> {
    let failures = || {
        trace.rows().iter().rev().filter_map(|row| match &row.end {
            fb_core::AttemptEnd::Failed(failure) => Some((&row.target, failure)),
            fb_core::AttemptEnd::Running
            | fb_core::AttemptEnd::Ok { .. }
            | fb_core::AttemptEnd::Blocked { .. }
            | fb_core::AttemptEnd::Cancelled
            | fb_core::AttemptEnd::Skipped { .. } => None,
        })
    };
    // A model that only the operator named is nothing the caller can repair.
    let foreign = |failure: &Failure| failure.kind() == FailureKind::ModelNotFound && !named;
    let repairable = |failure: &Failure| {
        use FailureKind::{ContextLength, InvalidRequest, ModelNotFound, TooLarge, Unknown};
        matches!(
            failure.kind(),
            ContextLength | InvalidRequest | ModelNotFound | TooLarge | Unknown { server: false }
        ) && !foreign(failure)
    };
    let told = failures()
        .find(|(_, failure)| repairable(failure))
        .or_else(|| failures().find(|(target, failure)| Some(*target) == primary && !foreign(failure)))
        .or_else(|| failures().find(|(_, failure)| !foreign(failure)))
        .or_else(|| failures().next_back());
    told.map(|(_, failure)| failure.clone())
}

#[cfg(test)]
mod tests;
