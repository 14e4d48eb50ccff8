//! Changes of providers and routes while the requests of a world are served. None changes what a caller may receive, so
//! that all other invariants hold.

use std::time::{Duration, Instant};

use fb_testkit::Script;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::world::{Dice, World};
use crate::{Change, Client, Config, Route, Target, clock::now};

/// Changes have a random sequence of their own, so that the rest of a world is the same with and without them.
const SALT: u64 = 0x51c6_2f9b_a83d_47e5;
/// The percentage of worlds with changes.
const SHARE: u32 = 35;

/// A change, and the time after the previous one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    after: Duration,
    edits: Edits,
}

#[derive(Debug, Clone, Copy)]
enum Edits {
    /// Every provider is replaced by another adapter for the same script.
    Providers,
    /// The route receives another alias.
    Route,
    /// Both at once.
    All,
    /// A provider comes with a route, and goes.
    Other,
    /// A config with the same settings takes the place of the previous one, with another tenant if there are any.
    Reload,
}

/// Adds changes to a third of all worlds.
pub(super) fn add(world: &mut World) {
    let mut dice = Dice::new(world.seed ^ SALT);
    if !dice.chance(SHARE) {
        return;
    }
    let count = dice.pick(&[1, 2, 4]);
    world.changes = (0..count)
        .map(|_| Planned {
            after: Duration::from_millis(dice.pick(&[0, 1, 20, 100, 350, 800, 2_000, 6_000, 15_000])),
            edits: dice.pick(&[Edits::Providers, Edits::Route, Edits::All, Edits::Other, Edits::Reload]),
        })
        .collect();
}

/// Applies the changes of a world one after the other and records their times. Does not end by itself.
pub(super) async fn apply(world: &World, client: &Client, script: &Script, times: &Mutex<Vec<Instant>>) {
    for (index, Planned { after, edits }) in world.changes.iter().enumerate() {
        sleep(*after).await;
        times.lock().push(now());
        let route = world.route.clone().alias(format!("alias {index}"));
        let providers = |change| {
            script
                .providers()
                .into_iter()
                .fold(change, |change: Change, (name, provider)| change.provider(name, provider))
        };
        let change = match edits {
            Edits::Providers => providers(Change::new()),
            Edits::Route => Change::new().route(route),
            Edits::All => providers(Change::new().route(route)),
            Edits::Other => {
                let change = Change::new().provider("other", script.providers().remove(0).1);
                client.apply(&change.route(Route::priority("other", [Target::new("other", "m")]))).unwrap();
                Change::new().remove_provider("other").remove_route("other")
            }
            Edits::Reload => {
                client.reload(&config(world, index)).unwrap();
                continue;
            }
        };
        client.apply(&change).unwrap();
    }
    std::future::pending::<()>().await;
}

/// Returns the config of a world with another tenant.
fn config(world: &World, index: usize) -> Config {
    let tenant = format!("[tenants.visitor{index}]\nusd_per_day = 1.0");
    let tenants = if world.tenants.is_empty() { "" } else { &*tenant };
    Config {
        breaker: world.breaker.clone(),
        health: world.health.clone(),
        retry_budget: world.budget.clone(),
        ..Config::from_toml(tenants).unwrap()
    }
}
