use std::time::{Duration, Instant};

use fb_breaker::{Permit, ProvisionalPermit};
use fb_core::{FailureKind, Refusal, Reply, Skip, Usage, Verdict};
use fb_quality::{Losses, MaxLoss, TooMuchLost, rank_penalty};

use super::{
    RequestContext,
    attempts::Entry,
    record::AttemptRecord,
    spend::Spend,
    target_state::{RouteTarget, Slot, weight},
};
use crate::clock::now;

/// All guards of one attempt. Dropping it undoes everything: the row says cancelled, the breaker hears nothing.
pub(super) struct Admitted {
    permit: Permit,
    row: AttemptRecord,
    slot: Slot,
    spend: Option<Box<Spend>>,
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

impl Admitted {
    /// Tells the breaker and hands back the row, so that it can be closed with what was decided.
    pub(super) fn settle(self, verdict: Verdict, hint: Option<Duration>, charge: Charge) -> AttemptRecord {
        let at = now();
        match (self.spend, charge) {
            (Some(mut spend), Charge::Used(usage, said)) => {
                spend.record_output(said);
                spend.settle(usage);
            }
            (Some(spend), Charge::Nothing) => spend.release(),
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
    pub(super) fn commit(self) -> (ProvisionalPermit, AttemptRecord, Slot, Option<Box<Spend>>) {
        (self.permit.provisional(now()), self.row, self.slot, self.spend)
    }
}

/// Takes everything one attempt needs, or says why not. Nothing awaits here, so no racer can come between the
/// checks and the taking.
pub(super) fn admit(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    later: u32,
    number: u32,
    entry: Entry,
) -> Result<(Admitted, Instant), (Skip, Option<Duration>)> {
    let at = now();
    let record = ctx.record;
    if record.calls() >= ctx.envelope.attempts {
        return Err((Skip::Attempts, None));
    }
    let Some(slice) = ctx.envelope.slice(at, later) else {
        return Err((Skip::NoTime, None));
    };
    let state = &target.state;
    if state.is_key_rejected() {
        return Err((Skip::KeyRejected, None));
    }
    // Checked once per visit: what a target can carry does not change between its retries.
    if number == 1 {
        record.admits(target.capabilities()).map_err(|refusal| (Skip::Inadmissible(refusal), None))?;
        target
            .provider()
            .admit(target.call(ctx.request))
            .map_err(|refusal| (Skip::Inadmissible(refusal), None))?;
        keeps_enough(ctx, target).map_err(|refusal| (Skip::Inadmissible(refusal), None))?;
        ctx.may_see(target).map_err(|refusal| (Skip::Inadmissible(refusal), None))?;
    }
    if entry == Entry::Usual {
        if let Some(wait) = state.cooling(at) {
            return Err((Skip::Cooling, Some(wait)));
        }
        let health = target.health(ctx.panic, at);
        if let Some(reason) = health.reasons.into_iter().next() {
            return Err((reason, health.not_before));
        }
        let share = state.breaker().share(at) * health.weight * rank_penalty(state.quality(at));
        if number == 1 && later > 0 && is_turned_down(ctx, share) {
            return Err((Skip::Ramping, None));
        }
    }
    let slot = state.slot().ok_or((Skip::AtCapacity, None))?;
    let permit =
        state.acquire(entry, at).map_err(|rejected| (Skip::BreakerOpen, Some(rejected.retry_after)))?;
    // Last, since it counts the request.
    let first = record.calls() == 0;
    let reserved = ctx.estimate.map(|estimate| estimate.reserve(target, first, at)).transpose();
    ctx.estimate
        .iter()
        .flat_map(|estimate| estimate.account.warnings())
        .for_each(|warning| record.warned(&warning));
    let spend = match reserved {
        Ok(spend) => spend,
        Err(refused) => {
            permit.neutral(at);
            let why = Skip::Budget {
                limit: refused.limit.as_str(),
                money: refused.limit.is_money(),
                of_key: refused.is_key_limit(),
            };
            return Err((why, refused.resets_in));
        }
    };
    let row = record.begin(target.id(), number, at);
    Ok((Admitted { permit, row, slot, spend }, at + slice.min(target.config.timeout)))
}

/// Whether no more of the request is lost on the way to the target than the route allows.
fn keeps_enough(ctx: RequestContext<'_>, target: &RouteTarget) -> Result<(), Refusal> {
    let most = ctx.gates.config().max_loss;
    if most == MaxLoss::Any {
        return Ok(());
    }
    // A request that cannot be read is for the adapter to complain of.
    let Ok(chat) = ctx.request.chat() else { return Ok(()) };
    let losses =
        Losses::new(chat, &target.provider().losses(target.call(ctx.request)), target.capabilities());
    losses.check(most).map_err(|TooMuchLost(note)| Refusal::new(note.field, note.what))
}

/// Whether a target that is just back leaves this request to others. Nothing is drawn for one that takes all or that
/// is probed.
fn is_turned_down(ctx: RequestContext<'_>, share: f64) -> bool {
    share > 0.0 && share < 1.0 && ctx.engine.unit() >= share
}
