//! The operator's view of the engine, and the controls: levels and weights.

use std::{sync::Arc, time::Duration};

use fb_breaker::{Breaker, Circuit};
use fb_budget::{Account, AccountStats, Allowances, LedgerError, Standing};
use fb_core::{ChatRequest, Eligibility, Level, RequestId, TargetId};
use fb_health::Status as HealthStatus;
use fb_router::adjust_weights;
#[cfg(feature = "telemetry")]
use fb_telemetry::Account as TenantAccount;
use tokio::task::spawn_blocking;

use super::{
    admission::is_open,
    cache::{Cache, Kept},
    route_state::RouteState,
    route_target::RouteTarget,
    spend::moment,
    state::Engine,
    target_state::TargetState,
};
use crate::{Error, KeyStatus, Record, Route, RouteLevel, Stats, TargetStats, clock::now};

impl Engine {
    pub(crate) fn stats(&self) -> Stats {
        let directory = self.directory();
        let counters = directory.targets().map(|state| (state.id().clone(), state.counters()));
        self.counters.lock().stats(counters)
    }

    pub(crate) fn eligibility(&self) -> Vec<(TargetId, Eligibility)> {
        let at = now();
        let eligibility = |state: &TargetState| state.eligibility(state.health.eligibility(at), at);
        self.directory().targets().map(|state| (state.id().clone(), eligibility(state))).collect()
    }

    pub(crate) fn breakers(&self) -> Vec<(TargetId, Breaker)> {
        self.directory().targets().map(|state| (state.id().clone(), state.breaker().clone())).collect()
    }

    pub(crate) fn provider_breakers(&self) -> Vec<(String, Breaker)> {
        let breaker = |(name, circuit): (&str, &Circuit)| (name.to_owned(), circuit.breaker().clone());
        self.directory().provider_circuits().map(breaker).collect()
    }

    /// Resets a target; returns false if there is none of this name.
    pub(crate) async fn reset(&self, target: &TargetId) -> bool {
        let directory = self.directory();
        let Some(state) = directory.targets().find(|state| state.id() == target) else { return false };
        state.reset(now()).await;
        true
    }

    pub(crate) fn health(&self) -> Vec<(TargetId, HealthStatus)> {
        let at = now();
        self.directory().targets().map(|state| (state.id().clone(), state.health.status(at))).collect()
    }

    pub(crate) fn keys(&self) -> Vec<(TargetId, Vec<KeyStatus>)> {
        let at = now();
        self.directory().targets().map(|state| (state.id().clone(), state.keys.status(at))).collect()
    }

    pub(crate) fn quality(&self) -> Vec<(TargetId, f64)> {
        let at = now();
        self.directory().targets().map(|state| (state.id().clone(), state.quality(at))).collect()
    }

    /// Returns the order in which the targets of a request would be tried now, with reasons.
    pub(crate) fn plan(&self, request: &ChatRequest) -> Result<fb_router::Plan, Error> {
        let directory = self.directory();
        Ok(self.explain(&directory, request, self.find_route(&directory, request)?))
    }

    /// Moves the weights of a route's targets towards their successes; `None` if there is no such route.
    pub(crate) fn adjust_weights(&self, route: &str) -> Option<Vec<(TargetId, f64)>> {
        let directory = self.directory();
        let route = directory.routes().find(|known| known.name() == route)?;
        let stats = self.stats().targets;
        let observed = |target: &RouteTarget| {
            (target.weight(), stats.get(target.id()).map(TargetStats::router_stats).unwrap_or_default())
        };
        let weights = adjust_weights(&route.targets.iter().map(observed).collect::<Vec<_>>());
        let set = |(target, weight): (&RouteTarget, f64)| {
            target.set_weight(weight);
            (target.id().clone(), weight)
        };
        Some(route.targets.iter().zip(weights).map(set).collect())
    }

    /// Returns the usage and the standing of every tenant, by name.
    pub(crate) fn tenants(&self) -> Vec<(String, AccountStats, Standing)> {
        let at = moment(now());
        let directory = self.directory();
        let Some(book) = directory.book() else { return Vec::new() };
        let usage = |account: &Account| (account.name().to_string(), account.stats(at), account.standing(at));
        let mut tenants: Vec<_> = book.accounts().map(usage).collect();
        tenants.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        tenants
    }

    /// Returns what is left of the limits per minute of a tenant's key, or of the tenant.
    pub(crate) fn allowances(&self, tenant: Option<&str>, key: Option<&str>) -> Allowances {
        let directory = self.directory();
        directory.account_of(tenant, key).map(|account| account.allowances(now())).unwrap_or_default()
    }

