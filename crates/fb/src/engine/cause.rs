//! The cause of an unanswered request: of all its failures, the one that helps the caller most.

use fb_core::{AttemptEnd, ChatRequest, Failure, FailureKind, TargetId, Trace};

use super::context::RequestContext;

/// Returns the failure so far that helps the caller most: one that the caller can repair, or else that of the primary
/// target, or else the first.
pub(super) fn cause(ctx: RequestContext<'_>) -> Option<Failure> {
    let report = ctx.record.report();
    most_helpful(&report.trace, report.primary.as_ref(), names_a_target(ctx.request))
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

fn most_helpful(trace: &Trace, primary: Option<&TargetId>, names_a_target: bool) -> Option<Failure> {
    // The latest first.
    let failures = || {
        trace.rows().iter().rev().filter_map(|row| match &row.end {
            AttemptEnd::Failed(failure) => Some((&row.target, failure)),
            AttemptEnd::Running
            | AttemptEnd::Ok { .. }
            | AttemptEnd::Blocked { .. }
            | AttemptEnd::Cancelled
            | AttemptEnd::Skipped { .. } => None,
        })
    };
    let is_operators = |failure: &Failure| failure.kind() == FailureKind::ModelNotFound && !names_a_target;
    let most_helpful = failures()
        .find(|(_, failure)| is_repairable(failure.kind(), names_a_target))
        .or_else(|| failures().find(|(target, failure)| Some(*target) == primary && !is_operators(failure)))
        .or_else(|| failures().find(|(_, failure)| !is_operators(failure)))
        .or_else(|| failures().next_back());
    most_helpful.map(|(_, failure)| failure.clone())
}
