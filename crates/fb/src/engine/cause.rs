//! The cause of an unanswered request: of all its failures, the one that helps the caller most.

use fb_core::{Attempt, AttemptEnd, ChatRequest, Failure, FailureKind, Skip, TargetId};

use super::context::RequestContext;

/// Returns the failure so far that helps the caller most: one that the caller can repair, or else that of the primary
/// target, or else the first.
pub(super) fn cause(ctx: RequestContext<'_>) -> Option<Failure> {
    most_helpful(
        &failures(ctx, |_, _| None),
        ctx.record.report().primary.as_ref(),
        names_a_target(ctx.request),
    )
}

/// Returns the same among the failures of this request and of the calls before it that made a target unavailable.
pub(super) fn known_cause(ctx: RequestContext<'_>) -> Option<Failure> {
    let last_failure = |target: &TargetId, why: &Skip| {
        ctx.route.target_state(target).filter(|_| why.is_unavailable())?.last_failure()
    };
    most_helpful(
        &failures(ctx, last_failure),
        ctx.record.report().primary.as_ref(),
        names_a_target(ctx.request),
    )
}

/// Returns the failure for which a target of this request rests, if no target could be called: what a trial call would
/// meet again. `None` if a limit on the request explains more.
pub(super) fn cause_of_rest(ctx: RequestContext<'_>) -> Option<Failure> {
    let report = ctx.record.report();
    let explains =
        |row: &Attempt| matches!(&row.end, AttemptEnd::Skipped { why, .. } if why.is_unavailable());
    if !report.trace.rows().iter().all(explains) {
        return None;
    }
    let last_failure = |target: &TargetId, why: &Skip| {
        ctx.route.target_state(target).filter(|_| *why == Skip::Cooling)?.last_failure()
    };
    most_helpful(&failures(ctx, last_failure), report.primary.as_ref(), names_a_target(ctx.request))
}

/// Returns the failures of a request in order, with those that `skipped` returns for targets that were not called.
fn failures(
    ctx: RequestContext<'_>,
    skipped: impl Fn(&TargetId, &Skip) -> Option<Failure>,
) -> Vec<(TargetId, Failure)> {
    let report = ctx.record.report();
    // A target that was tried although the prompt seemed too long for it does not explain the failures of the others.
    let is_expected = |row: &Attempt, failure: &Failure| {
        let excludes = |end: &AttemptEnd| match end {
            AttemptEnd::Skipped { why: Skip::Inadmissible(refusal), .. } => refusal.field == "context",
            _ => false,
        };
        let mut rows = report.trace.rows().iter();
        failure.kind() == FailureKind::ContextLength
            && rows.any(|other| other.target == row.target && excludes(&other.end))
    };
    let failure = |row: &Attempt| match &row.end {
        AttemptEnd::Failed(failure) if is_expected(row, failure) => None,
        AttemptEnd::Failed(failure) => Some(failure.clone()),
        AttemptEnd::Skipped { why, .. } => skipped(&row.target, why),
        AttemptEnd::Running | AttemptEnd::Ok { .. } | AttemptEnd::Blocked { .. } | AttemptEnd::Cancelled => {
            None
        }
    };
    report.trace.rows().iter().filter_map(|row| Some((row.target.clone(), failure(row)?))).collect()
}

/// Returns true if the caller itself can repair the cause, such as an invalid request.
pub(super) fn is_callers_fault(ctx: RequestContext<'_>, cause: Option<&Failure>) -> bool {
    cause.is_some_and(|cause| is_repairable(cause.kind(), names_a_target(ctx.request)))
}

/// Returns true if the caller chose the model. One that only the operator named is nothing that the caller can repair.
fn names_a_target(request: &ChatRequest) -> bool {
    request.head().model.contains('/')
}

const fn is_repairable(kind: FailureKind, names_a_target: bool) -> bool {
    use FailureKind::{ContextLength, InvalidRequest, ModelNotFound, TooLarge, Unknown};
    match kind {
        ContextLength | InvalidRequest | TooLarge | Unknown { server: false } => true,
        ModelNotFound => names_a_target,
        _ => false,
    }
}

fn most_helpful(
    failures: &[(TargetId, Failure)],
    primary: Option<&TargetId>,
    names_a_target: bool,
) -> Option<Failure> {
    let latest_first = || failures.iter().rev();
    let is_operators = |failure: &Failure| failure.kind() == FailureKind::ModelNotFound && !names_a_target;
    let most_helpful = latest_first()
        .find(|(_, failure)| is_repairable(failure.kind(), names_a_target))
        .or_else(|| {
            latest_first().find(|(target, failure)| Some(target) == primary && !is_operators(failure))
        })
        .or_else(|| latest_first().find(|(_, failure)| !is_operators(failure)))
        .or_else(|| failures.first());
    most_helpful.map(|(_, failure)| failure.clone())
}
