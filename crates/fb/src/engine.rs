//! One request, from the route it names to the answer: plan, race over the targets, last resort, report.
//!
//! `serve` reads top to bottom. Below it, in the order a request meets them: [`choose`] ranks the targets, [`race`] goes
//! through them, [`visit`] is one target, [`admit`] what one call needs, [`attempt`] the call, [`decide`] what follows.

mod admission;
mod attempt;
mod attempts;
mod cache;
mod cause;
mod decide;
mod degrade;
mod directory;
mod inspect;
mod last_resort;
mod operate;
mod race;
mod record;
mod request_summary;
mod resume;
mod selection;
mod spend;
mod target_state;

use std::{sync::Arc, time::Instant};

use fb_budget::{Account, Book, OpenError};
use fb_cache::{Cache, Flights, FlightsConfig, Hit, Role};
use fb_core::{
    CacheUse, ChatRequest, Envelope, Event, Failure, FailureKind, Frame, InvalidConfig, InvalidRequest,
    Level, Observer, Options, Refusal, Reply, Report, RequestId, ServedBy, TargetId,
};
use fb_health::PanicConfig;
use fb_quality::{Gates, UnusableSchema};
use fb_router::Classifier;
use parking_lot::Mutex;

use crate::{
    Answer, Builder, ChatStream, Ended, Error, Route,
    clock::now,
    engine::{
        attempts::TargetOutcome,
        cache::{DEFAULT_TENANT, Kept, Lookup, Said, used},
        directory::{Directory, Plan},
        race::race,
        spend::{CostEstimate, may_see},
        target_state::RouteTarget,
    },
    error::BuildError,
    stream::Inspection,
    traces::{Record, Traces},
};

pub(crate) use self::{
    attempts::Committed,
    cache::Recorder,
    inspect::defective,
    record::{AttemptRecord, RequestRecord},
    resume::{Resume, Resumed},
    spend::{Spend, said},
    target_state::{Slot, TargetState, weight},
};

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
    totals: Mutex<crate::stats::RequestCounters>,
    classifier: Option<Arc<dyn Classifier>>,
    traces: Arc<Traces>,
    /// What tenants spent; none unless they have limits or a ledger.
    book: Option<Book>,
    cache: Cache<Kept>,
    /// Requests for the same answer at the same time.
    flights: Flights<Result<Box<Answer>, Error>>,
}

/// What stays the same while one request visits its targets.
#[derive(Clone, Copy)]
struct RequestContext<'a> {
    engine: &'a Engine,
    request: &'a ChatRequest,
    mode: Mode,
    route: &'a Route,
    record: &'a Arc<RequestRecord>,
    /// What its answers must hold.
    gates: &'a Arc<Gates>,
    /// Who pays, where tenants have budgets.
    estimate: Option<CostEstimate<'a>>,
    /// What its calls may use.
    envelope: Envelope,
    /// Whether the caller shortened the deadline: then running out of it is no target's fault.
    deadline_shortened: bool,
    /// Whether too few of the route's targets are healthy for health to be heeded.
    panic: bool,
    /// Targets of lower levels that could be called: what must be left for them.
    reserve: u32,
}

impl RequestContext<'_> {
    /// Whether the tenant's rules let its requests reach a target.
    fn may_see(&self, target: &RouteTarget) -> Result<(), Refusal> {
        self.estimate.map_or(Ok(()), |estimate| may_see(estimate.account.limits(), target))
    }
}

impl Engine {
    pub(crate) fn new(builder: Builder) -> Result<Self, BuildError> {
        let random = builder.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let health = builder.mechanisms.health.panic;
        let (observer, classifier) = (builder.observer.clone(), builder.classifier.clone());
        let book = open(&builder)?;
        let traces = Arc::new(Traces::new(&builder.traces));
        let cache = Cache::new(builder.cache.clone()).map_err(|error| {
            let error = InvalidConfig::expecting(error.field, error.value, error.expected);
            BuildError::new(error.within("cache"))
        })?;
        let directory = Directory::new(builder)?;
        Ok(Self {
            directory,
            health,
            observer,
            random: Mutex::new(random),
            totals: Mutex::default(),
            classifier,
            traces,
            book,
            cache,
            flights: Flights::new(FlightsConfig::default()),
        })
    }

