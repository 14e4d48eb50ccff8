//! The loop over targets: one after the other, several at once, or a second when the first is slow.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use fb_core::{Failure, Limit, Next};
use fb_router::HedgeBudget;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep_until;

use super::{
    admission::{check, count_callable, may_hedge, time_until_reopened},
    attempts::{pause, try_target},
    context::RequestContext,
    decide::affords,
    outcome::TargetOutcome,
    position::Position,
    retries::Retries,
    route_target::RouteTarget,
};
use crate::clock::now;

/// The rule by which targets are started.
#[derive(Clone, Copy)]
pub(super) struct Start<'a> {
    /// The number of targets started at once, at least 1. Each one that fails is replaced by the next.
    pub(super) at_once: usize,
    /// Starts one more target when the first is slow.
    pub(super) hedge: Option<Hedge<'a>>,
}

/// The rule by which a hedge is started.
#[derive(Clone, Copy)]
pub(super) struct Hedge<'a> {
    /// The time without an answer after which the hedge starts.
    pub(super) after: Duration,
    /// The budget that all hedges of the route share.
    pub(super) budget: &'a HedgeBudget,
}

impl Start<'_> {
    /// Starts one target after the other.
    pub(super) const SEQUENTIAL: Self = Self { at_once: 1, hedge: None };
}

/// Tries the targets in order until one ends the request. Dropping those still running cancels their calls.
///
/// Targets that failed in a way that may pass are called again when no other one is left, as long as the limits on the
/// request and the retry budgets of their providers allow.
///
/// After a failure that no other target may hide, no new target is started. The failure is surfaced unless a target that
/// was already running answers.
pub(super) fn race<'t>(
    ctx: RequestContext<'t>,
    targets: &[&'t RouteTarget],
    start: Start<'t>,
) -> impl Future<Output = TargetOutcome> + use<'t> {
    race_on(ctx, targets.to_vec(), start, Vec::new())
}

/// Calls targets again that failed in a way that may pass, as [`race`] does.
pub(super) fn call_again<'t>(
    ctx: RequestContext<'t>,
    waiting: Vec<Waiting<'t>>,
) -> impl Future<Output = TargetOutcome> + use<'t> {
    race_on(ctx, Vec::new(), Start::SEQUENTIAL, waiting)
}

/// Tries one target. If it failed in a way that may pass, it is added to those that may be called again.
pub(super) async fn try_one<'t>(
    ctx: RequestContext<'_>,
    target: &'t RouteTarget,
    position: Position,
    retries: Retries,
    waiting: &mut Vec<Waiting<'t>>,
) -> TargetOutcome {
    ctx.record.turn_to(target.id());
    let (target, outcome, retries) = visit(ctx, target, position, retries).await;
    if let TargetOutcome::MoveOn = outcome {
        ctx.record.leave(target.id());
        waiting.extend(retries.due.map(|due| Waiting { target, retries, due }));
    }
    outcome
}

async fn race_on(
    ctx: RequestContext<'_>,
    mut left: Vec<&RouteTarget>,
    start: Start<'_>,
    mut waiting: Vec<Waiting<'_>>,
) -> TargetOutcome {
    let mut running = FuturesUnordered::new();
    let mut surfaced: Option<Failure> = None;
    // Filled in the first turns only: a target that is turned away again is left.
    let mut turned_away: Vec<&RouteTarget> = Vec::new();
    let mut is_first_turn = true;
    let begin = |rest: &mut Vec<_>, others: bool| {
        let target = take_next(ctx, rest)?;
        ctx.record.turn_to(target.id());
        let here = count_callable(ctx, rest.iter().copied());
        let later = here.saturating_add(ctx.reserve);
        let elsewhere = here > 0 || others;
        let position = Position { later, is_followed: !rest.is_empty(), elsewhere, bypass: false };
        Some(visit(ctx, target, position, Retries::default()))
    };
    for _ in 0..start.at_once.max(1) {
        running.extend(begin(&mut left, !waiting.is_empty()));
    }
    let mut hedge = pin!(start.hedge.and_then(|hedge| now().checked_add(hedge.after)).map(at));
    loop {
        let hedge_is_due = async {
            match hedge.as_mut().as_pin_mut() {
                Some(time) => time.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = running.next() => match ended {
                None => {
                    if let Some(failure) = surfaced {
                        return TargetOutcome::Surfaced(failure);
                    }
                    let next = take_due(ctx, &mut waiting, &mut turned_away);
                    let Some((Waiting { target, retries, .. }, wait)) = next else {
                        return TargetOutcome::MoveOn;
                    };
                    is_first_turn = false;
                    let is_retry = retries.calls > 0;
                    let next = if is_retry { Next::RetryIn(wait) } else { Next::WaitFor(wait) };
                    ctx.record.amend(target.id(), next);
                    pause(wait).await;
                    ctx.record.turn_to(target.id());
                    let (later, elsewhere) = (ctx.reserve, !(waiting.is_empty() && turned_away.is_empty()));
                    let position = Position { later, is_followed: elsewhere, elsewhere, bypass: false };
                    running.push(visit(ctx, target, position, retries));
                }
                Some((target, TargetOutcome::MoveOn, retries)) => {
                    ctx.record.leave(target.id());
                    if let Some(due) = retries.due {
                        waiting.push(Waiting { target, retries, due });
                    } else if is_first_turn
                        && !ctx.record.has_called(target.id())
                        && ctx.record.was_turned_away(target.id())
                    {
                        turned_away.push(target);
                    }
                    if surfaced.is_none() {
                        running.extend(begin(&mut left, !(waiting.is_empty() && turned_away.is_empty())));
                    }
                }
                Some((_, TargetOutcome::Surfaced(failure), _)) => surfaced = surfaced.or(Some(failure)),
                Some((_, ended, _)) => return ended,
            },
            () = hedge_is_due => {
                hedge.set(None);
                let is_admitted = |target: &&RouteTarget| may_hedge(ctx, target, now());
                let affords = |hedge: Hedge<'_>| hedge.budget.try_withdraw();
                let next = next_index(ctx, &left).and_then(|index| left.get(index));
                if surfaced.is_none() && next.is_some_and(is_admitted) && start.hedge.is_some_and(affords) {
                    running.extend(begin(&mut left, !(waiting.is_empty() && turned_away.is_empty())));
                }
            }
        }
    }
}

/// A target that may be called again.
pub(super) struct Waiting<'t> {
    target: &'t RouteTarget,
    retries: Retries,
    /// The time from which it may be called.
    due: Instant,
}

