//! A random world: its targets, their behavior, and its callers.

use std::{collections::BTreeMap, fmt::Write, iter, sync::Arc, time::Duration};

use fb_breaker::{BreakerConfig, HalfOpenConfig, OpenConfig};
use fb_budget::{KeyLimits, Limits};
use fb_core::{CacheControl, Capabilities, ChatRequest, FailureKind, Level, Options};
use fb_health::HealthConfig;
use fb_retry::BudgetConfig;
use fb_router::{HedgeAfter, HedgeConfig};

use super::{
    changes::{self, Planned},
    keys,
    shapes::{self, Shape},
    siblings, tenants,
};
use crate::{
    Feature, LadderConfig, OfflineConfig, Route, RouteCache, Rung, Strategy, Target, UnavailablePolicy,
};

/// Everything that is decided before the first request, generated from one seed.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    /// A script in the language of the testkit, with the providers `p0`, `p1`, ...
    pub(super) script: String,
    /// A model with a script of its own, which differs from that of its provider.
    pub(super) own_script: Option<(String, String)>,
    /// All targets: provider `pN` and model `mN`, which no other provider has.
    pub(super) targets: Vec<Target>,
    /// The capabilities of the targets, in the same order.
    pub(super) capabilities: Vec<Capabilities>,
    pub(super) route: Route,
    pub(super) breaker: BreakerConfig,
    pub(super) health: HealthConfig,
    pub(super) budget: BudgetConfig,
    /// The level that an operator forces before the first request.
    pub(super) forced: Option<(Level, Option<Duration>)>,
    pub(super) callers: Vec<Caller>,
    /// The limits of the tenants, if the world has any.
    pub(super) tenants: BTreeMap<String, Limits>,
    /// The route for tenants near their limit.
    pub(super) cheap: Option<Route>,
    /// The number of keys of every provider.
    pub(super) keys: usize,
    /// Changes of providers and routes while requests are served.
    pub(super) changes: Vec<Planned>,
    pub(super) shape: Shape,
}

/// One request, and the behavior of its caller.
#[derive(Debug)]
pub(super) struct Caller {
    /// Sent in the field `user`, which assigns calls to callers and is not part of the cache key.
    pub(super) name: String,
    pub(super) model: String,
    pub(super) starts: Duration,
    /// The time after which the caller leaves, answered or not.
    pub(super) leaves: Option<Duration>,
    pub(super) streams: bool,
    /// The time between two frames that the caller reads.
    pub(super) pace: Duration,
    /// The body without the name of the caller. Equal bodies may share an answer.
    pub(super) body: String,
    pub(super) options: Options,
}

