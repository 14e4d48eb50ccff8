use std::time::{Duration, Instant};

use fb_breaker::{Permit, Tail};
use fb_core::{Refusal, Skip, Verdict};
use fb_quality::{Losses, MaxLoss, TooMuchLost, rank_penalty};

use super::{
    Trip,
    lane::{Lane, Slot, weight},
    now,
    run::Row,
    visit::Entry,
};

/// All guards of one attempt. Dropping it undoes everything: the row says cancelled, the breaker hears nothing.
pub(super) struct Ticket {
    permit: Permit,
    row: Row,
    slot: Slot,
}

impl Ticket {
    /// Tells the breaker and hands back the row, so that it can be closed with what was decided.
    pub(super) fn settle(self, verdict: Verdict, hint: Option<Duration>) -> Row {
        let at = now();
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
    pub(super) fn commit(self) -> (Tail, Row, Slot) {
        (self.permit.provisional(now()), self.row, self.slot)
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
    let row = run.begin(lane.id(), number, at);
    Ok((Ticket { permit, row, slot }, at + slice.min(lane.target.timeout)))
}

/// Whether no more of the request is lost on the way to the target than the route allows.
fn keeps_enough(trip: Trip<'_>, lane: &Lane) -> Result<(), Refusal> {
    let most = trip.gates.config().max_loss;
    if most == MaxLoss::Any {
        return Ok(());
    }
    // A request that cannot be read is for the adapter to complain of.
    let Ok(chat) = trip.request.chat() else { return Ok(()) };
    let losses = Losses::of(chat, &lane.provider().losses(lane.call(trip.request)), lane.capabilities());
    losses.check(most).map_err(|TooMuchLost(note)| Refusal::new(note.field, note.what))
}

/// Whether a target that is just back leaves this request to others. Nothing is drawn for one that takes all or that
/// is probed.
fn is_turned_down(trip: Trip<'_>, share: f64) -> bool {
    share > 0.0 && share < 1.0 && trip.engine.unit() >= share
}
