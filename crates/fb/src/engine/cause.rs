//! Which of the failures of a request its caller is told of, and whose they are.

use fb_core::{AttemptEnd, ChatRequest, Failure, FailureKind, TargetId, Trace};

use super::{RequestContext, directory::Plan};

/// The failure that tells the caller most, so far.
pub(super) fn cause(ctx: RequestContext<'_>, plan: &Plan) -> Option<Failure> {
    most_telling(&ctx.record.report().trace, plan.primary(), names_a_target(ctx.request))
}

/// A model that only the operator named is nothing the caller can repair.
fn names_a_target(request: &ChatRequest) -> bool {
    request.head().model.contains('/')
}

/// Whether the request failed by its caller's own fault.
pub(super) fn is_callers(ctx: RequestContext<'_>, cause: Option<&Failure>) -> bool {
    let foreign = |kind| kind == FailureKind::ModelNotFound && !names_a_target(ctx.request);
    cause.is_some_and(|cause| is_repairable(cause.kind()) && !foreign(cause.kind()))
}

/// Whether the caller can do something about it, and nobody else.
const fn is_repairable(kind: FailureKind) -> bool {
    use FailureKind::{ContextLength, InvalidRequest, ModelNotFound, TooLarge, Unknown};
    matches!(kind, ContextLength | InvalidRequest | ModelNotFound | TooLarge | Unknown { server: false })
}

/// The failure that tells the caller most: one that the caller can repair, else the primary's, else the first.
fn most_telling(trace: &Trace, primary: Option<&TargetId>, named: bool) -> Option<Failure> {
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
    let foreign = |failure: &Failure| failure.kind() == FailureKind::ModelNotFound && !named;
    let repairable = |failure: &Failure| is_repairable(failure.kind()) && !foreign(failure);
    let told = failures()
        .find(|(_, failure)| repairable(failure))
        .or_else(|| failures().find(|(target, failure)| Some(*target) == primary && !foreign(failure)))
        .or_else(|| failures().find(|(_, failure)| !foreign(failure)))
        .or_else(|| failures().next_back());
    told.map(|(_, failure)| failure.clone())
}
