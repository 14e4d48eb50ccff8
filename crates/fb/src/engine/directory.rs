//! The directory: every name that `model` may have, and the route behind it.
//!
//! A directory is not changed after it is built. [`Directory::next`] builds the one that takes its place from a changed
//! catalog, and keeps the state of every target, provider and route that stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use fb_breaker::{BreakerConfig, Circuit, CircuitListener, Registry, RegistryConfig, SlowConfig, State};
use fb_budget::{Account, Book, TokenPrices};
use fb_cache::{Flights, FlightsConfig};
use fb_core::{
    BreakerState, Chat, ChatRequest, Event, InvalidConfig, Level, Provider, ProviderId, Reply, TargetId,
    Usage,
};
use fb_health::{Fleet, PanicMode};
use fb_quality::{Gate, Gates};
use fb_retry::{RetryBudget, RetryPolicy};
use fb_router::{HedgeBudget, Router};

use super::{
    observers::Observers,
    route_state::{LowerLevel, RouteState},
    route_target::RouteTarget,
    spend::{DEFAULT_TENANT, moment},
    target_state::{ProviderState, TargetSettings, TargetState},
};
use crate::{
    LadderConfig, Route, Rung, Target,
    catalog::Catalog,
    clock::now,
    error::BuildError,
    ladder::LevelTracker,
    mechanisms::{Mechanisms, Overrides},
};

/// The name under which the registry has the circuit of a whole provider. No model has it.
const WHOLE_PROVIDER: &str = "";

/// Every name that `model` may have, and the targets behind it.
pub(super) struct Directory {
    /// The configuration from which the directory was built.
    catalog: Catalog,
    /// The accounts of the tenants; `None` without limits and ledger.
    book: Option<Arc<Book>>,
    stores: Stores,
    routes: BTreeMap<String, Arc<RouteState>>,
    aliases: BTreeMap<String, String>,
    /// Routes of a single target, under `PROVIDER/MODEL`.
    single: BTreeMap<String, Arc<RouteState>>,
    /// Bare model names that a provider lists, with the `PROVIDER/MODEL` they mean.
    bare: BTreeMap<String, String>,
    targets: BTreeMap<TargetId, Arc<TargetState>>,
    /// The circuits of whole providers with their configurations.
    provider_circuits: BTreeMap<String, (BreakerConfig, Circuit)>,
    provider_states: BTreeMap<String, Arc<ProviderState>>,
}

/// The breakers and the health of all targets, which all directories of an engine share.
#[derive(Clone)]
struct Stores {
    registry: Registry,
    fleet: Fleet,
    seed: Option<u64>,
}

impl Directory {
    /// Builds the first directory. The book has the accounts of the catalog's tenants.
    pub(super) fn new(
        catalog: Catalog,
        book: Option<Arc<Book>>,
        observers: Observers,
        seed: Option<u64>,
    ) -> Result<Self, BuildError> {
        let fleet = Fleet::new(catalog.mechanisms.health.clone())
            .map_err(|error| BuildError::new(error.within("health")))?;
        let fleet = match seed {
            Some(seed) => fleet.with_seed(seed),
            None => fleet,
        };
        let registry = Registry::new(RegistryConfig::default(), now)
            .map_err(|error| invalid("registry", error.field, error.value, error.expected))?;
        let registry = registry.with_listener(listener(observers));
        let mut nothing = Catalog::default();
        nothing.tenants.clone_from(&catalog.tenants);
        Self::empty(nothing, book, Stores { registry, fleet, seed }).next(catalog)
    }

    const fn empty(catalog: Catalog, book: Option<Arc<Book>>, stores: Stores) -> Self {
        Self {
            catalog,
            book,
            stores,
            routes: BTreeMap::new(),
            aliases: BTreeMap::new(),
            single: BTreeMap::new(),
            bare: BTreeMap::new(),
            targets: BTreeMap::new(),
            provider_circuits: BTreeMap::new(),
            provider_states: BTreeMap::new(),
        }
    }

    /// Builds the directory of a changed catalog. A target with the same provider and model keeps its breaker, health,
    /// cool-down, quality and counters, and a route of the same name its level. Settings that changed take effect on them.
    ///
    /// Once it is in use, call [`retire`](Self::retire).
    pub(super) fn next(&self, catalog: Catalog) -> Result<Self, BuildError> {
        let problems = catalog.problems(&BTreeSet::new());
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let book = self.next_book(&catalog)?;
        let mut assembler =
            Assembler { next: Self::empty(catalog, book, self.stores.clone()), previous: self };
        let assembled = assembler.assemble();
        let next = assembler.next;
        match assembled {
            Ok(()) => Ok(next),
            Err(error) => {
                next.retire(self);
                Err(error)
            }
        }
    }

