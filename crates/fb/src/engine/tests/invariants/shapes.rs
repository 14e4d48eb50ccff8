//! Worlds of a certain shape: targets without a set number of retries, requests that wait for one target, and requests in a
//! hurry.

use std::time::Duration;

use fb_breaker::{BreakerConfig, HalfOpenConfig, OpenConfig};
use fb_core::{AttemptEnd, Capabilities, Options, Skip};
use fb_health::HealthConfig;
use fb_retry::BudgetConfig;

use super::{
    play::{End, Played},
    world::{Caller, Dice, World},
};
use crate::{Route, Target};

/// The shape of a world, which decides what else must hold in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Any,
    /// Many requests wait until the only target may be called again, which then answers.
    Waiters,
    /// The targets answer, and the callers allow too little time for it.
    Hurry,
}

/// Shapes have a random sequence of their own, so that all other worlds are the same without them.
const SALT: u64 = 0x7b3e_10d5_c964_a28f;

/// The longest time from the beginning of a request until the target of a world of waiters answers: its rest, and the
/// spread of those that wait for it and for its probes.
const LONGEST_WAIT: Duration = Duration::from_secs(7);

/// Gives some worlds a shape, and some of the others targets without a set number of retries.
pub(super) fn add(world: &mut World) {
    let mut dice = Dice::new(world.seed ^ SALT);
    let (waits, hurries) = (dice.chance(4), dice.chance(4));
    if waits {
        wait(world, &mut dice);
    } else if hurries {
        hurry(world, &mut dice);
    } else if dice.chance(60) {
        for target in &mut world.targets {
            target.max_retries = target.max_retries.filter(|_| dice.chance(25));
        }
        let of = |model: &str| world.targets.iter().find(|target| target.model == model).unwrap().max_retries;
        let lower = [&mut world.route.ladder.reduced, &mut world.route.ladder.minimal];
        let lower = lower.into_iter().flatten().flat_map(|rung| &mut rung.targets);
        for target in world.route.targets.iter_mut().chain(lower) {
            target.max_retries = of(&target.model);
        }
    }
}

fn wait(world: &mut World, dice: &mut Dice) {
    world.shape = Shape::Waiters;
    let failure = dice.pick(&["429(retry-after 2s)", "503(retry-after 3s)", "500", "529", "refused"]);
    let answer = dice.pick(&["200 in 1ms", "200 in 300ms", "200 in 900ms"]);
    world.script = format!("p0: {failure}, {answer}");
    settle(world, dice, &["m0"], 12);
}

fn hurry(world: &mut World, dice: &mut Dice) {
    world.shape = Shape::Hurry;
    let answer = dice.pick(&["200 in 900ms", "200 in 2s", "200 in 900ms gap 300ms"]);
    world.script = format!("p0: {answer} / p1: {answer}");
    settle(world, dice, &["m0", "m1"], 8);
    for caller in &mut world.callers {
        caller.options.timeout = Some(Duration::from_millis(dice.pick(&[50, 100, 300, 800])));
    }
}

/// Replaces targets, route and callers by plain ones. A single failure opens a breaker.
fn settle(world: &mut World, dice: &mut Dice, models: &[&str], callers: usize) {
    let targets = models.iter().zip(["p0", "p1"]).map(|(model, provider)| Target::new(provider, *model));
    world.targets = targets.collect();
    let capable = Capabilities { tools: true, vision: true, streaming: true, ..Capabilities::default() };
    world.capabilities = models.iter().map(|_| capable).collect();
    world.route = Route::priority("default", world.targets.clone());
    let permits = dice.pick(&[1, 2]);
    world.breaker = BreakerConfig::with(|config| {
        config.consecutive = Some(1);
        config.half_open = HalfOpenConfig::with(|config| config.permits = permits);
        config.open = OpenConfig::with(|config| config.base = Duration::from_secs(2));
    });
    (world.health, world.budget) = (HealthConfig::without_breakers(), BudgetConfig::default());
    (world.forced, world.cheap) = (None, None);
    let caller = |index| Caller {
        name: format!("c{index}"),
        model: "default".to_owned(),
        starts: Duration::from_millis(dice.pick(&[0, 1, 100, 400, 1_500])),
        leaves: None,
        streams: dice.chance(50),
        pace: Duration::ZERO,
        body: r#""messages":[{"role":"user","content":"question"}]"#.to_owned(),
        options: Options::default(),
    };
    world.callers = (0..callers).map(caller).collect();
}

/// Returns the violated invariants of the shape.
pub(super) fn shape(world: &World, played: &Played) -> Vec<String> {
    match world.shape {
        Shape::Any => Vec::new(),
        Shape::Waiters => unanswered(world, played),
        Shape::Hurry => barred(played),
    }
}

/// All requests that wait for a target which then answers receive its answer.
fn unanswered(world: &World, played: &Played) -> Vec<String> {
    let received = world.callers.iter().zip(&played.received);
    let is_wrong = received.filter_map(|(caller, received)| {
        let took = received.ended - received.began;
        match &received.end {
            End::Whole(_) if took <= LONGEST_WAIT => None,
            End::Whole(report) => Some(format!("{} waited for {took:?}\n{}", caller.name, report.trace)),
            End::Error(error) => {
                let trace = error.report().map(|report| report.trace.to_string()).unwrap_or_default();
                Some(format!("{}: {error}\n{trace}", caller.name))
            }
            End::Left => Some(format!("{} left", caller.name)),
        }
    });
    is_wrong.collect()
}

/// A target that answers is not barred because its callers allow too little time.
fn barred(played: &Played) -> Vec<String> {
    let bars = |end: &AttemptEnd| {
        let AttemptEnd::Skipped { why, .. } = end else { return false };
        !matches!(why, Skip::NoTime | Skip::Attempts)
    };
    let rows = played.observed.rows.iter().filter(|row| bars(&row.end));
    rows.map(|row| format!("{} was barred: {:?}", row.target, row.end)).collect()
}
