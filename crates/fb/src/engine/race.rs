//! The loop over targets: one after the other, several at once, or a second when the first is slow.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use fb_core::Failure;
use fb_router::HedgeBudget;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep_until;

use super::{
    admission::{count_callable, may_hedge},
    attempts::try_target,
    context::RequestContext,
    outcome::TargetOutcome,
    position::Position,
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
/// After a failure that no other target may hide, no new target is started. The failure is surfaced unless a target that
/// was already running answers.
pub(super) async fn race(
    ctx: RequestContext<'_>,
    targets: &[&RouteTarget],
    start: Start<'_>,
) -> TargetOutcome {
    let mut running = FuturesUnordered::new();
    let mut surfaced: Option<Failure> = None;
    let mut left = targets.to_vec();
    let begin = |rest: &mut Vec<_>| {
        let target = take_next(ctx, rest)?;
        ctx.record.turn_to(target.id());
        let later = count_callable(ctx, rest.iter().copied()).saturating_add(ctx.reserve);
        let position = Position { later, is_followed: !rest.is_empty(), bypass: false };
        Some(async move { (target, try_target(ctx, target, position).await) })
    };
    for _ in 0..start.at_once.max(1) {
        running.extend(begin(&mut left));
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
                None => return surfaced.map_or(TargetOutcome::MoveOn, TargetOutcome::Surfaced),
                Some((target, TargetOutcome::MoveOn)) => {
                    ctx.record.leave(target.id());
                    if surfaced.is_none() {
                        running.extend(begin(&mut left));
                    }
                }
                Some((_, TargetOutcome::Surfaced(failure))) => surfaced = surfaced.or(Some(failure)),
                Some((_, ended)) => return ended,
            },
            () = hedge_is_due => {
                hedge.set(None);
                let is_admitted = |target: &&RouteTarget| may_hedge(ctx, target, now());
                let affords = |hedge: Hedge<'_>| hedge.budget.try_withdraw();
                let next = next_index(ctx, &left).and_then(|index| left.get(index));
                if surfaced.is_none() && next.is_some_and(is_admitted) && start.hedge.is_some_and(affords) {
                    running.extend(begin(&mut left));
                }
            }
        }
    }
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
