use std::time::{Duration, Instant};

use fb_breaker::{Permit, Tail};
use fb_core::{FailureKind, Refusal, Reply, Skip, Usage, Verdict};
use fb_quality::{Losses, MaxLoss, TooMuchLost, rank_penalty};

use super::{
    Trip,
    target_state::{Lane, Slot, weight},
    spend::Purse,
    record::Row,
    attempts::Entry,
};
use crate::clock::now;

/// All guards of one attempt. Dropping it undoes everything: the row says cancelled, the breaker hears nothing.
pub(super) struct Ticket {
    permit: Permit,
    row: Row,
    slot: Slot,
    purse: Option<Box<Purse>>,
}

/// What a call is charged for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Charge {
    /// Nothing: its provider refused it or was not reached.
    Nothing,
    /// What its provider counted; without counts its prompt, and so many bytes of an answer.
    Used(Option<Usage>, usize),
}

impl Charge {
    /// Of a whole reply.
    pub(super) fn of_reply(reply: &Reply) -> Self {
        let calls = reply.tool_calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>();
        Self::Used(reply.usage, reply.text.len() + reply.thinking.len() + calls)
    }

    /// Of a call that failed: what was sent and not answered may have been worked on.
    pub(super) const fn of(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Timeout(_) | FailureKind::Interrupted | FailureKind::Malformed => {
                Self::Used(None, 0)
            }
            _ => Self::Nothing,
        }
    }
}

impl Ticket {
    /// Tells the breaker and hands back the row, so that it can be closed with what was decided.
    pub(super) fn settle(self, verdict: Verdict, hint: Option<Duration>, charge: Charge) -> Row {
        let at = now();
        match (self.purse, charge) {
            (Some(mut purse), Charge::Used(usage, said)) => {
                purse.note(said);
                purse.settle(usage);
            }
            (Some(purse), Charge::Nothing) => purse.give_back(),
            (None, _) => {}
        }
        match verdict {
            Verdict::Success => self.permit.success(at),
            Verdict::Neutral => self.permit.neutral(at),
            Verdict::Failure { .. } => match weight(verdict, hint) {
                Some(weight) => self.permit.failure(weight, at),
                None => self.permit.neutral(at),
            },
        }
        self.row
    }

    /// At a stream's commit: success for now, and the means to report a late failure.
    pub(super) fn commit(self) -> (Tail, Row, Slot, Option<Box<Purse>>) {
        (self.permit.provisional(now()), self.row, self.slot, self.purse)
    }
}

/// Takes everything one attempt needs, or says why not. Nothing awaits here, so no racer can come between the
/// checks and the taking.
pub(super) fn admit(
    trip: Trip<'_>,
    lane: &Lane,
    later: u32,
    number: u32,
    entry: Entry,
) -> Result<(Ticket, Instant), (Skip, Option<Duration>)> {
    let at = now();
    let run = trip.run;
    if run.calls() >= trip.envelope.attempts {
        return Err((Skip::Attempts, None));
    }
    let Some(slice) = trip.envelope.slice(at, later) else {
        return Err((Skip::NoTime, None));
    };
    let upstream = &lane.upstream;
    if upstream.is_dead() {
        return Err((Skip::KeyRejected, None));
    }
    // Checked once per visit: what a target can carry does not change between its retries.
    if number == 1 {
        run.admits(lane.capabilities()).map_err(|refusal| (Skip::Inadmissible(refusal), None))?;
        lane.provider()
            .admit(lane.call(trip.request))
            .map_err(|refusal| (Skip::Inadmissible(refusal), None))?;
        keeps_enough(trip, lane).map_err(|refusal| (Skip::Inadmissible(refusal), None))?;
        trip.may_see(lane).map_err(|refusal| (Skip::Inadmissible(refusal), None))?;
    }
    if entry == Entry::Usual {
        if let Some(wait) = upstream.cooling(at) {
            return Err((Skip::Cooling, Some(wait)));
        }
        let health = lane.health(trip.panic, at);
        if let Some(reason) = health.reasons.into_iter().next() {
            return Err((reason, health.not_before));
        }
        let share = upstream.breaker().share(at) * health.weight * rank_penalty(upstream.quality(at));
        if number == 1 && later > 0 && is_turned_down(trip, share) {
            return Err((Skip::Ramping, None));
        }
    }
    let slot = upstream.slot().ok_or((Skip::AtCapacity, None))?;
    let permit =
        upstream.acquire(entry, at).map_err(|rejected| (Skip::BreakerOpen, Some(rejected.retry_after)))?;
    // Last, since it counts the request.
    let first = run.calls() == 0;
    let reserved = trip.bill.map(|bill| bill.reserve(lane, first, at)).transpose();
    trip.bill.iter().flat_map(|bill| bill.account.warnings()).for_each(|warning| run.warned(&warning));
    let purse = match reserved {
        Ok(purse) => purse,
        Err(refused) => {
            permit.neutral(at);
            let why = Skip::Budget { limit: refused.limit.as_str(), of_key: refused.is_key_limit() };
            return Err((why, refused.resets_in));
        }
    };
    let row = run.begin(lane.id(), number, at);
    Ok((Ticket { permit, row, slot, purse }, at + slice.min(lane.target.timeout)))
}

/// Whether no more of the request is lost on the way to the target than the route allows.
fn keeps_enough(trip: Trip<'_>, lane: &Lane) -> Result<(), Refusal> {
    let most = trip.gates.config().max_loss;
    if most == MaxLoss::Any {
        return Ok(());
    }
    // A request that cannot be read is for the adapter to complain of.
    let Ok(chat) = trip.request.chat() else { return Ok(()) };
    let losses = Losses::new(chat, &lane.provider().losses(lane.call(trip.request)), lane.capabilities());
    losses.check(most).map_err(|TooMuchLost(note)| Refusal::new(note.field, note.what))
}

/// Whether a target that is just back leaves this request to others. Nothing is drawn for one that takes all or that
/// is probed.
fn is_turned_down(trip: Trip<'_>, share: f64) -> bool {
    share > 0.0 && share < 1.0 && trip.engine.unit() >= share
}
