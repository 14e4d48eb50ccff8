//! The attempts at one target: the first call, and its retries.

use std::{
    mem,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use fb_core::{AttemptEnd, Block, BlockForm, CallError, Failure, FailureKind, Limit, Next, Reach, Verdict};
use tokio::time::sleep;

use super::{
    admission::{Denied, acquire},
    admitted::{Admitted, Charge},
    attempt::{Received, attempt},
    context::RequestContext,
    decide::{Requirement, Situation, Step, decide, without_retry},
    inspect::{Inspected, inspect},
    keys::KeyRest,
    outcome::{CommittedStream, TargetOutcome},
    position::Position,
    retries::Retries,
    route_target::RouteTarget,
    spend::{output_bytes, wait_for_ledger},
    suspicion::fingerprint,
};
use crate::clock::now;

/// Returns the calls to a target that the request waited for, before it is called again. If the configuration sets a number
/// of retries, the calls made before count towards it.
pub(super) fn retries_after_wait(ctx: RequestContext<'_>, target: &RouteTarget) -> Retries {
    let counted = target.retry_limit.map_or(0, |_| ctx.record.calls_to(target.id()));
    Retries { counted, ..Retries::default() }
}

/// Calls one target, and retries as the failures, the policy of the target and the envelope of the request allow. If the
/// target may be called again later, `retries.due` is the time from which.
pub(super) async fn try_target(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    position: Position,
    retries: &mut Retries,
) -> TargetOutcome {
    retries.due = None;
    let outcome = call_until_settled(ctx, target, position, retries).await;
    let moves_on = position.is_followed && matches!(outcome, TargetOutcome::MoveOn);
    if moves_on && mem::take(&mut retries.selected) {
        target.state.count(|counters| counters.fallback_from += 1);
    }
    outcome
}

/// Makes the first call and its retries, until one of them ends the attempts at the target.
async fn call_until_settled(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    position: Position,
    retries: &mut Retries,
) -> TargetOutcome {
    loop {
        let repaired = retries.repaired.clone();
        let ctx = repaired.as_ref().map_or(ctx, |request| ctx.with_request(request));
        retries.calls += 1;
        target.state.keys.read_resting(now()).await;
        let is_first_call = !ctx.record.has_called(target.id());
        let mut admitted = match acquire(ctx, target, position, retries.calls).await {
            Ok(admitted) => admitted,
            Err(denied) => return skip(ctx, target, position, retries, denied),
        };
        let began = now();
        if is_first_call {
            retries.selected = count_first_call(ctx, target, began);
        }
        if admitted.key.is_trial() {
            target.provider().reload_key(admitted.key.index()).await;
        }
        admitted.key.record_generation(target.provider());
        let called = attempt(ctx, target, &admitted).await;
        admitted.key.record_end(&called);
        let failure = match called {
            Ok(received) => {
                let took = now().saturating_duration_since(began);
                let may_repair = !position.bypass && retries.repaired.is_none();
                match inspect(ctx, target, position, may_repair, admitted, received) {
                    Inspected::Accepted(admitted, received) => {
                        let outcome = answer(target, *admitted, received, took);
                        if matches!(outcome, TargetOutcome::Reply(..))
                            && let Some(estimate) = ctx.estimate
                        {
                            // The call was made and is billed, even if the bill is not on disk in time.
                            let _stalled = wait_for_ledger(estimate.account).await;
                        }
                        return outcome;
                    }
                    Inspected::Rejected(outcome) => return outcome,
                    Inspected::Repair(request) => retries.repaired = Some(request),
                }
                continue;
            }
            Err(CallError::Blocked(block)) => return blocked(target, admitted, block),
            Err(CallError::Failed(failure)) => failure,
        };
        match retries.settle_failure(ctx, target, position, admitted, failure) {
            ControlFlow::Continue(wait) => pause(wait).await,
            ControlFlow::Break(outcome) => return outcome,
        }
    }
}

impl Retries {
    /// Settles a failed call and returns the wait before its retry, or the outcome if there is none.
    fn settle_failure(
        &mut self,
        ctx: RequestContext<'_>,
        target: &RouteTarget,
        position: Position,
        admitted: Admitted,
        failure: Failure,
    ) -> ControlFlow<TargetOutcome, Duration> {
        let (kind, state, at) = (failure.kind(), &target.state, now());
        let is_stale = kind == FailureKind::StaleConnection;
        self.stale += u32::from(is_stale);
        let is_shortened = admitted.is_shortened && at >= admitted.until;
        state.cool_down(&failure, &admitted.key, || fingerprint(ctx.request), at);
        // A limit or a rejection of one key is no failure of the target as long as another key is free.
        let has_other_key = state.has_other_key(&failure, at);
        let verdict = if has_other_key { Verdict::Neutral } else { self.verdict(kind, is_shortened) };
        state.record_failure(&failure, verdict, at);
        // A connection that is closed again before any answer was not a stale one.
        let reach = if is_stale && self.stale > 1 { Reach::Unreachable } else { failure.reach() };
        let (hint, charge) = (failure.retry_after(), Charge::for_failure(kind));
        let attempt = admitted.settle_failure(verdict, reach, hint, charge);
        if has_other_key && !position.bypass {
            let calls = ctx.record.calls();
            if ctx.envelope.affords_retry(at, Duration::ZERO, calls, position.later) {
                attempt.close(AttemptEnd::Failed(failure), Next::OtherKey);
                return ControlFlow::Continue(Duration::ZERO);
            }
        }
        let failure = state.with_key_hint(failure, at);
        let situation = self.situation(ctx, target, position, &failure, at);
        match decide_within_budget(&situation, target) {
            Step::RetrySame(wait) => {
                let surfaces = without_retry(&situation) == Step::Surface;
                self.to_surface = surfaces.then(|| Box::new(failure.clone()));
                self.counted += u32::from(!is_stale);
                self.wait = wait;
                attempt.close(AttemptEnd::Failed(failure), Next::RetryIn(wait));
                ControlFlow::Continue(wait)
            }
            Step::Later(wait) => {
                self.counted += 1;
                self.wait = wait;
                self.due = at.checked_add(wait);
                attempt.close(AttemptEnd::Failed(failure), position.next());
                ControlFlow::Break(TargetOutcome::MoveOn)
            }
            Step::Next(requirement, limit) => {
                require(ctx, target, requirement);
                if let Some(limit) = limit.filter(|_| !position.bypass) {
                    ctx.record.set_limit(limit);
                }
                attempt.close(AttemptEnd::Failed(failure), position.next());
                ControlFlow::Break(TargetOutcome::MoveOn)
            }
            Step::Surface => {
                attempt.close(AttemptEnd::Failed(failure.clone()), Next::Surface);
                ControlFlow::Break(TargetOutcome::Surfaced(failure))
            }
        }
    }

    /// Returns the situation after a failure, which is settled.
    fn situation<'s>(
        &self,
        ctx: RequestContext<'s>,
        target: &'s RouteTarget,
        position: Position,
        failure: &'s Failure,
        now: Instant,
    ) -> Situation<'s> {
        let state = &target.state;
        Situation {
            failure,
            triggers: target.triggers.as_deref(),
            max_retries: if position.bypass { Some(0) } else { target.retry_limit },
            retries: self.counted,
            last: self.wait,
            stale: self.stale,
            elsewhere: position.elsewhere,
            open: matches!(state.keys.rest(now), Some(KeyRest::Rejected(_))) || state.peek(now).is_err(),
            envelope: ctx.envelope,
            used: ctx.record.calls(),
            later: position.later,
            now,
            random: ctx.random(),
        }
    }

    /// Returns the verdict on a failure. A timeout of a call that earlier attempts or the caller left too little time does
    /// not count against the target; a second stale connection does.
    fn verdict(&self, kind: FailureKind, is_shortened: bool) -> Verdict {
        match kind {
            FailureKind::Timeout(_) if is_shortened => Verdict::Neutral,
            FailureKind::StaleConnection if self.stale > 1 => Verdict::FULL,
            _ => kind.consequences().verdict,
        }
    }
}

