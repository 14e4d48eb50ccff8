//! The last resort, when every target was tried or unavailable: waits for one to reopen, or lets one call through.

use std::time::Duration;

use fb_core::{Next, Skip, TargetId};

use super::{
    admission::{Denied, check, time_until_reopened},
    attempts::{pause, retries_after_wait, try_target},
    context::RequestContext,
    outcome::TargetOutcome,
    position::Position,
    race::{Waiting, call_again, try_one},
    retries::Retries,
    route_target::RouteTarget,
};
use crate::{UnavailablePolicy, clock::now};

/// Waits for the target that reopens first, then for the next, as long as deadline and `last_resort_wait` allow, and calls
/// targets again that fail after the wait. If none reopens in time, lets one call through to a target that this request has
/// not called.
pub(super) async fn last_resort(ctx: RequestContext<'_>, targets: &[&RouteTarget]) -> TargetOutcome {
    let mut reopening = Reopening { done: Vec::new(), left: ctx.route.config.last_resort_wait };
    loop {
        let mut waiting = Vec::new();
        match reopening.wait(ctx, targets, &mut waiting).await {
            TargetOutcome::MoveOn => {}
            ended => return ended,
        }
        // Those that failed in a way that may pass are called again, as before the wait.
        let calls = ctx.record.calls();
        match call_again(ctx, waiting).await {
            TargetOutcome::MoveOn if ctx.record.calls() > calls => {}
            TargetOutcome::MoveOn => break,
            ended => return ended,
        }
    }
    if ctx.route.config.when_all_unavailable == UnavailablePolicy::Fail {
        return TargetOutcome::MoveOn;
    }
    let uncalled = targets.iter().filter(|target| {
        // A rejected key is tried by one call at a time, whatever the policy.
        let reopens = check(ctx, target, now())
            .is_err_and(|denied| denied.reopens.is_some() && denied.skip != Skip::KeyRejected);
        reopens && !ctx.record.has_called(target.id()) && target.state.may_begin_trial(now())
    });
    let mut uncalled: Vec<_> = uncalled.collect();
    // Closed breakers first: a target that only rests is more likely to answer.
    uncalled.sort_by_key(|target| target.state.is_probing(now()));
    for target in uncalled {
        ctx.record.turn_to(target.id());
        match try_target(ctx, target, Position::BYPASS, &mut Retries::default()).await {
            // The call was not admitted after all, so it is still to be made.
            TargetOutcome::MoveOn if !ctx.record.has_called(target.id()) => ctx.record.leave(target.id()),
            ended => return ended,
        }
    }
    TargetOutcome::MoveOn
}

/// The targets that a request waits for.
struct Reopening<'t> {
    /// The targets that are not waited for again.
    done: Vec<&'t TargetId>,
    /// The time left to wait.
    left: Duration,
}

impl<'t> Reopening<'t> {
    /// Waits for the targets that reopen in time, and calls each of them then. One that has no number of retries set is waited
    /// for again after a failure, if its retry budget allows. Those that failed in a way that may pass are added to `waiting`.
    async fn wait(
        &mut self,
        ctx: RequestContext<'_>,
        targets: &[&'t RouteTarget],
        waiting: &mut Vec<Waiting<'t>>,
    ) -> TargetOutcome {
        let mut waited = Duration::ZERO;
        let mut turned_away: Option<(&RouteTarget, Denied)> = None;
        loop {
            let next = first_to_reopen(ctx, targets, &self.done, self.left);
            let leaves = |from: &RouteTarget| next.is_none_or(|(target, _)| target.id() != from.id());
            if let Some((from, denied)) = turned_away.take().filter(|(from, _)| leaves(from)) {
                let next = if next.is_some() { Next::Hop } else { Next::Nothing };
                ctx.record.turn_to(from.id());
                ctx.record.skip(from.id(), denied.skip, denied.reopens, next);
                ctx.record.leave(from.id());
                waited = Duration::ZERO;
            }
            let Some((target, wait)) = next else { return TargetOutcome::MoveOn };
            (self.left, waited) = (self.left.saturating_sub(wait), waited.saturating_add(wait));
            ctx.record.amend(target.id(), Next::WaitFor(waited));
            pause(wait).await;
            // Others may wait for the same target, and a breaker lets a few of them in first.
            if let Err(denied) = check(ctx, target, now())
                && denied.reopens.is_some()
                && !wait.is_zero()
            {
                turned_away = Some((target, denied));
                continue;
            }
            waited = Duration::ZERO;
            let (retries, position) = (retries_after_wait(ctx, target), Position::AFTER_WAIT);
            let calls = ctx.record.calls();
            match try_one(ctx, target, position, retries, waiting).await {
                TargetOutcome::MoveOn => {}
                ended => return ended,
            }
            let was_called = ctx.record.calls() > calls;
            let is_limited = target.retry_limit.is_some();
            if !was_called || is_limited || !target.state.retry_budget().try_withdraw(now()) {
                self.done.push(target.id());
            }
        }
    }
}

/// Returns the target that reopens first, of those not done, and the wait until then, if the request affords that wait and it is not
/// longer than `left`.
fn first_to_reopen<'a>(
    ctx: RequestContext<'_>,
    targets: &[&'a RouteTarget],
    done: &[&TargetId],
    left: Duration,
) -> Option<(&'a RouteTarget, Duration)> {
    let at = now();
    let affords = |wait: Duration| {
        let calls = ctx.record.calls();
        wait <= left && ctx.envelope.affords_retry(at, wait, calls, 0)
    };
    let may_be_called =
        |target: &RouteTarget| target.retry_limit.is_none_or(|most| ctx.record.calls_to(target.id()) <= most);
    let first = targets
        .iter()
        .copied()
        .filter(|target| !done.contains(&target.id()) && may_be_called(target))
        .filter_map(|target| Some((target, time_until_reopened(ctx, target, at)?)))
        .filter(|(_, wait)| affords(*wait))
        .min_by_key(|(_, wait)| *wait);
    let (target, wait) = first?;
    // A wait that can just be afforded is not spread.
    Some((target, Some(spread(wait, ctx.random())).filter(|wait| affords(*wait)).unwrap_or(wait)))
}

/// Spreads the requests that wait for the same target over a quarter of the wait, at most a second after it: a few at the
/// beginning, most of them at the end.
fn spread(wait: Duration, random: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(1);
    wait.saturating_add((wait / 4).min(LONGEST).mul_f64(random.clamp(0.0, 1.0).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_waiting_requests_are_first_and_none_is_early() {
        let wait = Duration::from_secs(20);
        let spread_to: Vec<_> = (0..=4).map(|step| spread(wait, f64::from(step) / 4.0).as_millis()).collect();
        assert_eq!(spread_to, [20_000, 20_500, 20_707, 20_866, 21_000]);
        assert_eq!(spread(Duration::from_millis(400), 1.0), Duration::from_millis(500));
        assert_eq!(spread(Duration::ZERO, 1.0), Duration::ZERO);
    }
}
