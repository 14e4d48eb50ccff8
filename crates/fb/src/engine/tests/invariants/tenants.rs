//! Who pays in a world: tenants with limits, targets with prices and places, a cheaper route.

use std::{collections::BTreeMap, fmt::Write};

use fb_budget::{KeyLimits, Limits, Tier};
use fb_core::Price;

use super::world::{Dice, World};
use crate::{Route, Target};

/// Tenants have numbers of their own, so that all else in a world is the same with and without them.
const SALT: u64 = 0x7e4a_47b1_0d5e_91c3;
/// Of a hundred worlds.
const SHARE: u32 = 35;
/// Whole dollars for a million tokens of prompt and of answer: a token costs whole nano-dollars.
const PRICES: [(f64, f64); 7] = [
    (1_000.0, 1_000.0),
    (100.0, 200.0),
    (1_000.0, 5_000.0),
    // An answer beyond `max_tokens` costs far more than was held for it.
    (10.0, 20_000.0),
    (10.0, 20_000.0),
    (3.0, 15.0),
    (500.0, 0.0),
];
/// Tokens of a prompt here, more or less.
const PROMPT: u32 = 45;
/// Most tokens of an answer when its caller does not say.
const USUAL: u32 = 1_024;

/// Lets tenants into a third of all worlds.
pub(super) fn settle(world: &mut World) {
    let mut dice = Dice::new(world.seed ^ SALT);
    if !dice.chance(SHARE) {
        return;
    }
    let most = dice.answers(world);
    dice.places(world);
    let mut names = vec!["acme", "beta"];
    names.extend(dice.maybe(30, |_| "default"));
    world.tenants = names.iter().map(|name| ((*name).to_owned(), dice.limits(world, most))).collect();
    for caller in &mut world.callers {
        let tenant =
            dice.pick(&[Some("acme"), Some("acme"), Some("acme"), Some("beta"), Some("other"), None]);
        caller.options.tenant = tenant.map(Into::into);
        // Of a tenant that has no such key it is the tenant's own.
        caller.options.key = dice.maybe(40, |dice| dice.pick(&["ci", "gone"]).into());
    }
    world.cheap = dice.maybe(50, |dice| dice.cheap(world));
    world.route.downshift = world.cheap.as_ref().map(|cheap| cheap.name.clone());
}

impl Dice {
    /// How long answers may be: all the same in most worlds, so that crowds still want the same. Says how long.
    fn answers(&mut self, world: &mut World) -> u32 {
        let all = self.chance(70);
        let mut most = self.longest();
        for caller in &mut world.callers {
            most = if all { most } else { self.longest() };
            if let Some(most) = most {
                write!(caller.asks, r#","max_tokens":{most}"#).unwrap();
            }
        }
        most.unwrap_or(USUAL)
    }

    fn longest(&mut self) -> Option<u32> {
        self.pick(&[None, Some(1), Some(1), Some(2), Some(5), Some(16), Some(200)])
    }

    /// Prices and places of all targets, wherever they are named.
    fn places(&mut self, world: &mut World) {
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

    /// Limits that a few calls reach, or one does not even fit in.
    fn limits(&mut self, world: &World, most: u32) -> Limits {
        let money = |dice: &mut Self| dice.money(world, most);
        Limits {
            requests_per_minute: self.maybe(20, |dice| dice.pick(&[1, 2, 4])),
            tokens_per_minute: self.maybe(25, |dice| dice.tokens(most)),
            usd_per_day: self.maybe(60, money),
            usd_per_month: self.maybe(35, money),
            warn_at: self.pick(&[0.05, 0.3, 0.8, 1.0]),
            tier: self.pick(&[Tier::Standard, Tier::Standard, Tier::Premium]),
            regions: self
                .maybe(20, |dice| dice.pick(&[&["eu"][..], &["eu", "us"]]))
                .map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            data_class: self.maybe(8, |_| "health".to_owned()),
            allowed: self.maybe(15, |dice| {
                let Target { provider, model, .. } = dice.pick(&world.targets);
                let one = format!("{provider}/{model}");
                vec![dice.pick(&[provider, one]), "p1".to_owned()]
            }),
            keys: self.maybe(40, |dice| ("ci".to_owned(), dice.key(world, most))).into_iter().collect(),
        }
    }

    /// So much for some calls.
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

    /// Limits of a key, below its tenant's or above.
    fn key(&mut self, world: &World, most: u32) -> KeyLimits {
        KeyLimits {
            requests_per_minute: self.maybe(20, |dice| dice.pick(&[1, 2, 4])),
            tokens_per_minute: self.maybe(20, |dice| dice.tokens(most)),
            usd_per_day: self.maybe(50, |dice| dice.money(world, most)),
            usd_per_month: self.maybe(20, |dice| dice.money(world, most)),
        }
    }

    /// The same route with other targets.
    fn cheap(&mut self, world: &World) -> Route {
        let mut targets: Vec<Target> = world.targets.iter().filter(|_| self.chance(60)).cloned().collect();
        if targets.iter().all(|target| !target.enabled) {
            targets.clone_from(&world.targets);
        }
        Route { name: "cheap".to_owned(), targets, ..world.route.clone() }
    }
}
