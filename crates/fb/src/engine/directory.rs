use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};

use fb_breaker::{CircuitListener, Registry, RegistryConfig, State};
use fb_budget::{PriceBook, TokenPrices};
use fb_core::{BreakerState, Event, InvalidConfig, Level, Observer, Provider, ProviderId, TargetId};
use fb_health::{Fleet, PanicMode};
use fb_quality::{Gate, Gates};
use fb_retry::{BudgetConfig, RetryBudget, RetryPolicy};
use fb_router::{HedgeBudget, Router};

use super::{
    RequestContext,
    selection::Chooser,
    spend::moment,
    target_state::{ProviderState, RouteTarget, TargetState},
};
use crate::{
    Builder, Error, Route, Rung, Target,
    clock::now,
    error::BuildError,
    ladder::LevelTracker,
    mechanisms::{Mechanisms, Overrides},
};

/// Every name a request may use, and the targets behind it.
pub(super) struct Directory {
    routes: BTreeMap<String, Plan>,
    aliases: BTreeMap<String, String>,
    /// Plans of one target, under `PROVIDER/MODEL`.
    single: BTreeMap<String, Plan>,
    /// Bare model names, listed by a provider.
    bare: BTreeMap<String, String>,
    targets: BTreeMap<TargetId, Arc<TargetState>>,
    fleet: Fleet,
}

/// The route of a request and its targets in the order they are tried.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) route: Arc<Route>,
    pub(super) targets: Arc<[RouteTarget]>,
    pub(super) chooser: Arc<Chooser>,
    pub(super) gates: Arc<Gates>,
    /// Whether so few of them are healthy that health is not heeded.
    pub(super) panic: Arc<PanicMode>,
    /// Levels below the full one at which models are called.
    pub(super) rungs: Arc<[Step]>,
    pub(super) level_tracker: Arc<LevelTracker>,
}

/// A level of a route and who answers there.
pub(super) struct Step {
    pub(super) level: Level,
    pub(super) rung: Rung,
    pub(super) targets: Vec<RouteTarget>,
}

impl Plan {
    /// Who is asked first.
    pub(super) fn primary(&self) -> Option<&TargetId> {
        self.targets.first().map(RouteTarget::id)
    }

    /// How long until one of the targets may be called, if none may now.
    pub(super) fn reopens(&self, ctx: RequestContext<'_>, at: Instant) -> Option<Duration> {
        let seen = self.targets.iter().filter(|target| ctx.may_see(target).is_ok());
        let opens = seen.filter_map(|target| target.reopens(ctx, at)).min();
        // A target that is there is no use to a tenant that may not pay for it.
        ctx.record.pays_again().or(opens)
    }
}