    /// Answers one request: from the cache, from the same request that is on its way, or by asking.
    pub(crate) async fn serve(self: &Arc<Self>, request: &ChatRequest, mode: Mode) -> Result<Opened, Error> {
        let plan = self.find(request)?;
        let lookup = Lookup::of(request, &plan.route, mode);
        if let Some(lookup) = lookup.as_ref().filter(|lookup| lookup.fresh) {
            let hit = self.cache.get(&lookup.key, now());
            if let Some(hit) = hit.filter(|hit| self.may_be_given(request, plan, hit)) {
                let record = self.begin(request, mode, plan);
                self.totals.lock().record_cached(plan.primary());
                return Ok(replay(&record, &hit, request));
            }
            if mode == Mode::Plain && may_share(request) {
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
        let (engine, key, began) = (Arc::clone(self), lookup.flight, now());
        let (asked, planned) = (request.clone(), plan.clone());
        let fill = move || async move {
            match engine.ask(&asked, Mode::Plain, &planned, Some(lookup)).await? {
                Opened::Plain(answer) => Ok(answer),
                Opened::Stream(stream) => stream.collect().await.map(Box::new),
            }
        };
        match self.flights.run(key, None, fill).await {
            Ok((answer, role)) => {
                let mut answer = match answer {
                    Ok(answer) => answer,
                    Err(mut error) => {
                        if let (Role::Follower, Some(report)) = (role, error.report_mut()) {
                            report.id = RequestId::new(fastrand::u128(..));
                            report.cache = Some(CacheUse::Coalesced);
                            self.tell_of(request, plan, began, report);
                        }
                        return Err(error);
                    }
                };
                if role == Role::Follower {
                    // A request of its own, with the story of the one that was asked.
                    answer.report.id = RequestId::new(fastrand::u128(..));
                    // How old an old answer is must be known to all who get it.
                    if answer.report.served_by != Some(ServedBy::Cache) {
                        answer.report.cache = Some(CacheUse::Coalesced);
                    }
                    self.tell_of(request, plan, began, &mut answer.report);
                }
                Ok(Opened::Plain(answer))
            }
            Err(error) => {
                let cause = Failure::new(FailureKind::Unknown { server: true }, error.to_string());
                let report = self.begin(request, Mode::Plain, plan).finish(None);
                Err(Error::Surfaced(Box::new(Ended { cause, report, reopens: None })))
            }
        }
    }

    /// Tells and remembers what came of a request that another was made for; how long it took is its own.
    fn tell_of(&self, request: &ChatRequest, plan: &Plan, began: Instant, report: &mut Report) {
        report.took = now().saturating_duration_since(began);
        let report = &*report;
        let (route, tenant) = (&plan.route.name, request.options().tenant.as_ref());
        if let Some(observer) = &self.observer {
            let asked = &request_summary::of(request, Mode::Plain);
            observer.on_event(&Event::Finished {
                route,
                tenant: tenant.map(AsRef::as_ref),
                request: asked,
                cancelled: false,
                coalesced: true,
                report,
            });
        }
        if self.traces.is_on() {
            let asked = request.head().model.as_str();
            self.traces.remember(Record {
                route: route.clone(),
                asked: (asked != route).then(|| asked.to_owned()),
                tenant: tenant.cloned(),
                began,
                plan: None,
                report: report.clone(),
            });
        }
    }

    fn begin(&self, request: &ChatRequest, mode: Mode, plan: &Plan) -> Arc<RequestRecord> {
        let deadline = plan.route.effective_deadline();
        let within = request.options().timeout.unwrap_or(deadline).min(deadline);
        let below = plan.rungs.iter().map(|step| step.targets.len()).sum::<usize>();
        let envelope = Envelope::new(now(), within, plan.route.max_attempts, plan.targets.len() + below);
        RequestRecord::new(&plan.route, request, mode, envelope, self.observer.clone(), &self.traces)
    }

    /// Asks the targets.
    async fn ask(
        self: &Arc<Self>,
        request: &ChatRequest,
        mode: Mode,
        plan: &Plan,
        lookup: Option<Lookup>,
    ) -> Result<Opened, Error> {
        // A schema that no answer can be held against is its caller's mistake.
        if !plan.gates.is_empty()
            && let Ok(chat) = request.chat()
        {
            let unusable = |error: UnusableSchema| InvalidRequest::field(error.field, error.why);
            plan.gates.prepare(chat).map_err(|error| Error::InvalidRequest(unusable(error)))?;
        }
        let record = self.begin(request, mode, plan);
        if lookup.as_ref().is_some_and(|lookup| lookup.fresh) {
            record.cache(CacheUse::Miss);
        }
        let deadline = plan.route.effective_deadline();
        let ctx = RequestContext {
            engine: self,
            request,
            mode,
            route: &plan.route,
            record: &record,
            gates: &plan.gates,
            estimate: self.account(request).map(|account| CostEstimate::of(account, request)),
            envelope: record.envelope,
            deadline_shortened: request.options().timeout.is_some_and(|asked| asked < deadline),
            panic: self.panics(plan),
            reserve: 0,
        };

        let chosen = self.choose(ctx, plan);
        let whole_only = request.options().refuse_degraded;
        // Who refuses less than a whole answer gets none where an operator decided that no model is called.
        let decided = self.level(plan);
        let level = if whole_only && decided < Level::Cached { Level::Full } else { decided };
        let mut outcome = TargetOutcome::MoveOn;
        if level == Level::Full {
            let reserve = if whole_only { 0 } else { degrade::reserve(ctx, &plan.rungs) };
            outcome = race(RequestContext { reserve, ..ctx }, &chosen.targets, chosen.start).await;
            if let TargetOutcome::MoveOn = outcome {
                self.exhausted(ctx, plan, Level::Full);
            }
        }
        if let TargetOutcome::MoveOn = outcome
            && !whole_only
        {
            outcome = self.descend(ctx, plan, level).await;
            if let TargetOutcome::MoveOn = outcome
                && let Some(fallback) = self.without_models(ctx, plan, lookup.as_ref(), level)
            {
                return Ok(fallback);
            }
        }
        // For those who have nothing: it may take its time.
        if let TargetOutcome::MoveOn = outcome
            && level < Level::Cached
        {
            record.level(Level::Full);
            outcome = last_resort::last_resort(ctx, &chosen.targets).await;
        }
        // What was asked with less is no answer to the whole question.
        let lookup = lookup.filter(|_| record.reached() == Level::Full);
        self.conclude(ctx, plan, outcome, lookup)
    }

    /// Turns how the visits ended into what the caller gets, and closes the books.
    fn conclude(
        self: &Arc<Self>,
        ctx: RequestContext<'_>,
        plan: &Plan,
        outcome: TargetOutcome,
        lookup: Option<Lookup>,
    ) -> Result<Opened, Error> {
        let record = ctx.record;
        record.read(ctx.request);
        let by = |id: &TargetId| ServedBy::Target(id.clone());
        let primary = plan.primary();
        match outcome {
            TargetOutcome::Reply(id, reply) => {
                if let Some(lookup) = lookup {
                    lookup.keep(&self.cache, &id, &reply, now());
                }
                let report = record.finish(Some(by(&id)));
                self.totals.lock().record_answered(primary, &id);
                Ok(Opened::Plain(Box::new(Answer { reply: *reply, report })))
            }
            TargetOutcome::Stream(id, opened) => {
                record.serving(by(&id));
                self.totals.lock().record_answered(primary, &id);
                let meta = opened.held.meta.clone();
                let recorder = lookup.map(|lookup| Recorder::new(lookup, self.cache.clone(), id, meta));
                let resume = Resume::of(self, plan, ctx.request, record.reached());
                let inspection = (!ctx.gates.is_empty()).then(|| Inspection {
                    gates: Arc::clone(ctx.gates),
                    request: ctx.request.clone(),
                    reply: Reply::default(),
                });
                let stream =
                    ChatStream::new(*opened, Arc::clone(record), ctx.route, recorder, resume, inspection);
                Ok(Opened::Stream(Box::new(stream)))
            }
            TargetOutcome::Blocked(id, block) => {
                let report = record.finish(Some(by(&id)));
                self.totals.lock().record_answered(primary, &id);
                Err(Error::Blocked(Box::new(Ended { cause: *block, report, reopens: None })))
            }
            TargetOutcome::Surfaced(failure) => {
                let report = record.finish(None);
                self.totals.lock().record_unanswered(primary);
                let reopens = failure.retry_after();
                Err(Error::Surfaced(Box::new(Ended { cause: failure, report, reopens })))
            }
            TargetOutcome::MoveOn => {
                let cause = cause::cause(ctx, plan);
                let report = record.finish(None);
                self.totals.lock().record_unanswered(primary);
                let reopens = plan.reopens(ctx, now());
                Err(Error::Exhausted(Box::new(Ended { cause, report, reopens })))
            }
        }
    }

    fn panics(&self, plan: &Plan) -> bool {
        let at = now();
        let healthy =
            plan.targets.iter().filter(|target| target.state.health.own_eligibility(at).is_usable()).count();
        plan.panic.update(&self.health, healthy, plan.targets.len())
    }

    /// Who pays for a request, where tenants have budgets.
    fn account(&self, request: &ChatRequest) -> Option<&Account> {
        let tenant = request.options().tenant.as_deref().unwrap_or(DEFAULT_TENANT);
        let book = self.book.as_ref()?;
        Some(match request.options().key.as_deref() {
            Some(key) => book.key_account(tenant, key),
            None => book.account(tenant),
        })
    }

    /// A random number in `[0, 1)`.
    fn unit(&self) -> f64 {
        self.random.lock().f64()
    }
}

/// The book of what tenants spend, if there is anything to keep.
fn open(builder: &Builder) -> Result<Option<Book>, BuildError> {
    let (tenants, at) = (&builder.tenants, spend::moment(now()));
    match &builder.ledger {
        None if tenants.is_empty() => Ok(None),
        None => Book::new(tenants, at.now).map(Some).map_err(BuildError::new),
        Some(ledger) => Book::open(tenants, ledger, at).map(Some).map_err(|error| match error {
            OpenError::Config(error) => BuildError::new(error),
            OpenError::Ledger(error) => {
                let path = ledger.path.display().to_string();
                BuildError::new(InvalidConfig::new("ledger.path", path, error.to_string()))
            }
        }),
    }
}

/// Whether the request may be asked together with others. A deadline or rules of its own are its own, and a stream
/// belongs to its caller anyway.
fn may_share(request: &ChatRequest) -> bool {
    let Options { timeout, prefer, category, refuse_degraded, rules, .. } = request.options();
    timeout.is_none() && prefer.is_none() && category.is_none() && !refuse_degraded && rules.is_empty()
}

/// Closes the books of a request that is answered with what was found.
fn replay(record: &RequestRecord, hit: &Hit<Kept>, request: &ChatRequest) -> Opened {
    record.cache(used(hit));
    let report = record.finish(Some(ServedBy::Cache));
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

#[cfg(test)]
mod tests;
