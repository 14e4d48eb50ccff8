//! The engine's invariants, in thousands of random worlds, each made of one number and played in virtual time.
//!
//! `FB_SEED=<number>` plays one world alone and prints it. `FB_WORLDS` says how many are played, `FB_BASE` with which
//! number they begin; without it every run plays the same ones.

use std::{
    any::Any,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use parking_lot::Mutex;

use self::{
    check::check,
    money::money,
    play::{play, print},
    seen::{Seen, WANTED},
    tenancy::tenancy,
    world::World,
};

mod check;
mod money;
mod play;
mod seen;
mod tenancy;
mod tenants;
mod watch;
mod words;
mod world;

const WORLDS: u64 = 10_000;
const BASE: u64 = 1;
/// So often in ten thousand worlds everything must have happened that is wanted.
const OFTEN: u64 = 50;

#[test]
fn invariants() {
    if let Some(seed) = number("FB_SEED") {
        replay(seed);
        return;
    }
    let (base, worlds) = (number("FB_BASE").unwrap_or(BASE), number("FB_WORLDS").unwrap_or(WORLDS));
    say(&format!("worlds {base} to {}", base + worlds - 1));
    let (next, total) = (AtomicU64::new(0), Mutex::new((0, Seen::default(), Vec::new())));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (mut played, mut all, mut failed) = (0, Seen::default(), Vec::new());
                while let index @ 0.. = next.fetch_add(1, Ordering::Relaxed)
                    && index < worlds
                {
                    played += 1;
                    match try_world(base + index) {
                        Ok(seen) => all.add(seen),
                        Err(why) => failed.push((base + index, why)),
                    }
                }
                let mut total = total.lock();
                total.0 += played;
                total.1.add(all);
                total.2.extend(failed);
            });
        }
    });
    let (played, seen, mut failed) = total.into_inner();
    failed.sort();
    let shown: Vec<String> =
        failed.iter().take(3).map(|(seed, why)| format!("FB_SEED={seed}: {why}")).collect();
    assert!(
        failed.is_empty(),
        "{} of {played} worlds are wrong, such as\n{}",
        failed.len(),
        shown.join("\n")
    );
    assert_eq!(played, worlds);
    say(&format!("{seen:?}"));
    let seldom = |what: &&str| u64::from(seen.0.get(what).copied().unwrap_or(0)) * WORLDS < OFTEN * worlds;
    let seldom: Vec<&str> = WANTED.into_iter().filter(seldom).collect();
    assert!(seldom.is_empty(), "hardly ever seen: {seldom:?} in {seen:?}");
}

/// Plays a world and says what was wrong with it.
fn try_world(seed: u64) -> Result<Seen, String> {
    let one = || {
        let world = World::new(seed);
        let played = play(&world)?;
        let wrong = [check(&world, &played), money(&world, &played), tenancy(&world, &played)].concat();
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let (once, twice) = (print(&world, &played), print(&world, &play(&world)?));
        if once != twice {
            return Err(format!("not the same twice:\n{once}\n{twice}"));
        }
        Ok(Seen::of(&world, &played))
    };
    catch_unwind(AssertUnwindSafe(one)).unwrap_or_else(|panic| Err(format!("panic: {}", message(&*panic))))
}

fn replay(seed: u64) {
    let world = World::new(seed);
    say(&format!("{world:#?}"));
    let played = play(&world).unwrap();
    say(&print(&world, &played));
    assert_eq!(try_world(seed).map(|_seen| ()), Ok(()));
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Past the harness, which shows the output of failed tests only.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}
