//! Quality gates: checks a whole answer, and decides what follows a defect.

use std::time::Duration;

use fb_core::{AttemptEnd, ChatRequest, Failure, FailureKind, Next, Verdict};
use fb_quality::{Defect, repair};

use super::{
    admitted::{Admitted, Charge},
    attempt::Received,
    context::RequestContext,
    outcome::TargetOutcome,
    position::Position,
    route_target::RouteTarget,
};
use crate::clock::now;

/// The result of an inspection.
pub(super) enum Inspected {
    /// The answer may be given.
    Accepted(Box<Admitted>, Received),
    /// The answer has a defect, and the same target is called again with this request.
    Repair(Box<ChatRequest>),
    /// The answer has a defect, and the attempts at this target end.
    Rejected(TargetOutcome),
}

/// Checks a whole answer against the gates of the route. A stream is checked when it ends.
pub(super) fn inspect(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    position: Position,
    may_repair: bool,
    admitted: Admitted,
    received: Received,
) -> Inspected {
    let gates = &ctx.route.gates;
    let Received::Reply(reply) = &received else { return Inspected::Accepted(Box::new(admitted), received) };
    // Messages are not parsed without a gate that reads them.
    if gates.is_empty() {
        return Inspected::Accepted(Box::new(admitted), received);
    }
    let Ok(chat) = ctx.request.chat() else { return Inspected::Accepted(Box::new(admitted), received) };
    let (found, at) = (gates.check(chat, reply), now());
    target.state.record_quality(found.is_ok(), at);
    let Err(defect) = found else { return Inspected::Accepted(Box::new(admitted), received) };

    let failure = quality_failure(&defect);
    // The breaker counts no failure: the target answered, and quality has its own score.
    let attempt = admitted.settle(Verdict::Neutral, Charge::for_reply(reply));
    let affords = ctx.envelope.affords_retry(at, Duration::ZERO, ctx.record.calls(), position.later);
    if may_repair
        && affords
        && gates.config().repair
        && let Some(request) = repair(ctx.request, reply, &defect)
    {
        attempt.close(AttemptEnd::Failed(failure), Next::Repair);
        return Inspected::Repair(Box::new(request));
    }
    if target.triggers.as_deref().is_some_and(|kinds| !kinds.contains(&FailureKind::Quality.name())) {
        attempt.close(AttemptEnd::Failed(failure.clone()), Next::Surface);
        return Inspected::Rejected(TargetOutcome::Surfaced(failure));
    }
    attempt.close(AttemptEnd::Failed(failure), position.next());
    Inspected::Rejected(TargetOutcome::MoveOn)
}

/// Converts a defect into the failure of the attempt.
pub(crate) fn quality_failure(defect: &Defect) -> Failure {
    Failure::new(FailureKind::Quality, defect.to_string()).with_gate(defect.gate().name())
}
