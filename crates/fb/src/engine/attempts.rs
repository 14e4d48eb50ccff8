use std::{sync::Arc, time::Duration};

use fb_breaker::Tail;
use fb_budget::TokenPrices;
use fb_core::{
    AttemptEnd, Block, BlockForm, CallError, ChatRequest, Failure, FailureKind, Next, Note, Reply, TargetId,
    Verdict,
};
use tokio::time::sleep;

use super::{
    Trip,
    admission::{Charge, Ticket, admit},
    attempt::{Got, Held, attempt},
    decide::{Situation, Step, decide, onward},
    inspect::{Inspected, Place, inspect},
    target_state::{Lane, Slot, Upstream},
    spend::{Bill, Purse, said},
    record::Row,
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
pub(super) enum Visit {
    Reply(TargetId, Box<Reply>),
    Stream(TargetId, Box<Committed>),
    Blocked(TargetId, Box<Block>),
    Surfaced(Failure),
    /// The next target's turn.
    Moved,
}

impl Visit {
    /// The same, with what was changed in the request on its answer.
    pub(super) fn with_notes(mut self, notes: Vec<Note>) -> Self {
        match &mut self {
            Self::Reply(_, reply) => reply.meta.notes.extend(notes),
            Self::Stream(_, committed) => committed.held.meta.notes.extend(notes),
            Self::Blocked(..) | Self::Surfaced(_) | Self::Moved => {}
        }
        self
    }
}

/// A stream whose first output is there, with what must be told when it ends.
pub(crate) struct Committed {
    pub(crate) held: Held,
    pub(crate) tail: Tail,
    pub(crate) row: Row,
    pub(crate) slot: Slot,
    pub(crate) purse: Option<Box<Purse>>,
    pub(crate) prices: Option<TokenPrices>,
    pub(crate) upstream: Arc<Upstream>,
}

/// The first attempt at one target and its retries. `later` untried targets keep their share of attempts and time;
/// `more` says whether there are any at all.
pub(super) async fn visit(trip: Trip<'_>, lane: &Lane, later: u32, more: bool, entry: Entry) -> Visit {
    let hop = if more { Next::Hop } else { Next::Nothing };
    let mut repaired: Option<ChatRequest> = None;
    let mut retries = 0;
    let mut stale = 0;
    let mut last = Duration::ZERO;
    // A failure that is retried and that no other target may hide.
    let mut own: Option<Failure> = None;
    for number in 1.. {
        let asked = repaired.clone();
        let trip = asking(trip, asked.as_ref());
        let (ticket, until) = match admit(trip, lane, later, number, entry) {
            Ok(admitted) => admitted,
            Err((why, reopens)) => {
                lane.upstream.count(|counts| counts.skipped += 1);
                let next = if own.is_some() { Next::Surface } else { hop };
                trip.run.skip(lane.id(), why, reopens, next);
                return own.map_or(Visit::Moved, Visit::Surfaced);
            }
        };
        let began = now();
        if number == 1 {
            lane.upstream.retries().deposit(began);
            if trip.run.has_failed_elsewhere(lane.id()) {
                lane.upstream.count(|counts| counts.fallback_to += 1);
            }
        }
        let failure = match attempt(trip, lane, until).await {
            Ok(got) => {
                let took = now().saturating_duration_since(began);
                // What was repaired is not repaired again.
                let may_repair = entry == Entry::Usual && asked.is_none();
                match inspect(trip, lane, ticket, got, Place { later, more, may_repair }) {
                    Inspected::Good(ticket, got) => return opened(lane, ticket, got, took),
                    Inspected::Repair(request) => {
                        repaired = Some(*request);
                        continue;
                    }
                    Inspected::Ended(visit) => return visit,
                }
            }
            Err(CallError::Blocked(block)) => return blocked(lane, ticket, block),
            Err(CallError::Failed(failure)) => failure,
        };

        let kind = failure.kind();
        let then = kind.consequences();
        if kind == FailureKind::StaleConnection {
            stale += 1;
        }
        // The caller's own short deadline says nothing about the target; a second stale connection does.
        let verdict = match kind {
            FailureKind::Timeout(_) if trip.hurried && until - began < lane.target.timeout => {
                Verdict::Neutral
            }
            FailureKind::StaleConnection if stale > 1 => Verdict::FULL,
            _ => then.verdict,
        };
        let at = now();
        lane.upstream.count(|counts| counts.record_failure(kind, at));
        lane.upstream.fell_ill(&failure, verdict, at);
        lane.upstream.cool(then.cool, failure.hint(), at);
        let row = ticket.settle(verdict, failure.hint(), Charge::of(kind));
        let situation = Situation {
            failure: &failure,
            triggers: lane.triggers.as_deref(),
            max_retries: if entry == Entry::Bypass { 0 } else { lane.target.max_retries },
            retries,
            last,
            stale,
            open: lane.upstream.is_dead() || lane.upstream.breaker().peek(at).is_err(),
            envelope: &trip.envelope,
            used: trip.run.calls(),
            later,
            now: at,
            unit: trip.engine.unit(),
        };
        let mut step = decide(&situation, &lane.retry);
        // A stale connection brought nobody a call; its repetition is no retry.
        let counted = kind != FailureKind::StaleConnection;
        if counted && matches!(step, Step::RetrySame(_)) && !lane.upstream.retries().try_withdraw(at) {
            step = decide(&Situation { max_retries: 0, ..situation }, &lane.retry);
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
                floor.apply(trip.run, lane.capabilities());
                lane.upstream.count(|counts| counts.fallback_from += u64::from(more));
                row.close(AttemptEnd::Failed(failure), hop);
                return Visit::Moved;
            }
            Step::Surface => {
                row.close(AttemptEnd::Failed(failure.clone()), Next::Surface);
                return Visit::Surfaced(failure);
            }
        }
    }
    Visit::Moved
}

