use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};

use fb_breaker::{Heard, Registry, RegistryConfig, State};
use fb_budget::{PriceBook, TokenPrices};
use fb_core::{Circuit, Event, Level, Observer, Provider, ProviderId, TargetId};
use fb_health::{Fleet, PanicMode};
use fb_quality::{Gate, Gates};
use fb_retry::{BudgetConfig, RetryBudget, RetryPolicy};
use fb_router::{HedgeBudget, Router};

use super::{
    Trip,
    selection::Chooser,
    target_state::{Key, Lane, Upstream},
    spend::moment,
};
use crate::{
    Builder, Error, Problem, Route, Rung, Target,
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
    upstreams: BTreeMap<TargetId, Arc<Upstream>>,
    fleet: Fleet,
}

/// The route of a request and its targets in the order they are tried.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) route: Arc<Route>,
    pub(super) lanes: Arc<[Lane]>,
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
    pub(super) lanes: Vec<Lane>,
}

impl Plan {
    /// Who is asked first.
    pub(super) fn primary(&self) -> Option<&TargetId> {
        self.lanes.first().map(Lane::id)
    }

    /// How long until one of the targets may be called, if none may now.
    pub(super) fn reopens(&self, trip: Trip<'_>, at: Instant) -> Option<Duration> {
        let seen = self.lanes.iter().filter(|lane| trip.may_see(lane).is_ok());
        let opens = seen.filter_map(|lane| lane.reopens(trip, at)).min();
        // A target that is there is no use to a tenant that may not pay for it.
        trip.run.pays_again().or(opens)
    }
}

impl Directory {
    pub(super) fn new(builder: Builder) -> Result<Self, BuildError> {
        let invalid = |table: &str, field, value, expected: &str| {
            BuildError::new(Problem::new(format!("{table}.{field}"), value, expected))
        };
        let fleet = Fleet::new(builder.mechanisms.health.clone())
            .map_err(|error| invalid("health", error.field, error.value, error.expected))?;
        let fleet = match builder.seed {
            Some(seed) => fleet.with_seed(seed),
            None => fleet,
        };
        let registry = Registry::new(RegistryConfig::default(), now)
            .map_err(|error| invalid("registry", error.field, error.value, error.expected))?;
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
            upstreams: BTreeMap::new(),
        };
        let mut directory = Self {
            routes: BTreeMap::new(),
            aliases: BTreeMap::new(),
            single: BTreeMap::new(),
            bare: BTreeMap::new(),
            upstreams: BTreeMap::new(),
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
        directory.upstreams = names.upstreams;
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
            asked: model.chars().take(256).collect(),
            routes: self.routes.keys().cloned().collect(),
        })
    }

    /// A target that some route or provider names.
    pub(super) fn target(&self, id: &str) -> Option<&Lane> {
        self.single.get(id)?.lanes.first()
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = &Plan> {
        self.routes.values()
    }

    pub(super) fn providers(&self) -> BTreeMap<String, Arc<dyn Provider>> {
        self.upstreams.values().map(|one| (one.id().provider().to_string(), one.provider())).collect()
    }

    pub(super) const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    pub(super) fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.values().map(AsRef::as_ref)
    }

    pub(super) fn models(&self) -> Vec<String> {
        self.routes.keys().chain(self.aliases.keys()).chain(self.single.keys()).cloned().collect()
    }
}