    /// Returns the book of a catalog. The accounts of tenants that stay keep what they used.
    fn next_book(&self, catalog: &Catalog) -> Result<Option<Arc<Book>>, BuildError> {
        let at = moment(now());
        match &self.book {
            _ if self.catalog.tenants == catalog.tenants => return Ok(self.book.clone()),
            Some(book) => book.with_tenants(&catalog.tenants, at),
            None => Book::new(&catalog.tenants, at.now),
        }
        .map(|book| Some(Arc::new(book)))
        .map_err(BuildError::new)
    }

    /// Returns the accounts of the tenants; `None` without limits and ledger.
    pub(super) fn book(&self) -> Option<&Arc<Book>> {
        self.book.as_ref()
    }

    /// Returns the account charged for a request; `None` where tenants have no budgets.
    pub(super) fn account(&self, request: &ChatRequest) -> Option<&Account> {
        let options = request.options();
        self.account_of(options.tenant.as_deref(), options.key.as_deref())
    }

    /// Returns the account of a tenant's key, or of the tenant; `None` where tenants have no budgets.
    pub(super) fn account_of(&self, tenant: Option<&str>, key: Option<&str>) -> Option<&Account> {
        let (book, tenant) = (self.book.as_ref()?, tenant.unwrap_or(DEFAULT_TENANT));
        Some(match key {
            Some(key) => book.key_account(tenant, key),
            None => book.account(tenant),
        })
    }

    /// Removes the breakers and the health of the targets that another directory does not have.
    pub(super) fn retire(&self, other: &Self) {
        for id in self.targets.keys().filter(|id| !other.has_target(id)) {
            self.stores.fleet.leave(&id.to_string());
            self.stores.registry.remove(id.provider().as_str(), id.model());
        }
        for name in self.provider_circuits.keys().filter(|name| !other.provider_circuits.contains_key(*name))
        {
            self.stores.registry.remove(name, WHOLE_PROVIDER);
        }
    }

    pub(super) fn has_target(&self, id: &TargetId) -> bool {
        self.targets.contains_key(id)
    }

    pub(super) const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Returns the route that `model` names.
    pub(super) fn route(&self, model: &str) -> Option<&Arc<RouteState>> {
        let name = self.aliases.get(model).map_or(model, String::as_str);
        let bare = || self.single.get(self.bare.get(model)?);
        self.routes.get(name).or_else(|| self.single.get(model)).or_else(bare)
    }