impl Directory {
    pub(super) fn new(builder: Builder) -> Result<Self, BuildError> {
        let fleet = Fleet::new(builder.mechanisms.health.clone())
            .map_err(|error| BuildError::new(error.within("health")))?;
        let fleet = match builder.seed {
            Some(seed) => fleet.with_seed(seed),
            None => fleet,
        };
        let registry = Registry::new(RegistryConfig::default(), now).map_err(|error| {
            let error = InvalidConfig::expecting(error.field, error.value, error.expected);
            BuildError::new(error.within("registry"))
        })?;
        let registry = match builder.observer.clone() {
            Some(observer) => registry.with_listener(listener(observer)),
            None => registry,
        };
        let mut names = Names {
            providers: builder.providers,
            registry,
            fleet: fleet.clone(),
            mechanisms: builder.mechanisms,
            own: builder.overrides,
            budget: builder.retry_budget,
            gates: builder.gates,
            prices: builder.prices,
            kinds: builder.kinds,
            seed: builder.seed,
            keys: BTreeMap::new(),
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
        for route in builder.routes {
            // The route first: its targets are each other's peers.
            let plan = names.plan(route.clone())?;
            for target in &route.targets {
                directory.add_single(target, &mut names)?;
            }
            for alias in &route.aliases {
                directory.aliases.insert(alias.clone(), route.name.clone());
            }
            directory.routes.insert(plan.route.name.clone(), plan);
        }
        for (provider, models) in builder.models {
            for model in models {
                let target = Target::new(&provider, &model);
                directory.add_single(&target, &mut names)?;
                directory.bare.entry(model.clone()).or_insert_with(|| format!("{provider}/{model}"));
            }
        }
        directory.targets = names.targets;
        Ok(directory)
    }

    /// A plan for `PROVIDER/MODEL` alone; the first definition of a target counts.
    fn add_single(&mut self, target: &Target, names: &mut Names) -> Result<(), BuildError> {
        let id = target.name();
        if let Entry::Vacant(entry) = self.single.entry(id) {
            let route = Route::priority(entry.key(), [target.clone()]);
            entry.insert(names.plan(route)?);
        }
        Ok(())
    }

    /// The plan for what `model` names.
    pub(super) fn plan(&self, model: &str) -> Result<&Plan, Error> {
        let route = self.aliases.get(model).map_or(model, String::as_str);
        let bare = || self.single.get(self.bare.get(model)?);
        let found = self.routes.get(route).or_else(|| self.single.get(model)).or_else(bare);
        found.ok_or_else(|| Error::UnknownModel {
            model: model.chars().take(256).collect(),
            routes: self.routes.keys().cloned().collect(),
        })
    }

    /// A target that some route or provider names.
    pub(super) fn target(&self, id: &str) -> Option<&RouteTarget> {
        self.single.get(id)?.targets.first()
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = &Plan> {
        self.routes.values()
    }

    pub(super) fn providers(&self) -> BTreeMap<String, Arc<dyn Provider>> {
        self.targets.values().map(|one| (one.id().provider().to_string(), one.provider())).collect()
    }

    pub(super) const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &TargetState> {
        self.targets.values().map(AsRef::as_ref)
    }

    pub(super) fn models(&self) -> Vec<String> {
        self.routes.keys().chain(self.aliases.keys()).chain(self.single.keys()).cloned().collect()
    }
}

/// Tells an observer of what the breakers do.
fn listener(observer: Arc<dyn Observer>) -> CircuitListener {
    let circuit = |state: State| match state {
        State::Closed => BreakerState::Closed,
        State::Open { .. } => BreakerState::Open,
        _ => BreakerState::HalfOpen,
    };
    Arc::new(move |provider, model, event| {
        let Ok(provider) = ProviderId::new(provider) else { return };
        let (target, from, to) = (TargetId::new(provider, model), circuit(event.from), circuit(event.to));
        observer.on_event(&Event::Breaker { target: &target, from, to, reason: event.reason.name() });
    })
}

/// What is shared between routes while the directory is built: one upstream per target, one key per provider.
struct Names {
    providers: BTreeMap<String, Arc<dyn Provider>>,
    registry: Registry,
    fleet: Fleet,
    mechanisms: Mechanisms,
    own: BTreeMap<String, Overrides>,
    budget: BudgetConfig,
    gates: BTreeMap<String, Vec<Box<dyn Gate>>>,
    prices: PriceBook,
    /// The kinds of the providers, where they are known.
    kinds: BTreeMap<String, String>,
    seed: Option<u64>,
    keys: BTreeMap<String, Arc<ProviderState>>,
    targets: BTreeMap<TargetId, Arc<TargetState>>,
}

impl Names {
    fn plan(&mut self, route: Route) -> Result<Plan, BuildError> {
        let mut ranked = Vec::new();
        for (position, target) in route.targets.iter().enumerate() {
            if target.enabled {
                ranked.push(self.target(target, position, &route.name)?);
            }
        }
        // A stable sort: targets of one priority stay in the order of the list.
        ranked.sort_by_key(|target| target.priority);
        let targets: Arc<[RouteTarget]> = ranked.into();
        let path = format!("routes.{}", route.name);
        let invalid = |error: InvalidConfig| BuildError::new(error.within(&path));
        let router = Router::new(route.router_config()).map_err(invalid)?;
        let hedges = HedgeBudget::new(&route.hedge).map_err(invalid)?;
        let chooser = Arc::new(Chooser { router, hedges });
        let custom = self.gates.remove(&route.name).unwrap_or_default();
        let gates =
            Gates::new(route.quality.clone(), custom).map_err(|error| invalid(error.within("quality")))?;
        let mut rungs = Vec::new();
        for (level, rung) in
            [(Level::Reduced, &route.ladder.reduced), (Level::Minimal, &route.ladder.minimal)]
        {
            let Some(rung) = rung.clone() else { continue };
            let own = rung.targets.iter().filter(|target| target.enabled);
            let own = own.enumerate().map(|(position, target)| self.target(target, position, &route.name));
            let own = own.collect::<Result<Vec<_>, _>>()?;
            let targets = if own.is_empty() { targets.to_vec() } else { own };
            rungs.push(Step { level, rung, targets });
        }
        let (panic, level_tracker) = (Arc::default(), Arc::default());
        Ok(Plan {
            route: Arc::new(route),
            targets,
            chooser,
            gates: Arc::new(gates),
            panic,
            rungs: rungs.into(),
            level_tracker,
        })
    }

    /// The settings in force for a target: the nearest wins.
    fn mechanisms(&self, target: &Target) -> Result<Mechanisms, BuildError> {
        let mut problems = Vec::new();
        let mut nearest = self.mechanisms.clone();
        if let Some(own) = self.own.get(&target.provider) {
            nearest = nearest.with_overrides(own, &format!("providers.{}", target.provider), &mut problems);
        }
        nearest = nearest.with_overrides(&Overrides::from(target), "target", &mut problems);
        if problems.is_empty() { Ok(nearest) } else { Err(BuildError { problems }) }
    }

    fn target(&mut self, target: &Target, position: usize, group: &str) -> Result<RouteTarget, BuildError> {
        let unknown = |expected: String| BuildError {
            problems: vec![InvalidConfig::new("provider", &target.provider, expected)],
        };
        let Some(provider) = self.providers.get(&target.provider) else {
            return Err(unknown("no such provider".to_owned()));
        };
        let name = ProviderId::new(&target.provider).map_err(|error| unknown(error.to_string()))?;
        let id = TargetId::new(name, &target.model);
        let mechanisms = self.mechanisms(target)?;
        let retry = RetryPolicy::new(mechanisms.retry).map_err(|error| {
            BuildError::new(
                InvalidConfig::expecting(error.field, error.value, error.expected).within("retry"),
            )
        })?;
        let state = match self.targets.entry(id) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(entry) => {
                let circuit = self.registry.circuit(&target.provider, &target.model, &mechanisms.breaker);
                let circuit = circuit.map_err(|error| {
                    let error = InvalidConfig::expecting(error.field, error.value, error.expected);
                    BuildError::new(error.within("breaker"))
                })?;
                if let Some(seed) = self.seed {
                    let _same_breaker = circuit.breaker().clone().with_seed(seed);
                }
                let (health, name) = (mechanisms.health, entry.key().to_string());
                let health = self.fleet.join_with(health, &name, &target.provider, group, now());
                let health = health.map_err(|error| BuildError::new(error.within("health")))?;
                let key = match self.keys.entry(target.provider.clone()) {
                    Entry::Occupied(known) => Arc::clone(known.get()),
                    Entry::Vacant(entry) => {
                        let retries = RetryBudget::new(&self.budget).map_err(|error| {
                            let error = InvalidConfig::expecting(error.field, error.value, error.expected);
                            BuildError::new(error.within("retry_budget"))
                        })?;
                        Arc::clone(entry.insert(Arc::new(ProviderState::new(retries))))
                    }
                };
                let state = TargetState::new(
                    entry.key().clone(),
                    Arc::clone(provider),
                    circuit,
                    health,
                    key,
                    target.max_in_flight,
                );
                Arc::clone(entry.insert(Arc::new(state)))
            }
        };
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let own = target.price.map(TokenPrices::from_price);
        let prices = own.or_else(|| {
            let kind = self.kinds.get(&target.provider).map_or("", String::as_str);
            self.prices.prices(state.id(), kind, moment(now()).wall)
        });
        Ok(RouteTarget::new(state, target, target.priority.unwrap_or(position), retry, prices))
    }
}