/// Decides what follows a failure. A retry that the provider's retry budget does not cover is not made; one after a stale
/// connection is free, as the call before it never arrived.
fn decide_within_budget(situation: &Situation<'_>, target: &RouteTarget) -> Step {
    let step = decide(situation, &target.retry);
    let is_free = situation.failure.kind() == FailureKind::StaleConnection;
    let is_retry = matches!(step, Step::RetrySame(_));
    if !is_retry || is_free || target.state.retry_budget().try_withdraw(situation.now) {
        return step;
    }
    match without_retry(situation) {
        Step::Next(requirement, _) => Step::Next(requirement, Some(Limit::RetryBudget)),
        other => other,
    }
}

/// Counts the first call of a request to a target, which funds the retry budget. Returns true if the target was
/// selected, and false if the call is a fallback after a failure elsewhere.
fn count_first_call(ctx: RequestContext<'_>, target: &RouteTarget, at: Instant) -> bool {
    target.state.retry_budget().deposit(at);
    let selected = !ctx.record.has_failed_elsewhere(target.id());
    target.state.count(|counters| {
        let count = if selected { &mut counters.selected } else { &mut counters.fallback_to };
        *count += 1;
    });
    selected
}

/// Records that the target is not called, and surfaces the failure before if no other target may hide it.
fn skip(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    position: Position,
    retries: &mut Retries,
    denied: Denied,
) -> TargetOutcome {
    target.state.count(|counters| counters.skipped += 1);
    let next = if retries.to_surface.is_some() { Next::Surface } else { position.next() };
    ctx.record.skip(target.id(), denied.skip, denied.reopens, next);
    retries.to_surface.take().map_or(TargetOutcome::MoveOn, |failure| TargetOutcome::Surfaced(*failure))
}