    /// Returns true if a route has this name or alias.
    pub(super) fn has_route(&self, name: &str) -> bool {
        self.routes.contains_key(name) || self.aliases.contains_key(name)
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

    /// Returns the circuits of whole providers by name.
    pub(super) fn provider_circuits(&self) -> impl Iterator<Item = (&str, &Circuit)> {
        self.provider_circuits.iter().map(|(name, (_, circuit))| (name.as_str(), circuit))
    }

    /// Returns a provider by name.
    pub(super) fn provider(&self, name: &str) -> Option<Arc<dyn Provider>> {
        self.catalog.providers.get(name).cloned()
    }

    /// Returns the key with which a provider is probed.
    pub(super) fn key_for_probe(&self, provider: &str, at: Instant) -> usize {
        let (state, provider) = (self.provider_states.get(provider), self.catalog.providers.get(provider));
        state.zip(provider).map_or(0, |(state, provider)| state.keys.for_probe(&**provider, at))
    }

    /// Returns the route of the cheapest single target of a provider, of the targets that routes name. One without a price
    /// comes last.
    pub(super) fn cheapest_of(&self, provider: &str) -> Option<&Arc<RouteState>> {
        let usage = Usage { input: 10, output: 10, ..Usage::default() };
        let cost = |target: &&RouteTarget| {
            let cost = target.prices.cost(usage);
            (cost.is_none(), cost)
        };
        let targets = self.routes().flat_map(|route| &route.targets);
        let own = targets.filter(|target| target.id().provider().as_str() == provider);
        self.single.get(&own.min_by_key(cost)?.id().to_string())
    }

    pub(super) const fn fleet(&self) -> &Fleet {
        &self.stores.fleet
    }

    /// Returns every name that `model` may have.
    pub(super) fn models(&self) -> Vec<String> {
        self.routes.keys().chain(self.aliases.keys()).chain(self.single.keys()).cloned().collect()
    }
}

/// Returns a listener that publishes the transitions of all breakers to the observers.
fn listener(observers: Observers) -> CircuitListener {
    let state = |state: State| match state {
        State::Closed => BreakerState::Closed,
        State::Open { .. } => BreakerState::Open,
        _ => BreakerState::HalfOpen,
    };
    Arc::new(move |provider, model, event| {
        let Ok(provider) = ProviderId::new(provider) else { return };
        let (from, to, reason) = (state(event.from), state(event.to), event.reason.name());
        if model == WHOLE_PROVIDER {
            return observers.publish(&Event::ProviderBreaker { provider: &provider, from, to, reason });
        }
        observers.publish(&Event::Breaker { target: &TargetId::new(provider, model), from, to, reason });
    })
}

impl Stores {
    /// Returns the circuit of a model by the names of its provider and itself, given the previous one with its
    /// configuration.
    fn circuit(
        &self,
        [provider, model]: [&str; 2],
        config: &BreakerConfig,
        previous: Option<(&BreakerConfig, &Circuit)>,
    ) -> Result<Circuit, BuildError> {
        let circuit = match previous {
            Some((same, previous)) if same == config => return Ok(previous.clone()),
            Some(_) => self.registry.reconfigure(provider, model, config, now()),
            None => self.registry.circuit(provider, model, config),
        };
        let circuit =
            circuit.map_err(|error| invalid("breaker", error.field, error.value, error.expected))?;
        if let Some(seed) = self.seed {
            let _same_breaker = circuit.breaker().clone().with_seed(seed);
        }
        Ok(circuit)
    }
}

/// Returns the configuration of a provider's circuit, given that of its targets. One answer of any model shows that the
/// provider can be reached, however long it took.
fn provider_breaker(config: &BreakerConfig) -> BreakerConfig {
    if config.shared {
        return config.clone();
    }
    let mut half_open = config.half_open.clone();
    half_open.successes = 1;
    let mut config = config.clone();
    config.half_open = half_open;
    config.slow = SlowConfig::never();
    config
}

/// Returns settings with the overrides of an inner layer.
fn with_overrides(outer: &Mechanisms, inner: &Overrides, path: &str) -> Result<Mechanisms, BuildError> {
    let mut problems = Vec::new();
    let effective = outer.with_overrides(inner, path, &mut problems);
    if problems.is_empty() { Ok(effective) } else { Err(BuildError { problems }) }
}

/// Converts the error of a crate that does not depend on fb-core.
fn invalid(table: &str, field: &str, value: impl ToString, expected: &str) -> BuildError {
    BuildError::new(InvalidConfig::expecting(field, value, expected).within(table))
}

/// Assembles the routes of a catalog. They share one state per target and one per provider, taken over from the previous
/// directory where it has them.
struct Assembler<'a> {
    next: Directory,
    previous: &'a Directory,
}