    #[cfg(feature = "telemetry")]
    /// Returns the account of every tenant, without those of single keys, which are part of it.
    pub(crate) fn tenant_accounts(&self) -> Vec<(String, TenantAccount)> {
        let at = moment(now());
        let directory = self.directory();
        let accounts = directory.book().into_iter().flat_map(|book| book.accounts());
        let tenants = accounts.filter(|account| !account.name().contains('/'));
        let read = |account: &Account| {
            let AccountStats { used, day_nanos, month_nanos, reserved_nanos, .. } = account.stats(at);
            let [day, month, reserved] =
                [day_nanos, month_nanos, reserved_nanos].map(fb_core::Money::from_nanos);
            let fb_budget::Limits { usd_per_day: day_limit, usd_per_month: month_limit, .. } =
                *account.limits();
            let (tokens, cost) = (used.tokens, used.cost());
            TenantAccount::with(|account| {
                (account.tokens, account.cost) = (tokens, cost);
                (account.day, account.month, account.reserved) = (day, month, reserved);
                (account.day_limit, account.month_limit) = (day_limit, month_limit);
            })
        };
        tenants.map(|account| (account.name().to_string(), read(account))).collect()
    }

    #[cfg(feature = "telemetry")]
    /// Returns true if the spending of tenants is kept in a file.
    pub(crate) const fn has_ledger(&self) -> bool {
        self.ledger.is_some()
    }

    /// Returns the reason why the ledger cannot be written now.
    pub(crate) fn ledger_failure(&self) -> Option<String> {
        self.directory().book()?.ledger_failure().map(|failure| failure.to_string())
    }

    /// Closes the ledger. It waits for the disk, which blocks a thread.
    pub(crate) async fn close(&self) -> Result<(), Arc<LedgerError>> {
        let directory = self.directory();
        let close = move || directory.book().map_or(Ok(()), |book| book.close());
        // A runtime that shuts down does not run it. The ledger is closed with the last handle then.
        spawn_blocking(close).await.unwrap_or(Ok(()))
    }

    /// Returns the trace of a request, if it is still kept.
    pub(crate) fn trace(&self, id: RequestId) -> Option<Arc<Record>> {
        self.traces.find(id)
    }

    /// Returns the traces of the latest requests.
    pub(crate) fn traces(&self, limit: usize) -> Vec<Arc<Record>> {
        self.traces.latest(limit)
    }

    /// Returns the level of every route, and the operator's choice if there is one.
    pub(crate) fn levels(&self) -> Vec<RouteLevel> {
        let at = now();
        let level = |route: &RouteState| {
            let forced = route.level_tracker.forced(at);
            RouteLevel {
                route: route.name().to_owned(),
                level: self.starting_level(route),
                forced: forced.is_some(),
                remaining: forced.and_then(|(_, until)| Some(until?.saturating_duration_since(at))),
            }
        };
        self.directory().routes().map(level).collect()
    }

    /// Forces the level of one route, or of all; `None` returns the choice to the route. Returns false if there is no such
    /// route.
    pub(crate) fn set_level(&self, route: Option<&str>, decision: Option<(Level, Option<Duration>)>) -> bool {
        let at = now();
        let decision = decision.map(|(level, time)| (level, time.and_then(|time| at.checked_add(time))));
        let directory = self.directory();
        let routes = directory.routes().filter(|known| route.is_none_or(|route| known.name() == route));
        let mut any = false;
        for route in routes {
            route.level_tracker.force(decision);
            self.starting_level(route);
            any = true;
        }
        any
    }

    pub(crate) fn cache(&self) -> &Cache<Kept> {
        &self.cache
    }

    pub(crate) fn models(&self) -> Vec<String> {
        self.directory().models()
    }

    /// Returns the models of which a tenant may call at least one target.
    pub(crate) fn models_of(&self, tenant: &str) -> Vec<String> {
        let directory = self.directory();
        let mut models = directory.models();
        let limits = directory.account_of(Some(tenant), None).map(Account::limits);
        models.retain(|model| directory.route(model).is_some_and(|route| is_open(route, limits)));
        models
    }

    pub(crate) fn has_route(&self, name: &str) -> bool {
        self.directory().has_route(name)
    }

    pub(crate) fn provider_names(&self) -> Vec<String> {
        self.directory().catalog().providers.keys().cloned().collect()
    }

    pub(crate) fn route_names(&self) -> Vec<String> {
        self.directory().routes().map(|route| route.name().to_owned()).collect()
    }

    pub(crate) fn route(&self, name: &str) -> Option<Route> {
        let directory = self.directory();
        directory.routes().find(|route| route.name() == name).map(|route| (*route.config).clone())
    }

    pub(crate) fn outstanding_permits(&self) -> u32 {
        let directory = self.directory();
        let of_providers = directory.provider_circuits().map(|(_, circuit)| circuit.breaker().outstanding());
        directory.targets().map(TargetState::outstanding_permits).chain(of_providers).sum()
    }
}
