use std::{fmt, time::Duration};

use crate::{Asked, Attempt, Level, Report, TargetId};

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
        /// For whom the request was made; `None`: `default`.
        tenant: Option<&'a str>,
        /// What it asked for.
        asked: &'a Asked,
        /// Whether its caller left before it was over.
        left: bool,
        /// Whether the calls in its report are those of another request, which was asked for both and told of them.
        shared: bool,
        /// Everything that happened.
        report: &'a Report,
    },
    /// The first semantic event of a stream came: text, a tool call or a refusal.
    FirstToken {
        /// The route asked for.
        route: &'a str,
        /// The target that answers.
        target: &'a TargetId,
        /// Since its call began.
        after: Duration,
    },
    /// The circuit breaker of a target changed its state.
    Breaker {
        /// The target.
        target: &'a TargetId,
        /// What it did.
        from: Circuit,
        /// What it does now.
        to: Circuit,
        /// What caused it: one of the breaker's own few words, in `snake_case`.
        reason: &'static str,
    },
    /// A tenant or one of its keys has used so much of a limit that it is to be warned, or was refused a call by it: the first
    /// time in a day of UTC. Told with its next call at the latest.
    Budget {
        /// The tenant.
        tenant: &'a str,
        /// The key whose limit it is, by name; `None`: it is the tenant's own.
        key: Option<&'a str>,
        /// The limit, by its name in a config.
        limit: &'static str,
        /// How much of it is used, 0 to 1.
        share: f64,
        /// Whether it refused a call.
        refused: bool,
    },
    /// A route moved to another rung of the ladder.
    Ladder {
        /// The route.
        route: &'a str,
        /// Where it was.
        from: Level,
        /// Where it is.
        to: Level,
    },
}

/// What a circuit breaker does, as observers hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Circuit {
    /// Every call is admitted.
    Closed,
    /// No call is admitted.
    Open,
    /// A few calls are admitted as probes.
    HalfOpen,
}

impl Circuit {
    /// Every state once.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