impl Assembler<'_> {
    fn assemble(&mut self) -> Result<(), BuildError> {
        for config in self.next.catalog.routes.clone() {
            // The route before its single targets: a target joins the health group of the route that names it first.
            let state = self.route(&config, self.previous.routes.get(&config.name))?;
            for target in &config.targets {
                self.add_single(target)?;
            }
            for alias in config.aliases {
                self.next.aliases.insert(alias, config.name.clone());
            }
            self.next.routes.insert(config.name, state);
        }
        for (provider, models) in self.next.catalog.models.clone() {
            for model in models {
                let target = Target::new(&provider, &model);
                self.add_single(&target)?;
                self.next.bare.entry(model).or_insert_with(|| target.name());
            }
        }
        Ok(())
    }

    /// Adds a route for `PROVIDER/MODEL` alone. The first definition of a target counts.
    fn add_single(&mut self, target: &Target) -> Result<(), BuildError> {
        let name = target.name();
        if !self.next.single.contains_key(&name) {
            let config = Route::priority(&name, [target.clone()]);
            let state = self.route(&config, self.previous.single.get(&name))?;
            self.next.single.insert(name, state);
        }
        Ok(())
    }

    /// Assembles a route. The previous one of this name is kept if nothing about it changes. With the same configuration
    /// its weights, its rotation and its hedge budget are kept, and in any case its panic mode and its level.
    fn route(
        &mut self,
        config: &Route,
        previous: Option<&Arc<RouteState>>,
    ) -> Result<Arc<RouteState>, BuildError> {
        let path = format!("routes.{}", config.name);
        let invalid = |error: InvalidConfig| BuildError::new(error.within(&path));
        // Disabled targets keep their place in the list, which is the priority of those after them.
        let enabled = config.targets.iter().enumerate().filter(|(_, target)| target.enabled);
        let targets = enabled.map(|(index, target)| self.target(target, index, &config.name));
        let mut targets = targets.collect::<Result<Vec<_>, _>>()?;
        // A stable sort: targets of equal priority stay in the order of the list.
        targets.sort_by_key(|target| target.priority);
        let same = previous.filter(|previous| *previous.config == *config);
        for (target, earlier) in targets.iter_mut().zip(same.iter().flat_map(|same| &same.targets)) {
            target.share_weight(earlier);
        }
        let LadderConfig { reduced, minimal, .. } = &config.ladder;
        let lower_levels = [
            self.lower_level(Level::Reduced, reduced.as_ref(), Rung::reduced, &targets, &config.name)?,
            self.lower_level(Level::Minimal, minimal.as_ref(), Rung::minimal, &targets, &config.name)?,
        ];
        if let Some(same) = same.filter(|same| same.calls_alike(&targets, &lower_levels)) {
            return Ok(Arc::clone(same));
        }
        let (router, hedges) = match same {
            Some(same) => (Arc::clone(&same.router), Arc::clone(&same.hedges)),
            None => (
                Arc::new(Router::new(config.router_config()).map_err(invalid)?),
                Arc::new(HedgeBudget::new(&config.hedge).map_err(invalid)?),
            ),
        };
        let gates = Gates::new(config.quality.clone(), self.custom_gates(&config.name))
            .map_err(|error| invalid(error.within("quality")))?;
        Ok(Arc::new(RouteState {
            targets,
            router,
            hedges,
            gates,
            panic: previous.map_or_else(Arc::<PanicMode>::default, |previous| Arc::clone(&previous.panic)),
            lower_levels,
            level_tracker: level_tracker(config, previous),
            flights: Flights::new(FlightsConfig::default()),
            config: Arc::new(config.clone()),
        }))
    }

    /// Returns the gates that the program added to a route.
    fn custom_gates(&self, route: &str) -> Vec<Box<dyn Gate>> {
        let gates = self.next.catalog.gates.get(route).into_iter().flatten().map(Arc::clone);
        gates.map(|gate| Box::new(move |chat: &Chat, reply: &Reply| gate.check(chat, reply)) as _).collect()
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
        let name = ProviderId::new(&target.provider).map_err(|error| unknown(error.to_string()))?;
        let id = TargetId::new(name, &target.model);
        let provider = self.next.provider(&target.provider);
        let of_provider = self.provider_mechanisms(&target.provider)?;
        let settings = TargetSettings {
            provider: provider.ok_or_else(|| unknown("no such provider".to_owned()))?,
            mechanisms: with_overrides(&of_provider, &Overrides::from(target), "target")?,
            provider_breaker: provider_breaker(&of_provider.breaker),
            max_in_flight: target.max_in_flight,
        };
        let retry = RetryPolicy::new(target.retry_config(&settings.mechanisms.retry))
            .map_err(|error| invalid("retry", error.field, error.value, error.expected))?;
        let state = self.target_state(id, settings, group)?;
        let prices = target.price.map_or_else(
            || {
                let catalog = &self.next.catalog;
                let kind = catalog.kinds.get(&target.provider).map_or("", String::as_str);
                catalog.prices.target_prices(state.id(), kind, moment(now()).wall)
            },
            |price| TokenPrices::from_price(price).into(),
        );
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Ok(RouteTarget::new(state, target, target.priority.unwrap_or(index), retry, prices))
    }

    /// Returns the effective settings of a provider, which those of its targets override.
    fn provider_mechanisms(&self, provider: &str) -> Result<Mechanisms, BuildError> {
        let Catalog { mechanisms, overrides, .. } = &self.next.catalog;
        match overrides.get(provider) {
            Some(overrides) => with_overrides(mechanisms, overrides, &format!("providers.{provider}")),
            None => Ok(mechanisms.clone()),
        }
    }

    /// Returns the shared state of a target. The first route that names it decides its settings.
    fn target_state(
        &mut self,
        id: TargetId,
        settings: TargetSettings,
        group: &str,
    ) -> Result<Arc<TargetState>, BuildError> {
        if let Some(known) = self.next.targets.get(&id) {
            return Ok(Arc::clone(known));
        }
        let in_health = |error: InvalidConfig| BuildError::new(error.within("health"));
        let health = settings.mechanisms.health.clone();
        let (name, fleet) = (id.provider().as_str(), self.next.stores.fleet.clone());
        if !self.next.provider_states.contains_key(name) {
            fleet.reconfigure_probe(name, health.probe.clone(), now()).map_err(in_health)?;
        }
        let previous = self.previous.targets.get(&id);
        let state = if let Some(previous) = previous {
            previous.health.reconfigure(health, group, now()).map_err(in_health)?;
            let provider_state = self.provider_state(&id, &*settings.provider)?;
            let is_same = previous.settings == settings && previous.is_of(&provider_state);
            let circuits = [
                self.circuit(&id, &settings.mechanisms, Some(previous))?,
                self.provider_circuit(&id, &settings.provider_breaker)?,
            ];
            if is_same {
                Arc::clone(previous)
            } else {
                Arc::new(previous.with_settings(settings, circuits, provider_state))
            }
        } else {
            let circuits = [
                self.circuit(&id, &settings.mechanisms, None)?,
                self.provider_circuit(&id, &settings.provider_breaker)?,
            ];
            let health = fleet.join_with(health, &id.to_string(), name, group, now()).map_err(in_health)?;
            let provider_state = self.provider_state(&id, &*settings.provider)?;
            Arc::new(TargetState::new(id.clone(), settings, circuits, health, provider_state))
        };
        self.next.targets.insert(id, Arc::clone(&state));
        Ok(state)
    }

    /// Returns the circuit of a target: the previous one unless its configuration changed.
    fn circuit(
        &self,
        id: &TargetId,
        mechanisms: &Mechanisms,
        previous: Option<&Arc<TargetState>>,
    ) -> Result<Circuit, BuildError> {
        let previous = previous.map(|previous| (&previous.settings.mechanisms.breaker, previous.circuit()));
        self.next.stores.circuit([id.provider().as_str(), id.model()], &mechanisms.breaker, previous)
    }

    /// Returns the circuit of a target's whole provider: the previous one unless its configuration changed.
    fn provider_circuit(&mut self, id: &TargetId, config: &BreakerConfig) -> Result<Circuit, BuildError> {
        let name = id.provider().as_str();
        if let Some((_, known)) = self.next.provider_circuits.get(name) {
            return Ok(known.clone());
        }
        let previous = self.previous.provider_circuits.get(name);
        let previous = previous.map(|(config, circuit)| (config, circuit));
        let circuit = self.next.stores.circuit([name, WHOLE_PROVIDER], config, previous)?;
        self.next.provider_circuits.insert(name.to_owned(), (config.clone(), circuit.clone()));
        Ok(circuit)
    }

    /// Returns the state of a target's provider. It belongs to the account: another adapter, such as one with a new key,
    /// begins without a rejected key, without cool-down and with a full retry budget.
    fn provider_state(
        &mut self,
        id: &TargetId,
        provider: &dyn Provider,
    ) -> Result<Arc<ProviderState>, BuildError> {
        let name = id.provider().as_str();
        if let Some(known) = self.next.provider_states.get(name) {
            return Ok(Arc::clone(known));
        }
        let previous = self.previous.provider_states.get(name).filter(|_| {
            let adapters = (self.previous.provider(name), self.next.provider(name));
            matches!(adapters, (Some(previous), Some(next)) if Arc::ptr_eq(&previous, &next))
        });
        let config = &self.next.catalog.retry_budget;
        let retry_budget = || {
            let budget = RetryBudget::new(config);
            budget.map_err(|error| invalid("retry_budget", error.field, error.value, error.expected))
        };
        let state = match previous {
            Some(previous) if self.previous.catalog.retry_budget == *config => Arc::clone(previous),
            Some(previous) => Arc::new(previous.with_retry_budget(retry_budget()?)),
            None => Arc::new(ProviderState::new(provider, retry_budget()?)),
        };
        self.next.provider_states.insert(name.to_owned(), Arc::clone(&state));
        Ok(state)
    }
}

/// Returns the tracker of a route's level. A route with another ladder starts at its top again, unless an operator chose
/// the level.
fn level_tracker(config: &Route, previous: Option<&Arc<RouteState>>) -> Arc<LevelTracker> {
    match previous {
        Some(previous) if previous.config.ladder == config.ladder => Arc::clone(&previous.level_tracker),
        Some(previous) => {
            let tracker = LevelTracker::default();
            tracker.force(previous.level_tracker.forced(now()));
            Arc::new(tracker)
        }
        None => Arc::default(),
    }
}
