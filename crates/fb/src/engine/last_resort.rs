use std::time::Duration;

use fb_core::{Next, TargetId};

use super::{
    RequestContext,
    attempts::{Entry, TargetOutcome, pause, try_target},
    target_state::RouteTarget,
};
use crate::{UnavailablePolicy, clock::now};

/// When every target was tried or barred: waits for the one that reopens first, if that is soon enough, then for
/// the next; each target at most once, also those that began to cool in this very request. If none reopens in
/// time, lets one call through to a target that this request has not called.
pub(super) async fn last_resort(ctx: RequestContext<'_>, targets: &[&RouteTarget]) -> TargetOutcome {
    let mut tried: Vec<&TargetId> = Vec::new();
    while let Some((target, wait)) = soonest(ctx, targets, &tried) {
        tried.push(target.id());
        ctx.record.amend(target.id(), Next::WaitFor(wait));
        pause(wait).await;
        match try_target(ctx, target, 0, true, Entry::Usual).await {
            TargetOutcome::MoveOn => {}
            ended => return ended,
        }
    }
    if ctx.route.when_all_unavailable == UnavailablePolicy::Fail {
        return TargetOutcome::MoveOn;
    }
    let uncalled = targets.iter().filter(|target| {
        let barred = target.reopens(ctx, now()).is_some();
        barred && !ctx.record.called(target.id()) && ctx.record.admits(target.capabilities()).is_ok()
    });
    for target in uncalled {
        match try_target(ctx, target, 0, false, Entry::Bypass).await {
            // It could not be called after all, and one call there may be.
            TargetOutcome::MoveOn if !ctx.record.called(target.id()) => {}
            ended => return ended,
        }
    }
    TargetOutcome::MoveOn
}

/// The untried target that reopens first, if waiting for it fits the deadline and the route's patience.
fn soonest<'a>(
    ctx: RequestContext<'_>,
    targets: &[&'a RouteTarget],
    tried: &[&TargetId],
) -> Option<(&'a RouteTarget, Duration)> {
    let at = now();
    let envelope = &ctx.envelope;
    let fits = |wait: Duration| {
        wait <= ctx.route.last_resort_wait && envelope.affords_retry(at, wait, ctx.record.calls(), 0)
    };
    targets
        .iter()
        .copied()
        .filter(|target| !tried.contains(&target.id()) && ctx.record.admits(target.capabilities()).is_ok())
        .filter_map(|target| Some((target, target.wait(ctx, at)?)))
        .filter(|(_, wait)| fits(*wait))
        .min_by_key(|(_, wait)| *wait)
}
