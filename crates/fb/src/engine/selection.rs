//! Target selection: orders a route's targets for one request and drops the inadmissible ones.

use std::time::Instant;

use fb_budget::Account;
use fb_cache::Hit;
use fb_core::{ChatRequest, Next, Refusal, Skip};
use fb_health::Condition;
use fb_router::{
    Candidate, Facts, Inadmissible, Plan, Router, Start as PlannedStart, Strategy, admissible_among,
};

use super::{
    admission::{check_tenant, is_unrestricted, may_reuse, with_request_rules},
    cache::Kept,
    context::RequestContext,
    directory::Directory,
    race::{Hedge, Start},
    route_state::RouteState,
    route_target::RouteTarget,
    state::{Engine, update_panic},
    sticky_key::sticky_key,
};
use crate::clock::now;

/// The targets of a request in the order in which they are tried.
pub(super) struct Selection<'a> {
    pub(super) targets: Vec<&'a RouteTarget>,
    /// A target to be tried once all others have failed: the estimated number of tokens excludes it.
    pub(super) doubtful: Option<&'a RouteTarget>,
    pub(super) start: Start<'a>,
}

impl<'a> Selection<'a> {
    /// Returns the targets that are tried first, or those that are tried last, with the rule for starting them.
    pub(super) fn stage(&self, is_last: bool) -> (&[&'a RouteTarget], Start<'a>) {
        if is_last { (self.doubtful.as_slice(), Start::SEQUENTIAL) } else { (&self.targets, self.start) }
    }
}

impl Engine {
    /// Selects among the targets of the full level, and records a skip for every inadmissible one.
    pub(super) fn select<'a>(&'a self, ctx: RequestContext<'a>) -> Selection<'a> {
        let (visible, hidden) = visible(ctx.directory, ctx.request, ctx.route);
        let RouteState { router, hedges, .. } = &**ctx.route;
        let mut plan = self.plan_route(ctx.request, &visible, router, ctx.panic);
        plan.inadmissible.extend(hidden);
        if router.config().strategy == Strategy::Hedged {
            hedges.deposit();
        }
        let next = if plan.order.is_empty() { Next::Nothing } else { Next::Hop };
        for Inadmissible { target, refusal, .. } in plan.inadmissible.iter().cloned() {
            ctx.record.skip(&target, Skip::Inadmissible(refusal), None, next);
        }
        let start = match plan.start {
            PlannedStart::Sequential => Start::SEQUENTIAL,
            PlannedStart::Parallel(count) => Start { at_once: count, hedge: None },
            PlannedStart::Hedged { after } => {
                Start { at_once: 1, hedge: Some(Hedge { after, budget: hedges }) }
            }
        };
        let targets = plan.order.iter().map(|ranked| visible[ranked.index]).collect();
        let doubtful = plan.doubtful.map(|index| visible[index]);
        ctx.record.set_plan(plan);
        Selection { targets, doubtful, start }
    }

    /// Returns the plan that a request would get now, without taking a turn in the route's rotation.
    pub(super) fn explain(&self, directory: &Directory, request: &ChatRequest, route: &RouteState) -> Plan {
        let (visible, hidden) = visible(directory, request, route);
        let router = Router::clone(&route.router);
        let mut plan = self.plan_route(request, &visible, &router, update_panic(directory, route));
        // The adapters refuse what they cannot carry only when a call is made.
        plan.order.retain(|ranked| {
            let target = visible[ranked.index];
            let Err(refusal) = target.provider().admit(target.call(request)) else { return true };
            plan.inadmissible.push(Inadmissible {
                index: ranked.index,
                target: ranked.target.clone(),
                refusal,
            });
            false
        });
        plan.inadmissible.sort_by_key(|inadmissible| inadmissible.index);
        plan.inadmissible.extend(hidden);
        plan
    }