/// Restricts the targets that the request may still try.
fn require(ctx: RequestContext<'_>, failed: &RouteTarget, requirement: Requirement) {
    match requirement {
        Requirement::None => {}
        Requirement::LargerWindow => ctx.record.require_larger_window(failed.capabilities()),
        Requirement::LargerBody => ctx.record.require_larger_body(failed.capabilities()),
    }
}

/// Sleeps, without a timer for a wait of zero.
pub(super) async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

/// Settles a call that was answered. A stream stays open, and is settled when it ends.
fn answer(target: &RouteTarget, admitted: Admitted, received: Received, took: Duration) -> TargetOutcome {
    let (state, at) = (&target.state, now());
    state.count(|counters| counters.record_latency(took));
    state.record_answer();
    if admitted.rest_trial.is_some() {
        state.end_rest(&admitted.key);
    }
    match received {
        Received::Reply(reply) => {
            state.health.record_success(took, at);
            let cost = reply.usage.and_then(|usage| target.prices.cost(usage));
            let end = AttemptEnd::Ok { usage: reply.usage, cost };
            state.health.record_throughput(reply.usage.map_or(0, |usage| usage.output), took, at);
            admitted.settle(Verdict::Success, Charge::for_reply(&reply)).close(end, Next::Nothing);
            TargetOutcome::Reply(target.id().clone(), reply)
        }
        Received::Stream(stream) => {
            state.health.record_first_output(took, at);
            let mut call = admitted.commit(target);
            // Charged from now on, though the caller has not read it yet.
            call.record_output(stream.frames.iter().map(output_bytes).sum());
            call.record_first_output(took);
            TargetOutcome::Stream(Box::new(CommittedStream { stream: *stream, call }))
        }
    }
}

/// Settles a call that was blocked. A block ends the request: no code path leads from here to another call.
fn blocked(target: &RouteTarget, admitted: Admitted, block: Box<Block>) -> TargetOutcome {
    // With status 200 the target did its work; a status of 400 or more is no sign of its health.
    let verdict = match &block.form {
        BlockForm::Body { status, .. } if *status >= 400 => Verdict::Neutral,
        BlockForm::Body { .. } | BlockForm::InStream => Verdict::Success,
    };
    let end = AttemptEnd::Blocked { category: block.category, usage: block.usage };
    let charge = Charge::Used(block.usage, block.partial.len());
    admitted.settle(verdict, charge).close(end, Next::Surface);
    TargetOutcome::Blocked(target.id().clone(), block)
}
