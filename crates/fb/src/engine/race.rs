//! The one loop over targets: one after the other, several at once, or another when the first is late.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use fb_core::Failure;
use fb_router::HedgeBudget;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep_until;

use super::{
    RequestContext,
    attempts::{Entry, TargetOutcome, try_target},
    target_state::RouteTarget,
};
use crate::clock::now;

/// When targets are begun.
#[derive(Clone, Copy)]
pub(super) struct Start<'a> {
    /// So many at the beginning, at least 1; each that moves on is followed by the next.
    pub(super) at_once: usize,
    /// One more when the first is late.
    pub(super) hedge: Option<Hedge<'a>>,
}

/// When one more target is begun.
#[derive(Clone, Copy)]
pub(super) struct Hedge<'a> {
    /// When nothing came for so long.
    pub(super) after: Duration,
    /// As long as this has one.
    pub(super) budget: &'a HedgeBudget,
}

impl Start<'_> {
    /// One after the other.
    pub(super) const ONE_BY_ONE: Self = Self { at_once: 1, hedge: None };
}

/// Visits the targets, in order of the list, until one ends the request; those still under way are dropped then, and
/// their guards say so. Nobody new is begun after a failure that must not be hidden by another target; it is surfaced
/// unless one that was under way answers.
pub(super) async fn race(
    ctx: RequestContext<'_>,
    targets: &[&RouteTarget],
    start: Start<'_>,
) -> TargetOutcome {
    let mut flying = FuturesUnordered::new();
    let mut surfaced: Option<Failure> = None;
    let mut begun = 0;
    let begin = |begun: &mut usize| {
        let target = *targets.get(*begun)?;
        *begun += 1;
        let at = now();
        let usable = targets[*begun..].iter().filter(|later| later.may_be_called(ctx, at)).count();
        let later = u32::try_from(usable).unwrap_or(u32::MAX).saturating_add(ctx.reserve);
        Some(try_target(ctx, target, later, *begun < targets.len(), Entry::Usual))
    };
    for _ in 0..start.at_once.max(1) {
        flying.extend(begin(&mut begun));
    }
    let mut hedge = pin!(start.hedge.and_then(|hedge| now().checked_add(hedge.after)).map(at));
    loop {
        let late = async {
            match hedge.as_mut().as_pin_mut() {
                Some(time) => time.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = flying.next() => match ended {
                None => return surfaced.map_or(TargetOutcome::MoveOn, TargetOutcome::Surfaced),
                Some(TargetOutcome::MoveOn) if surfaced.is_none() => flying.extend(begin(&mut begun)),
                Some(TargetOutcome::MoveOn) => {}
                Some(TargetOutcome::Surfaced(failure)) => surfaced = surfaced.or(Some(failure)),
                Some(ended) => return ended,
            },
            () = late => {
                hedge.set(None);
                let good = |target: &&RouteTarget| target.may_be_hedge(ctx, now());
                let affords = |hedge: Hedge<'_>| hedge.budget.try_withdraw();
                if surfaced.is_none() && targets.get(begun).is_some_and(good) && start.hedge.is_some_and(affords) {
                    flying.extend(begin(&mut begun));
                }
            }
        }
    }
}

async fn at(time: Instant) {
    sleep_until(time.into()).await;
}
