use std::fmt;

use fb_core::{Attempt, AttemptEnd, Next, Report, ServedBy, Skip, TargetId, Trace};

#[cfg(test)]
mod tests;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With an answer, also one from the cache or a fixed one.
    Answered,
    /// With a content-policy refusal.
    Blocked,
    /// With a failure that no other target may hide.
    Surfaced,
    /// Every target was tried or skipped.
    Exhausted,
    /// Nobody was called, and somebody only since the tenant may not pay.
    OverBudget,
    /// A stream broke after its first output had been delivered.
    Interrupted,
    /// The caller left.
    Cancelled,
}

impl Outcome {
    /// Reads the outcome off the report of a finished request.
    pub fn of(report: &Report) -> Self {
        let trace = &report.trace;
        let any = |is: fn(&AttemptEnd) -> bool| trace.rows().iter().any(|row| is(&row.end));
        if any(|end| matches!(end, AttemptEnd::Blocked { .. })) {
            return Self::Blocked;
        }
        match &report.served_by {
            Some(ServedBy::Target(id)) => Self::served(trace, id),
            Some(ServedBy::Cache | ServedBy::Static) => Self::Answered,
            // Nobody won, so an attempt that was given up was given up by the caller.
            None if any(|end| matches!(end, AttemptEnd::Cancelled)) || was_left_waiting(trace) => {
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

    /// The word used in metrics.
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

/// Whether a target was waited for and never came up again: the caller left in between.
fn was_left_waiting(trace: &Trace) -> bool {
    let rows = trace.rows();
    rows.iter().enumerate().any(|(index, row)| {
        let waits = matches!(row.next, Next::RetryIn(_) | Next::WaitFor(_));
        waits && !rows[index + 1..].iter().any(|later| later.target == row.target)
    })
}
