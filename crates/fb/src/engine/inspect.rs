//! Whether a whole answer is good enough, and what follows when it is not.

use std::time::Duration;

use fb_core::{AttemptEnd, ChatRequest, Failure, FailureKind, Next, Verdict};
use fb_quality::{Defect, repair};

use super::{
    Trip,
    admission::{Charge, Ticket},
    attempt::Got,
    target_state::Lane,
    attempts::Visit,
};
use crate::clock::now;

/// What an answer came to.
pub(super) enum Inspected {
    /// It can be given.
    Good(Ticket, Got),
    /// The same target is asked this.
    Repair(Box<ChatRequest>),
    /// It cannot be given, and the visit is over.
    Ended(Visit),
}

/// Where in the request a visit is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Untried targets that keep their share of attempts and time.
    pub(super) later: u32,
    /// Whether there are any at all.
    pub(super) more: bool,
    /// Whether the target may be asked once more.
    pub(super) may_repair: bool,
}

/// Looks at a whole answer, if the route wants that; a stream is looked at when it ends.
pub(super) fn inspect(trip: Trip<'_>, lane: &Lane, ticket: Ticket, got: Got, place: Place) -> Inspected {
    let Got::Plain(reply) = &got else { return Inspected::Good(ticket, got) };
    // Messages are not parsed for gates that are not there.
    if trip.gates.is_empty() {
        return Inspected::Good(ticket, got);
    }
    let Ok(chat) = trip.request.chat() else { return Inspected::Good(ticket, got) };
    let (found, at) = (trip.gates.check(chat, reply), now());
    lane.upstream.inspected(found.is_ok(), at);
    let Err(defect) = found else { return Inspected::Good(ticket, got) };

    let failure = defective(&defect);
    lane.upstream.count(|counts| counts.record_failure(FailureKind::Quality, at));
    // The target did its work; how good it was has a score of its own.
    let row = ticket.settle(Verdict::Neutral, None, Charge::of_reply(reply));
    let affords = trip.envelope.affords_retry(at, Duration::ZERO, trip.run.calls(), place.later);
    if place.may_repair
        && affords
        && trip.gates.config().repair
        && let Some(request) = repair(trip.request, reply, &defect)
    {
        row.close(AttemptEnd::Failed(failure), Next::Repair);
        return Inspected::Repair(Box::new(request));
    }
    if lane.triggers.as_deref().is_some_and(|kinds| !kinds.contains(&FailureKind::Quality.name())) {
        row.close(AttemptEnd::Failed(failure.clone()), Next::Surface);
        return Inspected::Ended(Visit::Surfaced(failure));
    }
    lane.upstream.count(|counts| counts.fallback_from += u64::from(place.more));
    row.close(AttemptEnd::Failed(failure), if place.more { Next::Hop } else { Next::Nothing });
    Inspected::Ended(Visit::Moved)
}

/// What a defect is to the attempt whose answer has it.
pub(crate) fn defective(defect: &Defect) -> Failure {
    Failure::new(FailureKind::Quality, defect.to_string()).with_gate(defect.gate().name())
}