/// Tries one target.
async fn visit<'t>(
    ctx: RequestContext<'_>,
    target: &'t RouteTarget,
    position: Position,
    mut retries: Retries,
) -> (&'t RouteTarget, TargetOutcome, Retries) {
    let outcome = try_target(ctx, target, position, &mut retries).await;
    (target, outcome, retries)
}

/// Takes the target with the fewest retries of those that may be called again, or else the one due first, and returns it with
/// the wait until then. Those that may not be called
/// then are dropped, and so are those of a provider without a retry left. A target that was turned away goes first if it
/// reopens by then.
fn take_due<'t>(
    ctx: RequestContext<'_>,
    waiting: &mut Vec<Waiting<'t>>,
    turned_away: &mut Vec<&'t RouteTarget>,
) -> Option<(Waiting<'t>, Duration)> {
    let at = now();
    loop {
        // In turns, so that a target with short waits does not use up all calls.
        let turn = |waiting: &Waiting<'_>| (waiting.retries.counted, waiting.due);
        let first = waiting.iter().enumerate().min_by_key(|(_, waiting)| turn(waiting))?.0;
        let next = waiting.remove(first);
        let wait = next.due.saturating_duration_since(at);
        let may_be_called = match check(ctx, next.target, at) {
            Ok(()) => true,
            Err(denied) => denied.reopens.is_some_and(|reopens| reopens <= wait),
        };
        let limit = match affords(ctx.envelope, at, wait, ctx.record.calls(), ctx.reserve) {
            Err(limit) => limit,
            Ok(()) if !may_be_called => continue,
            Ok(()) => {
                if let Some((target, sooner)) = take_reopened(ctx, turned_away, wait, at) {
                    waiting.push(next);
                    return Some((Waiting { target, retries: Retries::default(), due: at }, sooner));
                }
                if next.target.state.retry_budget().try_withdraw(at) {
                    return Some((next, wait));
                }
                Limit::RetryBudget
            }
        };
        ctx.record.set_limit(limit);
    }
}

/// Takes the target that reopens first of those that were turned away, if that is within `most`, with the wait until then.
fn take_reopened<'t>(
    ctx: RequestContext<'_>,
    turned_away: &mut Vec<&'t RouteTarget>,
    most: Duration,
    at: Instant,
) -> Option<(&'t RouteTarget, Duration)> {
    let waits = turned_away.iter().enumerate();
    let waits = waits.filter_map(|(index, target)| Some((index, time_until_reopened(ctx, target, at)?)));
    let (index, wait) = waits.filter(|(_, wait)| *wait <= most).min_by_key(|(_, wait)| *wait)?;
    Some((turned_away.remove(index), wait))
}

/// Takes the next target.
fn take_next<'t>(ctx: RequestContext<'_>, left: &mut Vec<&'t RouteTarget>) -> Option<&'t RouteTarget> {
    next_index(ctx, left).map(|index| left.remove(index))
}

/// Returns the index of the next target: the first of those left or, once the request exceeded a limit elsewhere, the first
/// of those with known limits.
fn next_index(ctx: RequestContext<'_>, left: &[&RouteTarget]) -> Option<usize> {
    let certain = left.iter().position(|target| !ctx.record.is_uncertain(target.capabilities()));
    certain.or(if left.is_empty() { None } else { Some(0) })
}

async fn at(time: Instant) {
    sleep_until(time.into()).await;
}
