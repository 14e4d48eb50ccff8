//! The tenants of a world: limits, prices and regions of targets, and a cheaper route.

use std::{collections::BTreeMap, fmt::Write};

use fb_budget::{KeyLimits, Limits, Tier};
use fb_core::Price;

use super::world::{Dice, World};
use crate::{Route, Target};

/// Tenants have a random sequence of their own, so that the rest of a world is the same with and without them.
const SALT: u64 = 0x7e4a_47b1_0d5e_91c3;
/// The percentage of worlds with tenants.
const SHARE: u32 = 35;
/// Dollars per million input and output tokens. Every token costs a whole number of nano-dollars.
const PRICES: [(f64, f64); 7] = [
    (1_000.0, 1_000.0),
    (100.0, 200.0),
    (1_000.0, 5_000.0),
    // An answer beyond `max_tokens` costs far more than its reservation.
    (10.0, 20_000.0),
    (10.0, 20_000.0),
    (3.0, 15.0),
    (500.0, 0.0),
];
/// The approximate tokens of a prompt.
const PROMPT: u32 = 45;
/// The limit on output tokens of a request without `max_tokens`.
const DEFAULT_OUTPUT: u32 = 1_024;

/// Adds tenants to a third of all worlds.
pub(super) fn add(world: &mut World) {
    let mut dice = Dice::new(world.seed ^ SALT);
    if !dice.chance(SHARE) {
        return;
    }
    let most = dice.answers(world);
    dice.locations(world);
    let mut names = vec!["acme", "beta"];
    names.extend(dice.maybe(30, |_| "default"));
    world.tenants = names.iter().map(|name| ((*name).to_owned(), dice.limits(world, most))).collect();
    for caller in &mut world.callers {
        let tenant =
            dice.pick(&[Some("acme"), Some("acme"), Some("acme"), Some("beta"), Some("other"), None]);
        caller.options.tenant = tenant.map(Into::into);
        // An unknown key is charged to the tenant itself.
        caller.options.key = dice.maybe(40, |dice| dice.pick(&["ci", "gone"]).into());
    }
    world.cheap = dice.maybe(50, |dice| dice.cheap(world));
    world.route.downshift = world.cheap.as_ref().map(|cheap| cheap.name.clone());
}

impl Dice {
    /// Sets `max_tokens` of all callers, mostly to the same value so that crowds still send the same request. Returns the last
    /// value.
    fn answers(&mut self, world: &mut World) -> u32 {
        let all = self.chance(70);
        let mut most = self.longest();
        for caller in &mut world.callers {
            most = if all { most } else { self.longest() };
            if let Some(most) = most {
                write!(caller.body, r#","max_tokens":{most}"#).unwrap();
            }
        }
        most.unwrap_or(DEFAULT_OUTPUT)
    }

    fn longest(&mut self) -> Option<u32> {
        self.pick(&[None, Some(1), Some(1), Some(2), Some(5), Some(16), Some(200)])
    }

    /// Sets prices and regions of all targets, wherever they are named.
    fn locations(&mut self, world: &mut World) {
        for target in &mut world.targets {
            let (input, output) = self.pick(&PRICES);
            target.price = self.maybe(88, |_| Price { input, output });
            target.region = self.maybe(80, |dice| dice.pick(&["eu", "eu", "us"]).to_owned());
            target.data_classes = self.maybe(75, |_| "health".to_owned()).into_iter().collect();
        }
        let known: BTreeMap<String, Target> =
            world.targets.iter().map(|target| (target.model.clone(), target.clone())).collect();
        let (route, ladder) = (&mut world.route.targets, &mut world.route.ladder);
        let rungs = [&mut ladder.reduced, &mut ladder.minimal];
        let lists = rungs.into_iter().flatten().map(|rung| &mut rung.targets).chain([route]);
        for target in lists.flatten() {
            target.clone_from(&known[&target.model]);
        }
    }

    /// Returns limits that a few calls reach, or that do not even fit one call.
    fn limits(&mut self, world: &World, most: u32) -> Limits {
        let money = |dice: &mut Self| dice.money(world, most);
        Limits::with(|limits| {
            limits.requests_per_minute = self.maybe(20, |dice| dice.pick(&[1, 2, 4]));
            limits.tokens_per_minute = self.maybe(25, |dice| dice.tokens(most));
            limits.usd_per_day = self.maybe(60, money);
            limits.usd_per_month = self.maybe(35, money);
            limits.warn_at = self.pick(&[0.05, 0.3, 0.8, 1.0]);
            limits.tier = self.pick(&[Tier::Standard, Tier::Standard, Tier::Premium]);
            limits.regions = self
                .maybe(20, |dice| dice.pick(&[&["eu"][..], &["eu", "us"]]))
                .map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            limits.data_class = self.maybe(8, |_| "health".to_owned());
            limits.allowed = self.maybe(15, |dice| {
                let Target { provider, model, .. } = dice.pick(&world.targets);
                let one = format!("{provider}/{model}");
                vec![dice.pick(&[provider, one]), "p1".to_owned()]
            });
            limits.keys =
                self.maybe(40, |dice| ("ci".to_owned(), dice.key(world, most))).into_iter().collect();
        })
    }

    /// Returns a budget for a few calls.
    fn money(&mut self, world: &World, most: u32) -> f64 {
        let price = world.targets.iter().find_map(|target| target.price);
        let Price { input, output } = price.unwrap_or(Price { input: 1.0, output: 1.0 });
        let call = (f64::from(PROMPT) * input + f64::from(most) * output) / 1e6;
        call * self.pick(&[0.5, 1.3, 2.1, 4.0, 9.0])
    }

    fn tokens(&mut self, most: u32) -> u64 {
        let call = u64::from(PROMPT + most);
        self.pick(&[call / 2, call * 5 / 4, call * 3, call * 8])
    }

    /// Returns the limits of a key, below or above its tenant's.
    fn key(&mut self, world: &World, most: u32) -> KeyLimits {
        KeyLimits::with(|limits| {
            limits.requests_per_minute = self.maybe(20, |dice| dice.pick(&[1, 2, 4]));
            limits.tokens_per_minute = self.maybe(20, |dice| dice.tokens(most));
            limits.usd_per_day = self.maybe(50, |dice| dice.money(world, most));
            limits.usd_per_month = self.maybe(20, |dice| dice.money(world, most));
        })
    }

    /// Returns the same route with other targets.
    fn cheap(&mut self, world: &World) -> Route {
        let mut targets: Vec<Target> = world.targets.iter().filter(|_| self.chance(60)).cloned().collect();
        if targets.iter().all(|target| !target.enabled) {
            targets.clone_from(&world.targets);
        }
        Route { name: "cheap".to_owned(), targets, ..world.route.clone() }
    }
}