/// The trip with a repaired request, which is longer.
fn asking<'a>(trip: Trip<'a>, repaired: Option<&'a ChatRequest>) -> Trip<'a> {
    let Some(request) = repaired else { return trip };
    let bill = trip.bill.map(|bill| Bill::of(bill.account, request));
    Trip { request, bill, ..trip }
}

/// Sleeps, but makes no timer for nothing.
pub(super) async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

fn opened(lane: &Lane, ticket: Ticket, got: Got, took: Duration) -> Visit {
    let id = lane.id().clone();
    lane.upstream.count(|counts| counts.record_latency(took));
    let at = now();
    lane.upstream.health.success(took, at);
    match got {
        Got::Plain(reply) => {
            let cost = reply.usage.and_then(|usage| lane.prices.as_ref().map(|prices| prices.cost(usage)));
            let end = AttemptEnd::Ok { usage: reply.usage, cost };
            lane.upstream.health.pace(reply.usage.map_or(0, |usage| usage.output), took, at);
            lane.upstream.count(|counts| counts.successes += 1);
            ticket.settle(Verdict::Success, None, Charge::of_reply(&reply)).close(end, Next::Nothing);
            Visit::Reply(id, reply)
        }
        Got::Stream(held) => {
            let (tail, row, slot, mut purse) = ticket.commit();
            // Said, though nobody has read it yet.
            if let Some(purse) = &mut purse {
                purse.note(held.frames.iter().map(said).sum());
            }
            row.first_output(took);
            Visit::Stream(
                id,
                Box::new(Committed {
                    held: *held,
                    tail,
                    row,
                    slot,
                    purse,
                    prices: lane.prices.clone(),
                    upstream: Arc::clone(&lane.upstream),
                }),
            )
        }
    }
}

/// A block ends the request at the attempt that met it: no code path leads from here to another call.
fn blocked(lane: &Lane, ticket: Ticket, block: Box<Block>) -> Visit {
    lane.upstream.count(|counts| counts.blocked += 1);
    // With status 200 the target did its work; a 4xx says nothing about it.
    let verdict = match &block.form {
        BlockForm::Body { status, .. } if *status >= 400 => Verdict::Neutral,
        BlockForm::Body { .. } | BlockForm::InStream => Verdict::Success,
    };
    let end = AttemptEnd::Blocked { category: block.category, usage: block.usage };
    ticket.settle(verdict, None, Charge::Used(block.usage, block.partial.len())).close(end, Next::Surface);
    Visit::Blocked(lane.id().clone(), block)
}
