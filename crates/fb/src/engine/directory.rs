//! The directory: every name that `model` may have, and the route behind it. Built once per client.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use fb_breaker::{CircuitListener, Registry, RegistryConfig, State};
use fb_budget::{PriceBook, TokenPrices};
use fb_core::{BreakerState, Event, InvalidConfig, Level, Observer, Provider, ProviderId, TargetId, Usage};
use fb_health::{Fleet, PanicMode};
use fb_quality::{Gate, Gates};
use fb_retry::{BudgetConfig, RetryBudget, RetryPolicy};
use fb_router::{HedgeBudget, Router};

use super::{
    route_state::{LowerLevel, RouteState},
    route_target::RouteTarget,
    spend::moment,
    target_state::{ProviderState, TargetState},
};
use crate::{
    Error, LadderConfig, Route, Rung, Target,
    clock::now,
    error::BuildError,
    ladder::LevelTracker,
    mechanisms::{Mechanisms, Overrides},
    parts::Parts,
};

/// Every name that `model` may have, and the targets behind it.
pub(super) struct Directory {
    routes: BTreeMap<String, Arc<RouteState>>,
    aliases: BTreeMap<String, String>,
    /// Routes of a single target, under `PROVIDER/MODEL`.
    single: BTreeMap<String, Arc<RouteState>>,
    /// Bare model names that a provider lists, with the `PROVIDER/MODEL` they mean.
    bare: BTreeMap<String, String>,
    targets: BTreeMap<TargetId, Arc<TargetState>>,
    fleet: Fleet,
}

impl Directory {
    pub(super) fn new(parts: Parts) -> Result<Self, BuildError> {
        let fleet = Fleet::new(parts.mechanisms.health.clone())
            .map_err(|error| BuildError::new(error.within("health")))?;
        let fleet = match parts.seed {
            Some(seed) => fleet.with_seed(seed),
            None => fleet,
        };
        let registry = Registry::new(RegistryConfig::default(), now)
            .map_err(|error| invalid("registry", error.field, error.value, error.expected))?;
        let registry = match parts.observer.clone() {
            Some(observer) => registry.with_listener(listener(observer)),
            None => registry,
        };
        let mut assembler = Assembler {
            providers: parts.providers,
            registry,
            fleet: fleet.clone(),
            mechanisms: parts.mechanisms,
            overrides: parts.overrides,
            retry_budget: parts.retry_budget,
            gates: parts.gates,
            prices: parts.prices,
            kinds: parts.kinds,
            seed: parts.seed,
            provider_states: BTreeMap::new(),
            targets: BTreeMap::new(),
        };
        let mut directory = Self {
            routes: BTreeMap::new(),
            aliases: BTreeMap::new(),
            single: BTreeMap::new(),
            bare: BTreeMap::new(),
            targets: BTreeMap::new(),
            fleet,
        };
        for route in parts.routes {
            // The route before its single targets: a target joins the health group of the route that names it first.
            let state = assembler.route(route.clone())?;
            for target in &route.targets {
                directory.add_single(target, &mut assembler)?;
            }
            for alias in &route.aliases {
                directory.aliases.insert(alias.clone(), route.name.clone());
            }
            directory.routes.insert(route.name, Arc::new(state));
        }
        for (provider, models) in parts.models {
            for model in models {
                let target = Target::new(&provider, &model);
                directory.add_single(&target, &mut assembler)?;
                directory.bare.entry(model.clone()).or_insert_with(|| format!("{provider}/{model}"));
            }
        }
        directory.targets = assembler.targets;
        Ok(directory)
    }

    /// Adds a route for `PROVIDER/MODEL` alone. The first definition of a target counts.
    fn add_single(&mut self, target: &Target, assembler: &mut Assembler) -> Result<(), BuildError> {
        if let Entry::Vacant(entry) = self.single.entry(target.name()) {
            let route = Route::priority(entry.key(), [target.clone()]);
            entry.insert(Arc::new(assembler.route(route)?));
        }
        Ok(())
    }

    /// Returns the route that `model` names.
    pub(super) fn route(&self, model: &str) -> Result<&Arc<RouteState>, Error> {
        let name = self.aliases.get(model).map_or(model, String::as_str);
        let bare = || self.single.get(self.bare.get(model)?);
        let found = self.routes.get(name).or_else(|| self.single.get(model)).or_else(bare);
        found.ok_or_else(|| Error::UnknownModel {
            model: model.chars().take(256).collect(),
            routes: self.routes.keys().cloned().collect(),
        })
    }

