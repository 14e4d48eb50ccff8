use fb_core::{AttemptEnd, Report, ServedBy, Skip};

use crate::Outcome;

/// Returns `true` if a finished request was not answered by the first admissible target, and `None` if the request is no
/// evidence for or against a fallback.
///
/// The result is `None` if the answer came from the cache before any target was considered, the caller cancelled the
/// request, the failure was surfaced, or the tenant's budget excluded every target. A target that was skipped because it
/// cannot serve the request, or because of the tenant's budget, does not count. A retry of the same target is no
/// fallback, and a block counts as the answer of its target.
pub fn fell_back(report: &Report) -> Option<bool> {
    let outcome = Outcome::from_report(report);
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
