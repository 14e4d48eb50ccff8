use std::fmt;

use fb_core::{Attempt, AttemptEnd, Next, Report, ServedBy, Skip, TargetId, Trace};

#[cfg(test)]
mod tests;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// An answer, including cached and static ones.
    Answered,
    /// A content-policy refusal.
    Blocked,
    /// A failure that is returned to the caller without trying another target.
    Surfaced,
    /// Every target failed or was skipped.
    Exhausted,
    /// No target was called, at least one of them because of the tenant's budget.
    OverBudget,
    /// A stream broke after its first output had been delivered.
    Interrupted,
    /// The caller cancelled the request.
    Cancelled,
}

impl Outcome {
    /// Derives the outcome from the report of a finished request.
    pub fn from_report(report: &Report) -> Self {
        let trace = &report.trace;
        let any = |is: fn(&AttemptEnd) -> bool| trace.rows().iter().any(|row| is(&row.end));
        if any(|end| matches!(end, AttemptEnd::Blocked { .. })) {
            return Self::Blocked;
        }
        match &report.served_by {
            Some(ServedBy::Target(id)) => Self::served(trace, id),
            Some(ServedBy::Cache | ServedBy::Static) => Self::Answered,
            // No target won a race, so a cancelled attempt was cancelled by the caller.
            None if any(|end| matches!(end, AttemptEnd::Cancelled)) || cancelled_while_waiting(trace) => {
                Self::Cancelled
            }
            None if trace.rows().iter().any(|row| row.next == Next::Surface) => Self::Surfaced,
            None if any(|end| matches!(end, AttemptEnd::Skipped { why: Skip::Budget { .. }, .. }))
                && !trace.rows().iter().any(Attempt::is_call) =>
            {
                Self::OverBudget
            }
            None => Self::Exhausted,
        }
    }

    fn served(trace: &Trace, by: &TargetId) -> Self {
        let last = trace.rows().iter().rev().find(|row| row.is_call() && row.target == *by);
        match last.map(|row| &row.end) {
            Some(AttemptEnd::Failed(_)) => Self::Interrupted,
            Some(AttemptEnd::Cancelled | AttemptEnd::Running) => Self::Cancelled,
            _ => Self::Answered,
        }
    }

    /// The label value used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Blocked => "blocked",
            Self::Surfaced => "surfaced",
            Self::Exhausted => "exhausted",
            Self::OverBudget => "over_budget",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The role of a target in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetRole {
    /// The target that the strategy chose first for the request.
    Primary,
    /// Any other target.
    Fallback,
}

impl TargetRole {
    /// Returns the role of a target in the request with this report.
    pub fn of(target: &TargetId, report: &Report) -> Self {
        if report.primary.as_ref() == Some(target) { Self::Primary } else { Self::Fallback }
    }

    /// Returns the role of the target that answered or blocked a finished request. Returns `None` if no target did, or
    /// its stream broke.
    pub fn of_answer(report: &Report) -> Option<Self> {
        let by = match (Outcome::from_report(report), &report.served_by) {
            (Outcome::Answered, Some(ServedBy::Target(by))) => Some(by),
            (Outcome::Blocked, _) => {
                let blocked = |row: &&Attempt| matches!(row.end, AttemptEnd::Blocked { .. });
                report.trace.rows().iter().rfind(blocked).map(|row| &row.target)
            }
            _ => None,
        };
        by.map(|by| Self::of(by, report))
    }

    /// The label value used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Fallback => "fallback",
        }
    }
}

/// Returns `true` if the last wait for a target was never followed by another attempt at it, because the caller cancelled
/// the request meanwhile.
fn cancelled_while_waiting(trace: &Trace) -> bool {
    let rows = trace.rows();
    rows.iter().enumerate().any(|(index, row)| {
        let waits = matches!(row.next, Next::RetryIn(_) | Next::WaitFor(_));
        waits && !rows[index + 1..].iter().any(|later| later.target == row.target)
    })
}
