//! Several models of one provider, and refusals that a single request may have provoked: what one model or one
//! conversation meets keeps no calls from others.

use std::collections::BTreeSet;

use fb_core::{Attempt, AttemptEnd, Cooldown, Failure, FailureKind, Phase, Role, Skip, Verdict};
use fb_testkit::{CallOutcome, CallRecord};

use super::{
    keys,
    play::{Played, user},
    world::{Dice, World},
};

/// These worlds have a random sequence of their own, so that all others are the same without them.
const SALT: u64 = 0x7be1_40d2_93c8_6a15;
/// The number of different conversations with the same unexplained refusal that pause a target.
const DISTINCT: usize = 3;

/// Lets one of several models of a provider fail, or a whole provider be unreachable, or refuse single requests.
pub(super) fn add(world: &mut World) {
    let mut dice = Dice::new(world.seed ^ SALT);
    let in_siblings = |model: &str| {
        let provider = &world.target(model).provider;
        world.targets.iter().filter(|target| target.provider == *provider).count() > 1
    };
    let siblings: Vec<String> =
        world.targets.iter().map(|target| target.model.clone()).filter(|model| in_siblings(model)).collect();
    if !siblings.is_empty() && dice.chance(20) {
        let steps = dice.pick(&["500", "503", "529", "malformed", "timeout", "429, 500 x9", "500 x6, 200"]);
        world.own_script = Some((dice.pick(&siblings), format!("own: {steps}")));
    }
    world.breaker.shared = dice.chance(8);
    let kind = if dice.chance(20) { dice.pick(&[1, 2, 3, 4]) } else { 0 };
    let first = match kind {
        1 => "refused x6, ",
        2 => "unreachable x3, reset x3, ",
        3 => "403(unclear) x8, ",
        4 => "404(request), 403(unclear) x3, 404(request) x8, ",
        _ => return,
    };
    world.script = world.script.replacen(": ", &format!(": {first}"), 1);
    if kind > 2 && dice.chance(50) {
        for (index, caller) in world.callers.iter_mut().enumerate() {
            caller.body = caller.body.replacen("question", &format!("question {index}"), 1);
        }
    }
}

/// A target is skipped only for failures of its own, or for those that concern its provider as a whole.
pub(super) fn skips_have_causes(world: &World, played: &Played, wrong: &mut Vec<String>) {
    let least = world.breaker.consecutive.map_or(5, |most| most.min(5)) as usize;
    let mut found = BTreeSet::new();
    for row in &played.observed.rows {
        let AttemptEnd::Skipped { why, .. } = &row.end else { continue };
        let of_model = |made: &&CallRecord| made.model == row.target.model();
        let of_provider =
            |made: &&CallRecord| world.target(&made.model).provider == row.target.provider().as_str();
        let calls = || played.calls.iter();
        let is_caused = match why {
            Skip::BreakerOpen => calls().filter(of_model).filter(|made| may_count(made)).count() >= least,
            Skip::ProviderOpen if world.breaker.shared => {
                calls().filter(of_provider).filter(|made| may_count(made)).count() >= least
            }
            Skip::ProviderOpen => {
                calls().filter(of_provider).filter(|made| is_unreachable(made)).count() >= least
            }
            Skip::Cooling => {
                is_paused(world, played, row) || distinct_refusals(world, played, row) >= DISTINCT
            }
            _ => true,
        };
        if !is_caused {
            found.insert(format!("{} was skipped without a cause: {why}", row.target));
        }
    }
    wrong.extend(found);
}

/// Returns true if the breaker of the model may count the call as a failure.
fn may_count(made: &CallRecord) -> bool {
    match made.ended {
        Some((_, CallOutcome::Failed(kind))) => {
            let is_failure = matches!(kind.consequences().verdict, Verdict::Failure { .. });
            is_failure || kind == FailureKind::StaleConnection
        }
        // The engine ended it, for example by a timeout.
        Some((_, CallOutcome::Cut | CallOutcome::Cancelled)) => true,
        Some((_, CallOutcome::Answered | CallOutcome::Blocked)) | None => false,
    }
}

/// Returns true if the call could not reach its provider.
fn is_unreachable(made: &CallRecord) -> bool {
    use FailureKind::{Connect, Network, StaleConnection, Timeout};
    let Some((_, CallOutcome::Failed(kind))) = made.ended else { return false };
    matches!(kind, Connect | Network | StaleConnection | Timeout(Phase::Connect))
}

/// Returns true if a single failure pauses the target of a row, or if one paused each of its keys.
fn is_paused(world: &World, played: &Played, row: &Attempt) -> bool {
    let is_of_key = |failure: &Failure| world.keys > 1 && keys::is_of_key(failure);
    let pauses = |other: &Attempt, failure: &Failure| match failure.consequences().cooldown {
        Cooldown::Key => other.target.provider() == row.target.provider(),
        Cooldown::Target => other.target == row.target,
        Cooldown::RetryAfter => other.target == row.target && failure.retry_after().is_some(),
        Cooldown::None | Cooldown::TargetIfRepeated | Cooldown::KeyRejected => false,
    };
    played.observed.rows.iter().any(|other| match &other.end {
        AttemptEnd::Failed(failure) => !is_of_key(failure) && pauses(other, failure),
        _ => false,
    }) || keys::all_were_limited(world, played, row)
}

/// Returns the number of different conversations that the target of a row refused.
pub(super) fn distinct_refusals(world: &World, played: &Played, row: &Attempt) -> usize {
    let is_refused = |made: &&CallRecord| {
        use FailureKind::{ModelNotFound, Permission, Region};
        let refused =
            matches!(made.ended, Some((_, CallOutcome::Failed(ModelNotFound | Permission | Region))));
        refused && made.model == row.target.model()
    };
    let conversation = |made: &CallRecord| {
        let caller = world.callers.iter().find(|caller| caller.name == user(made));
        let chat = made.request.chat().unwrap();
        let first = chat.messages.iter().find(|message| message.role == Role::User);
        (caller.and_then(|caller| caller.options.tenant.clone()), format!("{first:?}"))
    };
    played.calls.iter().filter(is_refused).map(conversation).collect::<BTreeSet<_>>().len()
}
