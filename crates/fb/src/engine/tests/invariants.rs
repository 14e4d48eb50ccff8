//! The engine's invariants over thousands of random worlds, each generated from one seed and played in virtual time.
//!
//! `FB_SEED=<number>` plays one world alone and prints it. `FB_WORLDS` sets the number of worlds and `FB_BASE` the first
//! seed; by default every run plays the same worlds.

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
    seen::{REQUIRED, Seen},
    shapes::shape,
    statistics::statistics,
    tenancy::tenancy,
    world::World,
};

mod changes;
mod check;
mod keys;
mod money;
mod play;
mod seen;
mod shapes;
mod siblings;
mod statistics;
mod tenancy;
mod tenants;
mod watch;
mod words;
mod world;

const WORLDS: u64 = 10_000;
const BASE: u64 = 1;
/// The number of times that each required event must occur in ten thousand worlds.
const MIN_OCCURRENCES: u64 = 50;

#[test]
fn invariants() {
    if let Some(seed) = number("FB_SEED") {
        replay(seed);
        return;
    }
    let (base, worlds) = (number("FB_BASE").unwrap_or(BASE), number("FB_WORLDS").unwrap_or(WORLDS));
    print_line(&format!("worlds {base} to {}", base + worlds - 1));
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
    print_line(&format!("{seen:?}"));
    let rare =
        |what: &&str| u64::from(seen.0.get(what).copied().unwrap_or(0)) * WORLDS < MIN_OCCURRENCES * worlds;
    let rare: Vec<&str> = REQUIRED.into_iter().filter(rare).collect();
    assert!(rare.is_empty(), "hardly ever seen: {rare:?} in {seen:?}");
}

/// Plays a world and returns the events seen, or the violations.
fn try_world(seed: u64) -> Result<Seen, String> {
    let attempt = || {
        let world = World::new(seed);
        let played = play(&world)?;
        let wrong = [
            check(&world, &played),
            money(&world, &played),
            tenancy(&world, &played),
            statistics(&world, &played),
            shape(&world, &played),
        ]
        .concat();
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let (once, twice) = (print(&world, &played), print(&world, &play(&world)?));
        if once != twice {
            return Err(format!("not the same twice:\n{once}\n{twice}"));
        }
        Ok(Seen::count(&world, &played))
    };
    catch_unwind(AssertUnwindSafe(attempt))
        .unwrap_or_else(|panic| Err(format!("panic: {}", message(&*panic))))
}

fn replay(seed: u64) {
    let world = World::new(seed);
    print_line(&format!("{world:#?}"));
    let played = play(&world).unwrap();
    print_line(&print(&world, &played));
    assert_eq!(try_world(seed).map(|_seen| ()), Ok(()));
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Prints past the harness, which shows the output of failed tests only.
fn print_line(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}
