use std::{sync::Arc, time::Duration};

use fb_breaker::ProvisionalPermit;
use fb_budget::TokenPrices;
use fb_core::{
    AttemptEnd, Block, BlockForm, CallError, ChatRequest, Failure, FailureKind, Next, Note, Reply, TargetId,
    Verdict,
};
use tokio::time::sleep;

use super::{
    RequestContext,
    admission::{Admitted, Charge, admit},
    attempt::{OpenedStream, Received, attempt},
    decide::{Situation, Step, decide, onward},
    inspect::{Inspected, Position, inspect},
    record::AttemptRecord,
    spend::{CostEstimate, Spend, said},
    target_state::{RouteTarget, Slot, TargetState},
};
use crate::clock::now;

/// How a target is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// If it is neither cooling nor open, with the retries its policy allows.
    Usual,
    /// Past cooling and an open breaker, one call and no retry.
    Bypass,
}

/// How a visit at one target ended.
pub(super) enum TargetOutcome {
    Reply(TargetId, Box<Reply>),
    Stream(TargetId, Box<Committed>),
    Blocked(TargetId, Box<Block>),
    Surfaced(Failure),
    /// The next target's turn.
    MoveOn,
}

impl TargetOutcome {
    /// The same, with what was changed in the request on its answer.
    pub(super) fn with_notes(mut self, notes: Vec<Note>) -> Self {
        match &mut self {
            Self::Reply(_, reply) => reply.meta.notes.extend(notes),
            Self::Stream(_, committed) => committed.held.meta.notes.extend(notes),
            Self::Blocked(..) | Self::Surfaced(_) | Self::MoveOn => {}
        }
        self
    }
}

/// A stream whose first output is there, with what must be told when it ends.
pub(crate) struct Committed {
    pub(crate) held: OpenedStream,
    pub(crate) tail: ProvisionalPermit,
    pub(crate) row: AttemptRecord,
    pub(crate) slot: Slot,
    pub(crate) spend: Option<Box<Spend>>,
    pub(crate) prices: Option<TokenPrices>,
    pub(crate) state: Arc<TargetState>,
}

/// The first attempt at one target and its retries. `later` untried targets keep their share of attempts and time;
/// `more` says whether there are any at all.
pub(super) async fn try_target(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    later: u32,
    more: bool,
    entry: Entry,
) -> TargetOutcome {
    let hop = if more { Next::Hop } else { Next::Nothing };
    let mut repaired: Option<ChatRequest> = None;
    let mut retries = 0;
    let mut stale = 0;
    let mut last = Duration::ZERO;
    // A failure that is retried and that no other target may hide.
    let mut own: Option<Failure> = None;
    for number in 1.. {
        let asked = repaired.clone();
        let ctx = with_request(ctx, asked.as_ref());
        let (admitted, until) = match admit(ctx, target, later, number, entry) {
            Ok(admitted) => admitted,
            Err((why, reopens)) => {
                target.state.count(|counts| counts.skipped += 1);
                let next = if own.is_some() { Next::Surface } else { hop };
                ctx.record.skip(target.id(), why, reopens, next);
                return own.map_or(TargetOutcome::MoveOn, TargetOutcome::Surfaced);
            }
        };
        let began = now();
        if number == 1 {
            target.state.retries().deposit(began);
            if ctx.record.has_failed_elsewhere(target.id()) {
                target.state.count(|counts| counts.fallback_to += 1);
            }
        }
        let failure = match attempt(ctx, target, until).await {
            Ok(received) => {
                let took = now().saturating_duration_since(began);
                // What was repaired is not repaired again.
                let may_repair = entry == Entry::Usual && asked.is_none();
                match inspect(ctx, target, admitted, received, Position { later, more, may_repair }) {
                    Inspected::Good(admitted, received) => return opened(target, admitted, received, took),
                    Inspected::Repair(request) => {
                        repaired = Some(*request);
                        continue;
                    }
                    Inspected::Ended(outcome) => return outcome,
                }
            }
            Err(CallError::Blocked(block)) => return blocked(target, admitted, block),
            Err(CallError::Failed(failure)) => failure,
        };

        let kind = failure.kind();
        let then = kind.consequences();
        if kind == FailureKind::StaleConnection {
            stale += 1;
        }
        // The caller's own short deadline says nothing about the target; a second stale connection does.
        let verdict = match kind {
            FailureKind::Timeout(_) if ctx.deadline_shortened && until - began < target.config.timeout => {
                Verdict::Neutral
            }
            FailureKind::StaleConnection if stale > 1 => Verdict::FULL,
            _ => then.verdict,
        };
        let at = now();
        target.state.count(|counts| counts.record_failure(kind, at));
        target.state.record_failure(&failure, verdict, at);
        target.state.cool_down(then.cooldown, failure.retry_after(), at);
        let row = admitted.settle(verdict, failure.retry_after(), Charge::of(kind));
        let situation = Situation {
            failure: &failure,
            triggers: target.triggers.as_deref(),
            max_retries: if entry == Entry::Bypass { 0 } else { target.config.max_retries },
            retries,
            last,
            stale,
            open: target.state.is_key_rejected() || target.state.breaker().peek(at).is_err(),
            envelope: &ctx.envelope,
            used: ctx.record.calls(),
            later,
            now: at,
            unit: ctx.engine.unit(),
        };
        let mut step = decide(&situation, &target.retry);
        // A stale connection brought nobody a call; its repetition is no retry.
        let counted = kind != FailureKind::StaleConnection;
        if counted && matches!(step, Step::RetrySame(_)) && !target.state.retries().try_withdraw(at) {
            step = decide(&Situation { max_retries: 0, ..situation }, &target.retry);
        }
        match step {
            Step::RetrySame(wait) => {
                own = (onward(&situation) == Step::Surface).then(|| failure.clone());
                row.close(AttemptEnd::Failed(failure), Next::RetryIn(wait));
                retries += u32::from(counted);
                last = wait;
                pause(wait).await;
            }
            Step::Next(floor) => {
                floor.apply(ctx.record, target.capabilities());
                target.state.count(|counts| counts.fallback_from += u64::from(more));
                row.close(AttemptEnd::Failed(failure), hop);
                return TargetOutcome::MoveOn;
            }
            Step::Surface => {
                row.close(AttemptEnd::Failed(failure.clone()), Next::Surface);
                return TargetOutcome::Surfaced(failure);
            }
        }
    }
    TargetOutcome::MoveOn
}

