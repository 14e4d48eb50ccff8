//! Providers with several keys: a key that met a limit or was rejected rests, and the others are used meanwhile.

use std::{collections::BTreeSet, time::Duration};

use fb_core::{Attempt, AttemptEnd, Failure, FailureKind, Next};
use fb_testkit::{CallOutcome, CallRecord};

use super::{
    play::Played,
    world::{Dice, World},
};
use crate::UnavailablePolicy;

/// These worlds have a random sequence of their own, so that all others are the same without them.
const SALT: u64 = 0x3fa9_5c17_82e6_d04b;

/// Gives the providers of some worlds several keys, and lets the first calls to one of them meet limits.
pub(super) fn add(world: &mut World) {
    let mut dice = Dice::new(world.seed ^ SALT);
    if !dice.chance(12) {
        return;
    }
    world.keys = dice.pick(&[2, 3]);
    let first =
        ["429, ", "429(retry-after 5s), ", "402, ", "401, ", "429(retry-after 20s) x2, ", "401, 429, ", ""];
    world.script = world.script.replacen(": ", &format!(": {}", dice.pick(&first)), 1);
}

/// A key rests after a limit or a used-up quota, unless a call passes the rest as the last resort.
pub(super) fn limited_keys_rest(world: &World, played: &Played, wrong: &mut Vec<String>) {
    let passes_rests = world.route.when_all_unavailable != UnavailablePolicy::Fail;
    if world.keys < 2 || passes_rests || !played.changed.is_empty() {
        return;
    }
    let provider = |made: &CallRecord| &world.target(&made.model).provider;
    for limited in &played.calls {
        let Some((at, CallOutcome::Failed(kind))) = limited.ended else { continue };
        // Limits concern one model, and may name a shorter time; quotas concern all models.
        let (rest, is_of_model) = match kind {
            FailureKind::RateLimited => (Duration::from_millis(100), true),
            FailureKind::QuotaExhausted => (Duration::from_secs(300), false),
            _ => continue,
        };
        let uses_key = |made: &&CallRecord| {
            made.key == limited.key
                && provider(made) == provider(limited)
                && (!is_of_model || made.model == limited.model)
        };
        let rests = |made: &&CallRecord| made.began > at && made.began < at + rest;
        if played.calls.iter().filter(uses_key).any(|made| rests(&made)) {
            wrong.push(format!("key {} of {} was used while it rested", limited.key, provider(limited)));
        }
    }
}

/// Returns true if a failure concerns the key of its call only.
pub(super) fn is_of_key(failure: &Failure) -> bool {
    matches!(failure.kind(), FailureKind::RateLimited | FailureKind::QuotaExhausted | FailureKind::Auth)
}

/// Returns true if each of several keys of the target of a row was rejected or met a limit.
pub(super) fn all_were_limited(world: &World, played: &Played, row: &Attempt) -> bool {
    let is_limited = |other: &&Attempt| match &other.end {
        AttemptEnd::Failed(failure) if failure.kind() == FailureKind::RateLimited => {
            other.target == row.target
        }
        AttemptEnd::Failed(failure) => is_of_key(failure) && other.target.provider() == row.target.provider(),
        _ => false,
    };
    let limited = played.observed.rows.iter().filter(is_limited).filter_map(|other| other.key.as_deref());
    world.keys > 1 && limited.collect::<BTreeSet<_>>().len() == world.keys
}

/// Returns what is untrue of a row after which another key is used.
pub(super) fn untrue(row: &Attempt, next: Option<&Attempt>, is_over: bool) -> Option<String> {
    if row.next != Next::OtherKey {
        return None;
    }
    let Some(next) = next else { return (!is_over).then(|| "no other key was used".to_owned()) };
    let is_same = next.is_call() && next.key == row.key;
    is_same.then(|| "the same key was used again".to_owned())
}