    /// Returns a target that a route or provider names, by `PROVIDER/MODEL`.
    pub(super) fn target(&self, id: &str) -> Option<&RouteTarget> {
        self.single.get(id)?.targets.first()
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = &RouteState> {
        self.routes.values().map(AsRef::as_ref)
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &TargetState> {
        self.targets.values().map(AsRef::as_ref)
    }

    /// Returns a provider that a target uses, by name.
    pub(super) fn provider(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        let is_named = |target: &&TargetState| target.id().provider().as_str() == name;
        self.targets().find(is_named).map(TargetState::provider)
    }

    /// Returns the route of the cheapest single target of a provider, of the targets that routes name. One without a price
    /// comes last.
    pub(super) fn cheapest_of(&self, provider: &str) -> Option<&Arc<RouteState>> {
        let usage = Usage { input: 10, output: 10, ..Usage::default() };
        let cost = |target: &&RouteTarget| {
            let cost = target.prices.as_ref().map(|prices| prices.cost(usage));
            (cost.is_none(), cost)
        };
        let targets = self.routes().flat_map(|route| &route.targets);
        let own = targets.filter(|target| target.id().provider().as_str() == provider);
        self.single.get(&own.min_by_key(cost)?.id().to_string())
    }

    pub(super) const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Returns every name that `model` may have.
    pub(super) fn models(&self) -> Vec<String> {
        self.routes.keys().chain(self.aliases.keys()).chain(self.single.keys()).cloned().collect()
    }
}

/// Returns a listener that publishes the transitions of all breakers to the observer.
fn listener(observer: Arc<dyn Observer>) -> CircuitListener {
    let state = |state: State| match state {
        State::Closed => BreakerState::Closed,
        State::Open { .. } => BreakerState::Open,
        _ => BreakerState::HalfOpen,
    };
    Arc::new(move |provider, model, event| {
        let Ok(provider) = ProviderId::new(provider) else { return };
        let (target, from, to) = (TargetId::new(provider, model), state(event.from), state(event.to));
        observer.on_event(&Event::Breaker { target: &target, from, to, reason: event.reason.name() });
    })
}

/// Converts the error of a crate that does not depend on fb-core.
fn invalid(table: &str, field: &str, value: impl ToString, expected: &str) -> BuildError {
    BuildError::new(InvalidConfig::expecting(field, value, expected).within(table))
}

/// Assembles routes from the builder's settings. Routes share one state per target and one per provider.
struct Assembler {
    providers: BTreeMap<String, Arc<dyn Provider>>,
    registry: Registry,
    fleet: Fleet,
    mechanisms: Mechanisms,
    /// Overrides of the mechanisms, by provider.
    overrides: BTreeMap<String, Overrides>,
    retry_budget: BudgetConfig,
    gates: BTreeMap<String, Vec<Box<dyn Gate>>>,
    prices: PriceBook,
    /// The kinds of the providers that have one, for the built-in price list.
    kinds: BTreeMap<String, String>,
    seed: Option<u64>,
    provider_states: BTreeMap<String, Arc<ProviderState>>,
    targets: BTreeMap<TargetId, Arc<TargetState>>,
}

impl Assembler {
    fn route(&mut self, config: Route) -> Result<RouteState, BuildError> {
        let path = format!("routes.{}", config.name);
        let invalid = |error: InvalidConfig| BuildError::new(error.within(&path));
        // Disabled targets keep their place in the list, which is the priority of those after them.
        let enabled = config.targets.iter().enumerate().filter(|(_, target)| target.enabled);
        let targets = enabled.map(|(index, target)| self.target(target, index, &config.name));
        let mut targets = targets.collect::<Result<Vec<_>, _>>()?;
        // A stable sort: targets of equal priority stay in the order of the list.
        targets.sort_by_key(|target| target.priority);
        let router = Router::new(config.router_config()).map_err(invalid)?;
        let hedges = HedgeBudget::new(&config.hedge).map_err(invalid)?;
        let custom = self.gates.remove(&config.name).unwrap_or_default();
        let gates =
            Gates::new(config.quality.clone(), custom).map_err(|error| invalid(error.within("quality")))?;
        let LadderConfig { reduced, minimal, .. } = &config.ladder;
        let lower_levels = [
            self.lower_level(Level::Reduced, reduced.as_ref(), Rung::reduced, &targets, &config.name)?,
            self.lower_level(Level::Minimal, minimal.as_ref(), Rung::minimal, &targets, &config.name)?,
        ];
        let (panic, level_tracker) = (PanicMode::default(), LevelTracker::default());
        let config = Arc::new(config);
        Ok(RouteState { config, targets, router, hedges, gates, panic, lower_levels, level_tracker })
    }

    /// Assembles one level below the full one; `route_targets` are those of a level without targets of its own.
    fn lower_level(
        &mut self,
        level: Level,
        configured: Option<&Rung>,
        built_in: fn() -> Rung,
        route_targets: &[RouteTarget],
        group: &str,
    ) -> Result<LowerLevel, BuildError> {
        let is_built_in = configured.is_none();
        let rung = configured.cloned().unwrap_or_else(built_in);
        let enabled = rung.targets.iter().filter(|target| target.enabled).enumerate();
        let own = enabled.map(|(index, target)| self.target(target, index, group));
        let own = own.collect::<Result<Vec<_>, _>>()?;
        let targets = if own.is_empty() { route_targets.to_vec() } else { own };
        Ok(LowerLevel { level, is_built_in, rung, targets })
    }

    /// Assembles one target; `index` is its priority unless it sets one.
    fn target(&mut self, target: &Target, index: usize, group: &str) -> Result<RouteTarget, BuildError> {
        let unknown =
            |expected: String| BuildError::new(InvalidConfig::new("provider", &target.provider, expected));
        let provider = self.providers.get(&target.provider).cloned();
        let provider = provider.ok_or_else(|| unknown("no such provider".to_owned()))?;
        let name = ProviderId::new(&target.provider).map_err(|error| unknown(error.to_string()))?;
        let id = TargetId::new(name, &target.model);
        let mechanisms = self.mechanisms(target)?;
        let retry = RetryPolicy::new(target.retry_config(&mechanisms.retry))
            .map_err(|error| invalid("retry", error.field, error.value, error.expected))?;
        let state = self.target_state(id, provider, target, mechanisms, group)?;
        let own = target.price.map(TokenPrices::from_price);
        let prices = own.or_else(|| {
            let kind = self.kinds.get(&target.provider).map_or("", String::as_str);
            self.prices.prices(state.id(), kind, moment(now()).wall)
        });
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Ok(RouteTarget::new(state, target, target.priority.unwrap_or(index), retry, prices))
    }

    /// Returns the effective settings of a target: the innermost override wins.
    fn mechanisms(&self, target: &Target) -> Result<Mechanisms, BuildError> {
        let mut problems = Vec::new();
        let mut effective = self.mechanisms.clone();
        if let Some(overrides) = self.overrides.get(&target.provider) {
            let path = format!("providers.{}", target.provider);
            effective = effective.with_overrides(overrides, &path, &mut problems);
        }
        effective = effective.with_overrides(&Overrides::from(target), "target", &mut problems);
        if problems.is_empty() { Ok(effective) } else { Err(BuildError { problems }) }
    }

    /// Returns the shared state of a target, created when the first route names it.
    fn target_state(
        &mut self,
        id: TargetId,
        provider: Arc<dyn Provider>,
        target: &Target,
        mechanisms: Mechanisms,
        group: &str,
    ) -> Result<Arc<TargetState>, BuildError> {
        if let Some(known) = self.targets.get(&id) {
            return Ok(Arc::clone(known));
        }
        let circuit = self
            .registry
            .circuit(&target.provider, &target.model, &mechanisms.breaker)
            .map_err(|error| invalid("breaker", error.field, error.value, error.expected))?;
        if let Some(seed) = self.seed {
            let _same_breaker = circuit.breaker().clone().with_seed(seed);
        }
        let health = self
            .fleet
            .join_with(mechanisms.health, &id.to_string(), &target.provider, group, now())
            .map_err(|error| BuildError::new(error.within("health")))?;
        let provider_state = self.provider_state(&target.provider)?;
        let max_in_flight = target.max_in_flight;
        let state = TargetState::new(id.clone(), provider, circuit, health, provider_state, max_in_flight);
        let state = Arc::new(state);
        self.targets.insert(id, Arc::clone(&state));
        Ok(state)
    }

    fn provider_state(&mut self, provider: &str) -> Result<Arc<ProviderState>, BuildError> {
        if let Some(known) = self.provider_states.get(provider) {
            return Ok(Arc::clone(known));
        }
        let retry_budget = RetryBudget::new(&self.retry_budget)
            .map_err(|error| invalid("retry_budget", error.field, error.value, error.expected))?;
        let state = Arc::new(ProviderState::new(retry_budget));
        self.provider_states.insert(provider.to_owned(), Arc::clone(&state));
        Ok(state)
    }
}
