//! Who of a route's targets is asked for one request: in which order, how many at once, and who not at all.

use std::{borrow::Cow, time::Instant};

use fb_budget::Account;
use fb_cache::Hit;
use fb_core::{ChatRequest, Dialect, InvalidRequest, Next, Refusal, Skip};
use fb_health::Condition;
use fb_router::{
    Candidate, ClassRoutes, Classifier, Complexity, Facts, HedgeBudget, Inadmissible, Plan as Choice, Router,
    Signals, Start as Choose, StickyBy, Strategy, admissible,
};
use serde::Deserialize;

use super::{
    Engine, RequestContext,
    cache::Kept,
    directory::Plan,
    race::{Hedge, Start},
    spend::{may_see, moment},
    target_state::RouteTarget,
};
use crate::{Destination, Error, clock::now};

/// The targets of a request in the order they are tried.
pub(super) struct Chosen<'a> {
    pub(super) targets: Vec<&'a RouteTarget>,
    pub(super) start: Start<'a>,
}

/// What a route keeps to choose by.
pub(super) struct Chooser {
    pub(super) router: Router,
    pub(super) hedges: HedgeBudget,
}

impl Engine {
    /// The plan for a request: that of the route it names, or of the route that its class goes to.
    pub(super) fn find(&self, request: &ChatRequest) -> Result<&Plan, Error> {
        let named = self.directory.plan(&request.head().model)?;
        let named = self.downshifted(request, named).unwrap_or(named);
        let plan = self.classified(request, named).and_then(|(_, plan)| plan).unwrap_or(named);
        let preferred = request.options().prefer.as_deref();
        let known = |name: &str| {
            plan.targets.iter().any(|target| is_meant(target, name)) || self.directory.target(name).is_some()
        };
        if let Some(name) = preferred.filter(|name| !known(name)) {
            let name: String = name.chars().take(256).collect();
            let message = format!(
                "no target is called {name:?}: expected PROVIDER/MODEL, or PROVIDER of a target of the route"
            );
            return Err(Error::InvalidRequest(InvalidRequest::field("prefer", message)));
        }
        Ok(plan)
    }

    /// The cheaper route of a tenant that has used most of its budget.
    fn downshifted(&self, request: &ChatRequest, plan: &Plan) -> Option<&Plan> {
        let cheaper = plan.route.downshift.as_deref()?;
        let uses_much = self.account(request)?.downshifts(moment(now()));
        self.directory.plan(cheaper).ok().filter(|_| uses_much)
    }

    /// Where a request goes, and by which class.
    pub(crate) fn destination(&self, request: &ChatRequest) -> Result<Destination, Error> {
        let route = self.find(request)?.route.name.clone();
        let asked = self.directory.plan(&request.head().model)?;
        let class = self.classified(request, asked).map(|(class, _)| class);
        Ok(Destination { requested: asked.route.name.clone(), class, route })
    }

    /// The class of a request to a route with classes, and the plan of that class. A request that cannot be read stays
    /// where it is: its target's adapter says by field what is wrong.
    fn classified(&self, request: &ChatRequest, plan: &Plan) -> Option<(Complexity, Option<&Plan>)> {
        let route = &plan.route;
        if route.classes == ClassRoutes::default() {
            return None;
        }
        let signals = Signals::from_chat(request.chat().ok()?);
        let class = match &self.classifier {
            Some(classifier) => classifier.classify(&signals),
            None => route.complexity.classify(&signals),
        };
        Some((class, route.classes.route(class).and_then(|name| self.directory.plan(name).ok())))
    }

    /// Whether an answer that was kept may be given to this request.
    pub(super) fn may_be_given(&self, request: &ChatRequest, plan: &Plan, hit: &Hit<Kept>) -> bool {
        let by = &hit.value().by;
        let lower = plan.rungs.iter().flat_map(|step| &step.targets);
        let mut targets = plan.targets.iter().chain(lower).chain(self.directory.target(&by.to_string()));
        let limits = self.account(request).map(Account::limits);
        let free = limits.is_none_or(|limits| {
            limits.regions.is_none() && limits.data_class.is_none() && limits.allowed.is_none()
        });
        let may = |target: &RouteTarget| {
            may_answer(request, target) && limits.is_none_or(|limits| may_see(limits, target).is_ok())
        };
        (request.options().rules.is_empty() && free)
            || targets.find(|target| target.id() == by).is_some_and(may)
    }