impl Caller {
    pub(super) fn request(&self) -> ChatRequest {
        let body = format!(r#"{{"model":"{}","user":"{}",{}}}"#, self.model, self.name, self.body);
        let request = fb_wire::openai::request(body.into()).unwrap();
        request.with_options(self.options.clone())
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = Dice::new(seed).world(seed);
        shapes::add(&mut world);
        if world.shape == Shape::Any {
            world.reject_a_key();
            siblings::add(&mut world);
            keys::add(&mut world);
            tenants::add(&mut world);
            changes::add(&mut world);
        }
        world
    }

    /// In some worlds the first call to a provider meets a rejected key, and half of the callers come after its rest.
    fn reject_a_key(&mut self) {
        if !Dice::new(self.seed ^ KEY_SALT).chance(8) {
            return;
        }
        self.script = self.script.replacen(": ", ": 401, ", 1);
        for caller in self.callers.iter_mut().step_by(2) {
            caller.starts += Duration::from_secs(35);
        }
    }

    pub(super) fn target(&self, model: &str) -> &Target {
        self.targets.iter().find(|target| target.model == model).unwrap()
    }

    pub(super) fn capabilities_of(&self, model: &str) -> Capabilities {
        let index = self.targets.iter().position(|target| target.model == model).unwrap();
        self.capabilities[index]
    }

    /// Returns the route of a caller: one of the world, or one of a single target.
    pub(super) fn route_of(&self, caller: &Caller, downshifted: bool) -> Route {
        match (caller.model.split_once('/'), &self.cheap) {
            (Some((_, model)), _) => Route::priority(&caller.model, [self.target(model).clone()]),
            (None, Some(cheap)) if downshifted => cheap.clone(),
            (None, _) => self.route.clone(),
        }
    }

    /// Returns the tenant charged for a caller.
    pub(super) fn account_of(&self, caller: &Caller) -> &str {
        let known = caller.options.tenant.as_deref().and_then(|name| self.tenants.get_key_value(name));
        known.map_or("default", |(name, _)| name)
    }

    /// Returns the accounts charged for a caller: its tenant's, and that of its key if the tenant has that key.
    pub(super) fn accounts_of(&self, caller: &Caller) -> Vec<String> {
        let tenant = self.account_of(caller);
        let keys = self.tenants.get(caller.options.tenant.as_deref().unwrap_or("default"));
        let keys = keys.map(|limits| &limits.keys);
        let key =
            caller.options.key.as_deref().filter(|key| keys.is_some_and(|keys| keys.contains_key(*key)));
        let of_key = key.map(|key| format!("{tenant}/{key}"));
        iter::once(tenant.to_owned()).chain(of_key).collect()
    }

    /// Returns the limits of an account by name.
    pub(super) fn limits_of(&self, account: &str) -> Option<Limits> {
        let Some((tenant, key)) = account.split_once('/') else { return self.tenants.get(account).cloned() };
        let limits = self.tenants.get(tenant)?;
        let KeyLimits { requests_per_minute, tokens_per_minute, usd_per_day, usd_per_month, .. } =
            limits.keys.get(key)?.clone();
        Some({
            let mut value = limits.clone();
            value.requests_per_minute = requests_per_minute;
            value.tokens_per_minute = tokens_per_minute;
            value.usd_per_day = usd_per_day;
            value.usd_per_month = usd_per_month;
            value
        })
    }
}

/// Rejected keys have a random sequence of their own, so that all other worlds are the same without them.
const KEY_SALT: u64 = 0x2c1d_94e7_05fa_6b39;

pub(super) struct Dice(fastrand::Rng);

/// Failures that a retry may survive, and failures that it does not.
const TRANSIENT: [&str; 15] = [
    "refused",
    "timeout",
    "reset",
    "stale",
    "interrupted",
    "529",
    "500",
    "502",
    "503",
    "504",
    "429",
    "malformed",
    "quality",
    "520",
    "529",
];
const LASTING: [&str; 10] = ["400", "422", "413", "418", "404", "403", "region", "quota", "402", "context"];

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.0.u32(0..100) < percent
    }

    pub(super) fn maybe<T>(&mut self, percent: u32, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(percent).then(|| make(self))
    }

    pub(super) fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.0.usize(0..among.len())].clone()
    }

    /// Picks one of these durations in milliseconds.
    fn ms(&mut self, among: &[u64]) -> Duration {
        Duration::from_millis(self.pick(among))
    }

    fn world(&mut self, seed: u64) -> World {
        let providers = self.0.u32(1..=3);
        let count = self.0.u32(1..=4);
        let mut targets: Vec<Target> = (0..count).map(|index| self.target(index, providers)).collect();
        // A route without any enabled target is rejected at build time.
        targets[0].enabled |= targets.iter().all(|target| !target.enabled);
        let capabilities = targets.iter().map(|_| self.capabilities()).collect();
        let mut route = self.route(&targets);
        // In a crowd all callers send the same request, which the cache answers.
        let crowd = self.maybe(25, Self::question);
        if crowd.is_some() {
            route.cache.fresh = Some(self.ms(&[5_000, 30_000]));
            route.cache.any_temperature = true;
        }
        let callers = self.0.u32(1..=6);
        World {
            seed,
            script: self.script(providers),
            own_script: None,
            capabilities,
            breaker: self.breaker(),
            health: if self.chance(70) { HealthConfig::default() } else { HealthConfig::without_breakers() },
            budget: if self.chance(50) { unlimited() } else { BudgetConfig::default() },
            forced: self.maybe(6, |dice| {
                let level = dice.pick(&[Level::Reduced, Level::Minimal, Level::Cached, Level::Offline]);
                (level, dice.maybe(50, |dice| dice.ms(&[1_000, 10_000])))
            }),
            callers: (0..callers).map(|index| self.caller(index, &route, crowd.as_deref())).collect(),
            targets,
            route,
            tenants: BTreeMap::new(),
            cheap: None,
            keys: 1,
            changes: Vec::new(),
            shape: Shape::Any,
        }
    }

    fn target(&mut self, index: u32, providers: u32) -> Target {
        let provider = self.0.u32(0..providers);
        let mut target = Target::new(format!("p{provider}"), format!("m{index}"))
            .max_retries(self.0.u32(0..=3))
            .enabled(self.chance(92));
        target.timeout = self.maybe(70, |dice| dice.ms(&[200, 1_000, 5_000, 30_000]));
        target.first_output = self.maybe(15, |dice| dice.ms(&[200, 5_000, 30_000]));
        target.total = self.maybe(15, |dice| dice.ms(&[1_000, 5_000, 60_000]));
        target.idle = self.maybe(15, |dice| dice.ms(&[1_000, 30_000]));
        target.priority = self.maybe(20, |dice| dice.0.u32(0..4));
        target.max_in_flight = self.maybe(35, |dice| dice.0.u32(1..=2));
        if self.chance(12) {
            let mut kinds = FailureKind::ALL;
            self.0.shuffle(&mut kinds);
            target = target.trigger_on(kinds.into_iter().take(self.0.usize(1..8)));
        }
        target
    }

    fn capabilities(&mut self) -> Capabilities {
        Capabilities {
            tools: self.chance(80),
            vision: self.chance(80),
            streaming: self.chance(85),
            prefill: self.chance(85),
            context: self.maybe(50, |dice| dice.pick(&[1_000, 8_000, 128_000])),
            max_body: self.maybe(30, |dice| dice.pick(&[10_000, 1_000_000])),
            ..Capabilities::default()
        }
    }

    fn route(&mut self, targets: &[Target]) -> Route {
        // Some targets are used by the lower levels only.
        let mut own: Vec<Target> = targets.iter().filter(|_| self.chance(85)).cloned().collect();
        if own.iter().all(|target| !target.enabled) {
            own = targets.to_vec();
        }
        let mut route = Route::priority("default", own);
        route.strategy = self.strategy();
        route.race.width = self.maybe(50, |_| 2);
        let after = HedgeAfter::Time(self.ms(&[0, 100, 800, 5_000]));
        route.hedge = HedgeConfig::with(|config| {
            config.after = after;
            config.min = Duration::ZERO;
            config.budget = 1.0;
        });
        route.deadline = self.maybe(70, |dice| dice.ms(&[700, 2_000, 5_000, 10_000, 20_000, 60_000]));
        route.max_attempts = if self.chance(40) { 6 } else { self.0.u32(1..=8) };
        route.idle_timeout = self.ms(&[1_000, 5_000, 30_000]);
        route.semantic_gap = self.ms(&[2_000, 10_000, 120_000]);
        route.stream_total = self.ms(&[3_000, 20_000, 600_000]);
        route.last_resort_wait = self.ms(&[0, 1_000, 10_000, 30_000]);
        route.when_all_unavailable = self.pick(&[UnavailablePolicy::TryAnyway, UnavailablePolicy::Fail]);
        if self.chance(55) {
            route.cache = RouteCache {
                fresh: self.maybe(60, |dice| dice.ms(&[1_000, 10_000, 600_000])),
                stale_if_error: self.maybe(70, |dice| dice.ms(&[10_000, 3_600_000])),
                any_temperature: self.chance(60),
                tool_calls: self.chance(40),
                ..RouteCache::default()
            };
        }
        if self.chance(50) {
            route.ladder = LadderConfig {
                reduced: self.maybe(50, |dice| dice.rung(targets)),
                minimal: self.maybe(40, |dice| dice.rung(targets)),
                offline: self.maybe(50, |_| OfflineConfig::default()),
                descend_after: self.0.u32(1..=3),
                climb: self.ms(&[5_000, 60_000]),
                ..LadderConfig::default()
            };
        }
        route.resume = self.chance(85);
        route
    }

    fn strategy(&mut self) -> Strategy {
        if self.chance(50) {
            return Strategy::Priority;
        }
        let (race, hedged) = (Strategy::Race, Strategy::Hedged);
        self.pick(&[race, race, hedged, hedged, Strategy::Weighted, Strategy::Fastest, Strategy::LeastBusy])
    }

    fn rung(&mut self, targets: &[Target]) -> Rung {
        Rung {
            targets: targets.iter().filter(|_| self.chance(30)).cloned().collect(),
            max_tokens: self.maybe(40, |_| 16),
            temperature: self.maybe(20, |_| 0.0),
            features: self.maybe(30, |dice| {
                let all = [Feature::Streaming, Feature::Tools, Feature::Vision];
                all.into_iter().filter(|_| dice.chance(50)).collect()
            }),
        }
    }

    fn breaker(&mut self) -> BreakerConfig {
        BreakerConfig::with(|config| {
            config.consecutive = self.pick(&[Some(1), Some(2), Some(3), Some(5), None]);
            config.half_open = HalfOpenConfig::with(|config| config.permits = self.0.u32(1..=2));
            config.open = OpenConfig::with(|config| config.base = self.ms(&[500, 2_000, 5_000, 60_000]));
        })
    }

    fn script(&mut self, providers: u32) -> String {
        let mut script = String::new();
        for provider in 0..providers {
            // The percentage of calls that succeed, early and late.
            let rates = self.pick(&[[95, 95], [80, 80], [40, 40], [5, 5], [100, 5]]);
            let (early, late) = (self.0.u32(1..=3), self.0.u32(1..=5));
            let rates = (0..early).map(|_| rates[0]).chain((0..late).map(|_| rates[1]));
            let steps: Vec<String> = rates.map(|rate| self.step(rate)).collect();
            let between = if provider == 0 { "" } else { " / " };
            write!(script, "{between}p{provider}: {}", steps.join(", ")).unwrap();
        }
        script
    }

    fn step(&mut self, rate: u32) -> String {
        let mut step = if self.chance(rate) { self.success() } else { self.failure() };
        if self.chance(60) {
            let ms = self.pick(&[1, 30, 150, 400, 900, 2_500, 7_000, 40_000]);
            write!(step, " in {ms}ms").unwrap();
        }
        if self.chance(50) {
            let ms = self.pick(&[1, 20, 300, 1_500, 6_000]);
            write!(step, " gap {ms}ms").unwrap();
        }
        step
    }

    fn success(&mut self) -> String {
        let long = r#"200("one two three four five six seven eight nine ten")"#;
        self.pick(&["200", "200", long, r#"200("yes")"#, "200(tool)"]).to_owned()
    }

    fn failure(&mut self) -> String {
        let words = self.0.u32(0..5);
        match self.0.u32(0..100) {
            0..50 => {
                let word = self.pick(&TRANSIENT);
                let has_retry_after = matches!(word, "429" | "529" | "503") && self.chance(50);
                let ms = self.pick(&[100, 1_000, 1_900, 5_000, 20_000]);
                if has_retry_after { format!("{word}(retry-after {ms}ms)") } else { word.to_owned() }
            }
            50..60 => self.pick(&LASTING).to_owned(),
            60 => "401".to_owned(),
            61..65 => "hang".to_owned(),
            65..69 => "pings".to_owned(),
            69..74 => self.pick(&["block", "block(400)", "block(403)"]).to_owned(),
            74..79 => format!("block(mid {words})"),
            79..85 => format!("cut({words})"),
            85..89 => format!("stall({words})"),
            89..97 => format!("error({words} {})", self.pick(&TRANSIENT)),
            _ => "nodone".to_owned(),
        }
    }

    fn caller(&mut self, index: u32, route: &Route, crowd: Option<&str>) -> Caller {
        let direct = self.maybe(8, |dice| dice.pick(&route.targets));
        let model =
            direct.map_or_else(|| route.name.clone(), |one| format!("{}/{}", one.provider, one.model));
        let latest = if crowd.is_some() && self.chance(60) { 1_500 } else { 40_000 };
        let timeout = self.maybe(20, |dice| dice.ms(&[100, 1_000, 3_000, 15_000, 90_000]));
        let cache = if self.chance(90) { CacheControl::Usual } else { CacheControl::NoCache };
        Caller {
            name: format!("c{index}"),
            model,
            starts: if self.chance(35) {
                Duration::ZERO
            } else {
                Duration::from_millis(self.0.u64(0..latest))
            },
            leaves: self.maybe(20, |dice| dice.ms(&[1, 100, 500, 1_000, 2_000, 8_000, 30_000])),
            streams: self.chance(50),
            pace: if self.chance(75) { Duration::ZERO } else { self.ms(&[10, 500, 2_000]) },
            body: crowd.map_or_else(|| self.question(), str::to_owned),
            options: Options {
                timeout,
                tenant: self.maybe(15, |_| Arc::from("other")),
                cache,
                refuse_degraded: self.chance(15),
                prefer: self.maybe(8, |dice| {
                    let Target { provider, model, .. } = dice.pick(&route.targets);
                    format!("{provider}/{model}")
                }),
                ..Options::default()
            },
        }
    }

    fn question(&mut self) -> String {
        let number = self.0.u32(0..2);
        let picture = if self.chance(10) {
            r#",{"type":"image_url","image_url":{"url":"https://example.invalid/a.png"}}"#
        } else {
            ""
        };
        let mut body = format!(
            r#""messages":[{{"role":"user","content":[{{"type":"text","text":"question {number}"}}{picture}]}}]"#
        );
        if self.chance(20) {
            body.push_str(r#","tools":[{"type":"function","function":{"name":"lookup"}}]"#);
            if self.chance(40) {
                body.push_str(r#","tool_choice":"required""#);
            }
        }
        if self.chance(30) {
            body.push_str(r#","seed":7"#);
        }
        body
    }
}

/// A retry budget that never limits: only `max_retries` of each target does.
fn unlimited() -> BudgetConfig {
    BudgetConfig::with(|config| {
        config.ratio = 10.0;
        config.burst = 100;
    })
}
