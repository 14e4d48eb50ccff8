use fb_core::{AttemptEnd, Report, ServedBy, Skip};

use crate::Outcome;

/// Whether a finished request was answered otherwise than by the first target that could have carried it, or not at
/// all; `None` when it says nothing about that.
///
/// `None`: the answer came from the cache before a target was looked at, the caller left, the failure was surfaced, or the
/// tenant could not pay for anybody. A target that was skipped because the request cannot be carried to it, or its tenant
/// cannot pay for it, does not count. A retry of the
/// same target is no fallback, and a block is the answer of the target that gave it.
pub fn fell_back(report: &Report) -> Option<bool> {
    let outcome = Outcome::of(report);
    if report.trace.rows().is_empty()
        || matches!(outcome, Outcome::Cancelled | Outcome::Surfaced | Outcome::OverBudget)
    {
        return None;
    }
    let by = match &report.served_by {
        Some(ServedBy::Target(id)) => Some(id),
        Some(ServedBy::Cache | ServedBy::Static) | None => None,
    };
    let passed = report.trace.rows().iter().any(|row| match &row.end {
        AttemptEnd::Failed(_) => by != Some(&row.target),
        AttemptEnd::Skipped { why, .. } => {
            by != Some(&row.target) && !matches!(why, Skip::Inadmissible(_) | Skip::Budget { .. })
        }
        AttemptEnd::Running | AttemptEnd::Ok { .. } | AttemptEnd::Blocked { .. } | AttemptEnd::Cancelled => {
            false
        }
    });
    Some(passed || outcome == Outcome::Exhausted)
}
