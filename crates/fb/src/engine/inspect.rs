//! Whether a whole answer is good enough, and what follows when it is not.

use std::time::Duration;

use fb_core::{AttemptEnd, ChatRequest, Failure, FailureKind, Next, Verdict};
use fb_quality::{Defect, repair};

use super::{
    RequestContext,
    admission::{Admitted, Charge},
    attempt::Received,
    attempts::TargetOutcome,
    target_state::RouteTarget,
};
use crate::clock::now;

/// What an answer came to.
pub(super) enum Inspected {
    /// It can be given.
    Good(Admitted, Received),
    /// The same target is asked this.
    Repair(Box<ChatRequest>),
    /// It cannot be given, and the visit is over.
    Ended(TargetOutcome),
}

/// Where in the request a visit is.
#[derive(Clone, Copy)]
pub(super) struct Position {
    /// Untried targets that keep their share of attempts and time.
    pub(super) later: u32,
    /// Whether there are any at all.
    pub(super) more: bool,
    /// Whether the target may be asked once more.
    pub(super) may_repair: bool,
}

/// Looks at a whole answer, if the route wants that; a stream is looked at when it ends.
pub(super) fn inspect(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    admitted: Admitted,
    received: Received,
    position: Position,
) -> Inspected {
    let Received::Plain(reply) = &received else { return Inspected::Good(admitted, received) };
    // Messages are not parsed for gates that are not there.
    if ctx.gates.is_empty() {
        return Inspected::Good(admitted, received);
    }
    let Ok(chat) = ctx.request.chat() else { return Inspected::Good(admitted, received) };
    let (found, at) = (ctx.gates.check(chat, reply), now());
    target.state.record_quality(found.is_ok(), at);
    let Err(defect) = found else { return Inspected::Good(admitted, received) };

    let failure = defective(&defect);
    target.state.count(|counts| counts.record_failure(FailureKind::Quality, at));
    // The target did its work; how good it was has a score of its own.
    let row = admitted.settle(Verdict::Neutral, None, Charge::of_reply(reply));
    let affords = ctx.envelope.affords_retry(at, Duration::ZERO, ctx.record.calls(), position.later);
    if position.may_repair
        && affords
        && ctx.gates.config().repair
        && let Some(request) = repair(ctx.request, reply, &defect)
    {
        row.close(AttemptEnd::Failed(failure), Next::Repair);
        return Inspected::Repair(Box::new(request));
    }
    if target.triggers.as_deref().is_some_and(|kinds| !kinds.contains(&FailureKind::Quality.name())) {
        row.close(AttemptEnd::Failed(failure.clone()), Next::Surface);
        return Inspected::Ended(TargetOutcome::Surfaced(failure));
    }
    target.state.count(|counts| counts.fallback_from += u64::from(position.more));
    row.close(AttemptEnd::Failed(failure), if position.more { Next::Hop } else { Next::Nothing });
    Inspected::Ended(TargetOutcome::MoveOn)
}

/// What a defect is to the attempt whose answer has it.
pub(crate) fn defective(defect: &Defect) -> Failure {
    Failure::new(FailureKind::Quality, defect.to_string()).with_gate(defect.gate().name())
}