    /// Chooses among the targets of the full level, and writes down who is refused.
    pub(super) fn choose<'a>(&'a self, ctx: RequestContext<'_>, plan: &'a Plan) -> Chosen<'a> {
        let (listed, unseen) = self.listed(ctx.request, plan);
        let Chooser { router, hedges } = &*plan.chooser;
        let mut choice = self.choice(ctx.request, &listed, router, ctx.panic);
        choice.inadmissible.extend(unseen);
        if router.config().strategy == Strategy::Hedged {
            hedges.deposit();
        }
        let next = if choice.order.is_empty() { Next::Nothing } else { Next::Hop };
        for refused in choice.inadmissible.iter().cloned() {
            ctx.record.skip(&refused.target, Skip::Inadmissible(refused.refusal), None, next);
        }
        let start = match choice.start {
            Choose::Sequential => Start::ONE_BY_ONE,
            Choose::Parallel(count) => Start { at_once: count, hedge: None },
            Choose::Hedged { after } => Start { at_once: 1, hedge: Some(Hedge { after, budget: hedges }) },
        };
        let targets = choice.order.iter().map(|ranked| listed[ranked.index]).collect();
        ctx.record.planned(choice);
        Chosen { targets, start }
    }

    /// What would be chosen now; takes nobody's turn.
    pub(super) fn explain(&self, request: &ChatRequest, plan: &Plan) -> Choice {
        let (listed, unseen) = self.listed(request, plan);
        let mut choice = self.choice(request, &listed, &plan.chooser.router.clone(), self.panics(plan));
        // What a visit would find out: the request cannot be carried there.
        choice.order.retain(|ranked| {
            let target = listed[ranked.index];
            let Err(refusal) = target.provider().admit(target.call(request)) else { return true };
            choice.inadmissible.push(Inadmissible {
                index: ranked.index,
                target: ranked.target.clone(),
                refusal,
            });
            false
        });
        choice.inadmissible.sort_by_key(|refused| refused.index);
        choice.inadmissible.extend(unseen);
        choice
    }

    /// The route's targets, and before them the one that the request prefers, if it is another; and those that its tenant
    /// keeps its requests from, or that the route's golden cases do.
    fn listed<'a>(
        &'a self,
        request: &ChatRequest,
        plan: &'a Plan,
    ) -> (Vec<&'a RouteTarget>, Vec<Inadmissible>) {
        let own = plan.targets.iter();
        let preferred = request.options().prefer.as_deref();
        let foreign = preferred
            .filter(|name| !plan.targets.iter().any(|target| is_meant(target, name)))
            .and_then(|name| self.directory.target(name));
        let mut unseen = Vec::new();
        let limits = self.account(request).map(Account::limits);
        let is_evaluated = |target: &RouteTarget| {
            let foreign =
                plan.route.require_eval && foreign.is_some_and(|foreign| foreign.id() == target.id());
            if foreign { Err(Refusal::new("prefer", "no evaluated target of the route")) } else { Ok(()) }
        };
        let seen = |(index, target): (usize, &'a RouteTarget)| {
            let may_be_asked =
                limits.map_or(Ok(()), |limits| may_see(limits, target)).and_then(|()| is_evaluated(target));
            let Err(refusal) = may_be_asked else { return Some(target) };
            unseen.push(Inadmissible { index, target: target.id().clone(), refusal });
            None
        };
        let listed = foreign.into_iter().chain(own).enumerate().filter_map(seen).collect();
        (listed, unseen)
    }

    fn choice(&self, request: &ChatRequest, listed: &[&RouteTarget], router: &Router, panic: bool) -> Choice {
        let (at, strategy) = (now(), router.config().strategy);
        let candidates: Vec<_> = listed.iter().map(|target| candidate(target, strategy, panic, at)).collect();
        // Messages that cannot be read are for the target's adapter to complain of, by field.
        let facts = Facts::for_candidates(request, &candidates, strategy)
            .unwrap_or_else(|_| Facts::from_request(request));
        let key = match strategy {
            Strategy::Sticky => key(request, &router.config().sticky.by),
            _ => None,
        };
        let preferred = request.options().prefer.as_deref();
        let preferred = preferred.and_then(|name| listed.iter().find(|target| is_meant(target, name)));
        let facts = Facts {
            preferred: preferred.map(|target| target.id()),
            sticky_key: key.as_deref(),
            ..ruled(facts, request)
        };
        let units = match strategy {
            Strategy::Fastest | Strategy::LeastBusy => [self.unit(), self.unit()],
            _ => [0.0; 2],
        };
        router.plan(&candidates, &facts, units)
    }
}