/// Tells an observer of what the breakers do.
fn listener(observer: Arc<dyn Observer>) -> Heard {
    let circuit = |state: State| match state {
        State::Closed => Circuit::Closed,
        State::Open { .. } => Circuit::Open,
        _ => Circuit::HalfOpen,
    };
    Arc::new(move |provider, model, event| {
        let Ok(provider) = ProviderId::new(provider) else { return };
        let (target, from, to) = (TargetId::new(provider, model), circuit(event.from), circuit(event.to));
        observer.on(&Event::Breaker { target: &target, from, to, reason: event.reason.name() });
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
    keys: BTreeMap<String, Arc<Key>>,
    upstreams: BTreeMap<TargetId, Arc<Upstream>>,
}

impl Names {
    fn plan(&mut self, route: Route) -> Result<Plan, BuildError> {
        let mut ranked = Vec::new();
        for (place, target) in route.targets.iter().enumerate() {
            if target.enabled {
                ranked.push(self.lane(target, place, &route.name)?);
            }
        }
        // A stable sort: targets of one priority stay in the order of the list.
        ranked.sort_by_key(|lane| lane.priority);
        let lanes: Arc<[Lane]> = ranked.into();
        let invalid = |field: &str, value: String, expected: &str| {
            BuildError::new(Problem::new(format!("routes.{}.{field}", route.name), value, expected))
        };
        let router = Router::new(route.router_config())
            .map_err(|error| invalid(error.field, error.value, error.expected))?;
        let hedges = HedgeBudget::new(&route.hedge)
            .map_err(|error| invalid(error.field, error.value, error.expected))?;
        let chooser = Arc::new(Chooser { router, hedges });
        let custom = self.gates.remove(&route.name).unwrap_or_default();
        let gates = Gates::new(route.quality.clone(), custom)
            .map_err(|error| invalid(&format!("quality.{}", error.field), error.value, error.expected))?;
        let mut rungs = Vec::new();
        for (level, rung) in
            [(Level::Reduced, &route.ladder.reduced), (Level::Minimal, &route.ladder.minimal)]
        {
            let Some(rung) = rung.clone() else { continue };
            let own = rung.targets.iter().filter(|target| target.enabled);
            let own = own.enumerate().map(|(place, target)| self.lane(target, place, &route.name));
            let own = own.collect::<Result<Vec<_>, _>>()?;
            let lanes = if own.is_empty() { lanes.to_vec() } else { own };
            rungs.push(Step { level, rung, lanes });
        }
        let (panic, level_tracker) = (Arc::default(), Arc::default());
        Ok(Plan {
            route: Arc::new(route),
            lanes,
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

    fn lane(&mut self, target: &Target, place: usize, group: &str) -> Result<Lane, BuildError> {
        let unknown = |expected: String| BuildError {
            problems: vec![Problem::new("provider", &target.provider, expected)],
        };
        let Some(provider) = self.providers.get(&target.provider) else {
            return Err(unknown("no such provider".to_owned()));
        };
        let name = ProviderId::new(&target.provider).map_err(|error| unknown(error.to_string()))?;
        let id = TargetId::new(name, &target.model);
        let mechanisms = self.mechanisms(target)?;
        let retry = RetryPolicy::new(mechanisms.retry).map_err(|error| {
            BuildError::new(Problem::new(format!("retry.{}", error.field), error.value, error.expected))
        })?;
        let upstream = match self.upstreams.entry(id) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(entry) => {
                let circuit = self.registry.circuit(&target.provider, &target.model, &mechanisms.breaker);
                let circuit = circuit.map_err(|error| {
                    let field = format!("breaker.{}", error.field);
                    BuildError::new(Problem::new(field, error.value, error.expected))
                })?;
                if let Some(seed) = self.seed {
                    let _same_breaker = circuit.breaker().clone().with_seed(seed);
                }
                let (health, name) = (mechanisms.health, entry.key().to_string());
                let health = self.fleet.join_with(health, &name, &target.provider, group, now());
                let health = health.map_err(|error| {
                    let field = format!("health.{}", error.field);
                    BuildError::new(Problem::new(field, error.value, error.expected))
                })?;
                let key = match self.keys.entry(target.provider.clone()) {
                    Entry::Occupied(known) => Arc::clone(known.get()),
                    Entry::Vacant(entry) => {
                        let retries = RetryBudget::new(&self.budget).map_err(|error| {
                            let field = format!("retry_budget.{}", error.field);
                            BuildError::new(Problem::new(field, error.value, error.expected))
                        })?;
                        Arc::clone(entry.insert(Arc::new(Key::new(retries))))
                    }
                };
                let upstream = Upstream::new(
                    entry.key().clone(),
                    Arc::clone(provider),
                    circuit,
                    health,
                    key,
                    target.max_in_flight,
                );
                Arc::clone(entry.insert(Arc::new(upstream)))
            }
        };
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let own = target.price.map(TokenPrices::from_price);
        let prices = own.or_else(|| {
            let kind = self.kinds.get(&target.provider).map_or("", String::as_str);
            self.prices.prices(upstream.id(), kind, moment(now()).wall)
        });
        Ok(Lane::new(upstream, target, target.priority.unwrap_or(place), retry, prices))
    }
}
