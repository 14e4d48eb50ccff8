use crate::{Attempt, Report, TargetId};

/// Hears of every step of every request; for metrics, spans, logs and live displays.
///
/// Called under no lock, from the request's own task and from `Drop`, so an implementation must be quick, must
/// not block and must not panic.
pub trait Observer: Send + Sync + 'static {
    /// Hears of one step.
    fn on(&self, event: &Event<'_>);
}

/// One step of a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call to a target begins.
    Started {
        /// The route asked for.
        route: &'a str,
        /// The target called.
        target: &'a TargetId,
        /// Which attempt at this target it is, from 1.
        number: u32,
    },
    /// A row of the trace is complete: a call ended, or a target was skipped.
    Ended {
        /// The route asked for.
        route: &'a str,
        /// The row.
        attempt: &'a Attempt,
    },
    /// The request is over, answered or not, or its caller left.
    Finished {
        /// The route asked for.
        route: &'a str,
        /// Everything that happened.
        report: &'a Report,
    },
}