/// Those of the targets of a lower level that may be asked at all, in their order; the others are written down.
pub(super) fn admitted<'a>(ctx: RequestContext<'_>, targets: &'a [RouteTarget]) -> Vec<&'a RouteTarget> {
    let (request, at) = (ctx.request, now());
    let candidates: Vec<_> =
        targets.iter().map(|target| candidate(target, Strategy::Priority, true, at)).collect();
    let facts = Facts::for_candidates(request, &candidates, Strategy::Priority)
        .unwrap_or_else(|_| Facts::from_request(request));
    let facts = ruled(facts, request);
    let may_be_asked = |(target, candidate): &(&RouteTarget, &Candidate<'_>)| {
        let refused = admissible(&facts, candidate);
        refused.map_err(|why| ctx.record.skip(target.id(), Skip::Inadmissible(why), None, Next::Hop)).is_ok()
    };
    targets.iter().zip(&candidates).filter(may_be_asked).map(|(target, _)| target).collect()
}

/// Adds the request's own rules. A target that does not stream answers whole, so nothing is asked of that.
fn ruled<'a>(mut facts: Facts<'a>, request: &'a ChatRequest) -> Facts<'a> {
    let rules = &request.options().rules;
    facts.needs.streaming = false;
    Facts {
        regions: rules.regions.as_deref(),
        data_class: rules.data_class.as_deref(),
        allowed: rules.allowed.as_deref(),
        ceiling: rules.ceiling,
        ..facts
    }
}

/// Whether the rules of the request let it have an answer that the target gave before, which costs nothing.
fn may_answer(request: &ChatRequest, target: &RouteTarget) -> bool {
    target.is_open_to(&Facts { ceiling: None, ..ruled(Facts::default(), request) }).is_ok()
}

fn candidate(target: &RouteTarget, strategy: Strategy, panic: bool, at: Instant) -> Candidate<'_> {
    let (config, state) = (&*target.config, &target.state);
    let measured = matches!(strategy, Strategy::Fastest | Strategy::Hedged);
    let latency = measured.then(|| state.health.latency(at)).flatten();
    Candidate {
        priority: target.priority,
        weight: target.weight(),
        price: config.price,
        capabilities: *target.capabilities(),
        parallel_tools: config.capabilities.parallel_tools.unwrap_or(true),
        max_output: config.max_output,
        region: config.region.as_deref(),
        data_classes: &config.data_classes,
        eligibility: target.eligible(panic, at),
        healthy: state.health.condition() == Condition::Healthy,
        half_open: state.is_half_open(at),
        latency: latency.map(|latency| latency.peak.as_secs_f64()),
        p95: latency.map(|latency| latency.p95),
        samples: latency.map_or(0, |latency| latency.calls as u64),
        in_flight: state.in_flight(),
        ..Candidate::new(target.id())
    }
}

/// Whether a name, `PROVIDER/MODEL` or `PROVIDER`, means the target.
fn is_meant(target: &RouteTarget, name: &str) -> bool {
    let id = target.id();
    name.split_once('/').map_or_else(
        || id.provider().as_str() == name,
        |(provider, model)| id.provider().as_str() == provider && id.model() == model,
    )
}

/// What a request sticks by.
fn key<'a>(request: &'a ChatRequest, by: &StickyBy) -> Option<Cow<'a, str>> {
    let options = request.options();
    match by {
        StickyBy::User => user(request),
        StickyBy::Session => options.session.as_deref().map(Cow::Borrowed),
        StickyBy::Tag(name) => options.tags.get(name).map(|tag| Cow::Borrowed(tag.as_str())),
    }
}

/// The end user, as the caller's dialect names one.
fn user(request: &ChatRequest) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        user_id: Option<Cow<'a, str>>,
    }
    fn text(json: &str) -> Option<Cow<'_, str>> {
        serde_json::from_str(json).ok()
    }
    let Some(raw) = request.raw() else {
        let extra = &request.chat().ok()?.extra;
        return extra.iter().find(|field| field.name == "user").and_then(|field| text(field.value.get()));
    };
    let value = |name: &str| {
        let field = raw.fields.iter().rfind(|field| &*field.name == name)?;
        std::str::from_utf8(raw.bytes.get(field.value.clone())?).ok()
    };
    match raw.dialect {
        Dialect::OpenAi => value("user").or_else(|| value("safety_identifier")).and_then(text),
        Dialect::Anthropic => {
            let metadata: Metadata<'_> = serde_json::from_str(value("metadata")?).ok()?;
            metadata.user_id
        }
        Dialect::Ollama => None,
    }
}
