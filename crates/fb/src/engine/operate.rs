//! What operators see of the engine, and what they decide.

use std::{sync::Arc, time::Duration};

use fb_breaker::Breaker;
use fb_budget::{Account, AccountStats, Standing};
use fb_cache::Cache;
use fb_core::{ChatRequest, Eligibility, Failure, FailureKind, Level, Probe, RequestId, TargetId};
use fb_health::{Check, Prober, Status as HealthStatus};
use fb_router::adjust_weights;

use super::{
    Engine,
    cache::Kept,
    directory::Plan,
    spend::moment,
    target_state::{RouteTarget, TargetState},
};
use crate::{Error, Record, RouteLevel, Stats, TargetStats, clock::now};

impl Engine {
    pub(crate) fn stats(&self) -> Stats {
        let counts = self.directory.targets().map(|state| (state.id().clone(), state.counts()));
        self.totals.lock().stats(counts)
    }

    pub(crate) fn eligibility(&self) -> Vec<(TargetId, Eligibility)> {
        let at = now();
        let eligibility = |state: &TargetState| state.eligibility(state.health.eligibility(at), at);
        self.directory.targets().map(|state| (state.id().clone(), eligibility(state))).collect()
    }

    pub(crate) fn breakers(&self) -> Vec<(TargetId, Breaker)> {
        self.directory.targets().map(|state| (state.id().clone(), state.breaker().clone())).collect()
    }

    pub(crate) fn health(&self) -> Vec<(TargetId, HealthStatus)> {
        let at = now();
        self.directory.targets().map(|state| (state.id().clone(), state.health.status(at))).collect()
    }

    pub(crate) fn quality(&self) -> Vec<(TargetId, f64)> {
        let at = now();
        self.directory.targets().map(|state| (state.id().clone(), state.quality(at))).collect()
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

    /// How the targets of a request would be tried now, and why.
    pub(crate) fn plan(&self, request: &ChatRequest) -> Result<fb_router::Plan, Error> {
        Ok(self.explain(request, self.find(request)?))
    }

    /// Lets the weights of a route's targets follow their successes; `None` if there is no such route.
    pub(crate) fn adjust_weights(&self, route: &str) -> Option<Vec<(TargetId, f64)>> {
        let plan = self.directory.routes().find(|plan| plan.route.name == route)?;
        let stats = self.stats().targets;
        let told = |target: &RouteTarget| {
            (target.weight(), stats.get(target.id()).map(TargetStats::router_stats).unwrap_or_default())
        };
        let weights = adjust_weights(&plan.targets.iter().map(told).collect::<Vec<_>>());
        let set = |(target, weight): (&RouteTarget, f64)| {
            target.set_weight(weight);
            (target.id().clone(), weight)
        };
        Some(plan.targets.iter().zip(weights).map(set).collect())
    }

    /// What each tenant used, and how near it is to its limits.
    pub(crate) fn tenants(&self) -> Vec<(String, AccountStats, Standing)> {
        let at = moment(now());
        let Some(book) = &self.book else { return Vec::new() };
        let of = |account: &Account| (account.name().to_string(), account.stats(at), account.standing(at));
        let mut tenants: Vec<_> = book.accounts().map(of).collect();
        tenants.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        tenants
    }

    /// Why the ledger cannot be written now.
    pub(crate) fn ledger_failure(&self) -> Option<String> {
        self.book.as_ref()?.ledger_failure().map(|failure| failure.to_string())
    }

    /// The record of a request, if it is still remembered.
    pub(crate) fn trace(&self, id: RequestId) -> Option<Arc<Record>> {
        self.traces.find(id)
    }

    /// Records of the latest requests.
    pub(crate) fn traces(&self, most: usize) -> Vec<Arc<Record>> {
        self.traces.latest(most)
    }

    /// Every route, its level, and what an operator decided about that.
    pub(crate) fn levels(&self) -> Vec<RouteLevel> {
        let at = now();
        let level = |plan: &Plan| {
            let forced = plan.level_tracker.forced(at);
            RouteLevel {
                route: plan.route.name.clone(),
                level: self.level(plan),
                forced: forced.is_some(),
                remaining: forced.and_then(|(_, until)| Some(until?.saturating_duration_since(at))),
            }
        };
        self.directory.routes().map(level).collect()
    }

    /// Decides the level of one route, or of all; `None` leaves it to the route again. Whether there is such a route.
    pub(crate) fn set_level(&self, route: Option<&str>, decision: Option<(Level, Option<Duration>)>) -> bool {
        let at = now();
        let decision = decision.map(|(level, time)| (level, time.and_then(|time| at.checked_add(time))));
        let plans = self.directory.routes().filter(|plan| route.is_none_or(|route| plan.route.name == route));
        let mut any = false;
        for plan in plans {
            plan.level_tracker.force(decision);
            self.level(plan);
            any = true;
        }
        any
    }

    pub(crate) fn cache(&self) -> &Cache<Kept> {
        &self.cache
    }

    pub(crate) fn models(&self) -> Vec<String> {
        self.directory.models()
    }

    pub(crate) fn outstanding(&self) -> u32 {
        self.directory.targets().map(TargetState::outstanding).sum()
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