/// The trip with a repaired request, which is longer.
fn with_request<'a>(ctx: RequestContext<'a>, repaired: Option<&'a ChatRequest>) -> RequestContext<'a> {
    let Some(request) = repaired else { return ctx };
    let estimate = ctx.estimate.map(|estimate| CostEstimate::of(estimate.account, request));
    RequestContext { request, estimate, ..ctx }
}

/// Sleeps, but makes no timer for nothing.
pub(super) async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

fn opened(target: &RouteTarget, admitted: Admitted, received: Received, took: Duration) -> TargetOutcome {
    let id = target.id().clone();
    target.state.count(|counts| counts.record_latency(took));
    let at = now();
    target.state.health.record_success(took, at);
    match received {
        Received::Plain(reply) => {
            let cost = reply.usage.and_then(|usage| target.prices.as_ref().map(|prices| prices.cost(usage)));
            let end = AttemptEnd::Ok { usage: reply.usage, cost };
            target.state.health.record_throughput(reply.usage.map_or(0, |usage| usage.output), took, at);
            target.state.count(|counts| counts.successes += 1);
            admitted.settle(Verdict::Success, None, Charge::of_reply(&reply)).close(end, Next::Nothing);
            TargetOutcome::Reply(id, reply)
        }
        Received::Stream(held) => {
            let (tail, row, slot, mut spend) = admitted.commit();
            // Said, though nobody has read it yet.
            if let Some(spend) = &mut spend {
                spend.record_output(held.frames.iter().map(said).sum());
            }
            row.first_output(took);
            TargetOutcome::Stream(
                id,
                Box::new(Committed {
                    held: *held,
                    tail,
                    row,
                    slot,
                    spend,
                    prices: target.prices.clone(),
                    state: Arc::clone(&target.state),
                }),
            )
        }
    }
}

/// A block ends the request at the attempt that met it: no code path leads from here to another call.
fn blocked(target: &RouteTarget, admitted: Admitted, block: Box<Block>) -> TargetOutcome {
    target.state.count(|counts| counts.blocked += 1);
    // With status 200 the target did its work; a 4xx says nothing about it.
    let verdict = match &block.form {
        BlockForm::Body { status, .. } if *status >= 400 => Verdict::Neutral,
        BlockForm::Body { .. } | BlockForm::InStream => Verdict::Success,
    };
    let end = AttemptEnd::Blocked { category: block.category, usage: block.usage };
    admitted.settle(verdict, None, Charge::Used(block.usage, block.partial.len())).close(end, Next::Surface);
    TargetOutcome::Blocked(target.id().clone(), block)
}