    fn plan_route(
        &self,
        request: &ChatRequest,
        targets: &[&RouteTarget],
        router: &Router,
        panic: bool,
    ) -> Plan {
        let (at, strategy) = (now(), router.config().strategy);
        let candidates: Vec<_> =
            targets.iter().map(|target| candidate(target, strategy, panic, at)).collect();
        // Unreadable messages are left to the adapter, which names the field that is wrong.
        let facts = Facts::for_candidates(request, &candidates, strategy)
            .unwrap_or_else(|_| Facts::from_request(request));
        let sticky_key = match strategy {
            Strategy::Sticky => sticky_key(request, &router.config().sticky.by),
            _ => None,
        };
        let facts = Facts {
            preferred: request.options().prefer.as_deref(),
            sticky_key: sticky_key.as_deref(),
            ..with_request_rules(facts, request)
        };
        let random = match strategy {
            Strategy::Fastest | Strategy::LeastBusy => [self.random(), self.random()],
            _ => [0.0; 2],
        };
        router.plan(&candidates, &facts, random)
    }
}

/// Splits the targets of a route into those that its tenant and its evaluations allow, and the others. A preferred target
/// of another route comes first, where targets may be named directly.
fn visible<'a>(
    directory: &'a Directory,
    request: &ChatRequest,
    route: &'a RouteState,
) -> (Vec<&'a RouteTarget>, Vec<Inadmissible>) {
    let preferred = request.options().prefer.as_deref().filter(|_| !request.options().refuse_direct);
    let foreign = preferred
        .filter(|name| !route.targets.iter().any(|target| target.id().is_named(name)))
        .and_then(|name| directory.target(name));
    let limits = directory.account(request).map(Account::limits);
    let check_evaluated = |target: &RouteTarget| {
        let is_foreign = foreign.is_some_and(|foreign| foreign.id() == target.id());
        if route.config.require_eval && is_foreign {
            return Err(Refusal::new("prefer", "no evaluated target of the route"));
        }
        Ok(())
    };
    let (mut visible, mut hidden) = (Vec::new(), Vec::new());
    for (index, target) in foreign.into_iter().chain(&route.targets).enumerate() {
        let allowed = check_tenant(limits, target);
        match allowed.and_then(|()| check_evaluated(target)) {
            Ok(()) => visible.push(target),
            Err(refusal) => hidden.push(Inadmissible { index, target: target.id().clone(), refusal }),
        }
    }
    (visible, hidden)
}

/// Returns true if a cached answer may be given to this request.
pub(super) fn may_use_hit(
    directory: &Directory,
    request: &ChatRequest,
    route: &RouteState,
    hit: &Hit<Kept>,
) -> bool {
    let limits = directory.account(request).map(Account::limits);
    if is_unrestricted(request, limits) {
        return true;
    }
    let by = &hit.value().by;
    let lower = route.lower_levels.iter().flat_map(|lower| &lower.targets);
    let mut targets = route.targets.iter().chain(lower).chain(directory.target(&by.to_string()));
    targets.find(|target| target.id() == by).is_some_and(|target| may_reuse(request, limits, target))
}

/// Returns the admissible targets of a lower level in order, and records a skip for every other one.
pub(super) fn admissible_targets<'a>(
    ctx: RequestContext<'_>,
    targets: &'a [RouteTarget],
) -> Vec<&'a RouteTarget> {
    let (request, at) = (ctx.request, now());
    let candidates: Vec<_> =
        targets.iter().map(|target| candidate(target, Strategy::Priority, true, at)).collect();
    let facts = Facts::for_candidates(request, &candidates, Strategy::Priority)
        .unwrap_or_else(|_| Facts::from_request(request));
    let facts = with_request_rules(facts, request);
    let mut admitted = Vec::new();
    for (target, verdict) in targets.iter().zip(admissible_among(&facts, &candidates)) {
        match verdict {
            Ok(()) => admitted.push(target),
            Err(refusal) => ctx.record.skip(target.id(), Skip::Inadmissible(refusal), None, Next::Hop),
        }
    }
    admitted
}

/// Returns the view of a target that the router ranks. Latency is read only for strategies that use it.
fn candidate(target: &RouteTarget, strategy: Strategy, panic: bool, at: Instant) -> Candidate<'_> {
    let (config, state) = (&*target.config, &target.state);
    let uses_latency = matches!(strategy, Strategy::Fastest | Strategy::Hedged);
    let latency = uses_latency.then(|| state.health.latency(at)).flatten();
    Candidate {
        priority: target.priority,
        weight: target.weight(),
        price: config.price,
        capabilities: *target.capabilities(),
        parallel_tools: config.capabilities.parallel_tools.unwrap_or(true),
        max_output: config.max_output,
        region: config.region.as_deref(),
        data_classes: &config.data_classes,
        eligibility: target.eligibility(panic, at),
        healthy: state.health.condition(at) == Condition::Healthy,
        half_open: state.is_probing(at),
        latency: latency.map(|latency| latency.peak.as_secs_f64()),
        p95: latency.map(|latency| latency.p95),
        samples: latency.map_or(0, |latency| latency.calls as u64),
        in_flight: state.in_flight(),
        ..Candidate::new(target.id())
    }
}
