use std::{fmt, time::Duration};

use crate::{Attempt, AttemptEnd, Level, ProviderId, Report, RequestSummary, TargetId};

/// A receiver of the events of all requests, for metrics, spans, logs and live displays.
///
/// Events are delivered synchronously, from the task of the request and from `Drop` implementations, and never while an
/// internal lock is held. An implementation
///
/// - may call back into the client, for example to read its statistics;
/// - must return quickly and must not block, because the request waits for it; hand slow work to a channel;
/// - should not panic: the client catches and logs a panic, but not where panics abort the process;
/// - must tolerate concurrent calls and unknown events: events of different requests interleave, and [`Event`] is
///   non-exhaustive.
///
/// The `Started` of an attempt comes before its `Ended`; a skipped target has an `Ended` only. Every request has one
/// `Finished`.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use fb_core::{Event, Observer};
///
/// #[derive(Default)]
/// struct CancelledRequests(AtomicU64);
///
/// impl Observer for CancelledRequests {
///     fn on_event(&self, event: &Event<'_>) {
///         if let Event::Finished { cancelled: true, .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Handles one event.
    fn on_event(&self, event: &Event<'_>);
}

/// A step of a request, or a change of state that a request caused.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call to a target starts.
    Started {
        /// The name of the route.
        route: &'a str,
        /// The target.
        target: &'a TargetId,
        /// The number of the attempt at this target, from 1.
        number: u32,
    },
    /// A call ended, or a target was skipped.
    Ended {
        /// The name of the route.
        route: &'a str,
        /// The completed row of the trace.
        attempt: &'a Attempt,
    },
    /// A request moved from a target that failed or was skipped to another one.
    Hop {
        /// The name of the route.
        route: &'a str,
        /// The tenant; `None` for the default tenant.
        tenant: Option<&'a str>,
        /// The target that the request left.
        from: &'a TargetId,
        /// The target that the request moved to, and that may be skipped in turn.
        to: &'a TargetId,
        /// The failure or the skip after which the request moved.
        reason: &'a AttemptEnd,
    },
    /// The request is over: answered, failed or cancelled by its caller.
    Finished {
        /// The name of the route.
        route: &'a str,
        /// The tenant; `None` for the default tenant.
        tenant: Option<&'a str>,
        /// A summary of the request.
        request: &'a RequestSummary,
        /// `true` if the caller left before the request was over.
        cancelled: bool,
        /// `true` if the calls in the report belong to an identical request that ran at the same time.
        coalesced: bool,
        /// The error that the caller received; `None` after an answer, and if the caller left.
        error: Option<RequestError>,
        /// The report of the request.
        report: &'a Report,
    },
    /// A server in front of the client refused a request before it reached a route.
    Rejected {
        /// The listener, one of a fixed set of names.
        listener: &'static str,
        /// The status and the code of the response.
        error: RequestError,
    },
    /// The first semantic event of a stream arrived: text, a tool call or a refusal.
    FirstToken {
        /// The name of the route.
        route: &'a str,
        /// The target that answers.
        target: &'a TargetId,
        /// The time since the start of the call.
        after: Duration,
    },
    /// A stream that broke after its first output was resumed by another target, or could not be.
    Resumed {
        /// The name of the route.
        route: &'a str,
        /// The target that broke.
        from: &'a TargetId,
        /// The target that goes on with the answer; `None` if the stream ended with an error.
        by: Option<&'a TargetId>,
    },
    /// The circuit breaker of a target changed state.
    Breaker {
        /// The target.
        target: &'a TargetId,
        /// The previous state.
        from: BreakerState,
        /// The new state.
        to: BreakerState,
        /// The cause, one of a fixed set of names in `snake_case`.
        reason: &'static str,
    },
    /// The circuit breaker of a whole provider changed state.
    ProviderBreaker {
        /// The provider.
        provider: &'a ProviderId,
        /// The previous state.
        from: BreakerState,
        /// The new state.
        to: BreakerState,
        /// The cause, as for [`Breaker`](Self::Breaker).
        reason: &'static str,
    },
    /// A tenant or one of its keys reached the warning share of a limit, or was refused a call because of it.
    ///
    /// Sent for the first occurrence in a day of UTC, with the next call of the tenant at the latest.
    Budget {
        /// The tenant.
        tenant: &'a str,
        /// The name of the key that the limit applies to; `None` for a limit of the tenant.
        key: Option<&'a str>,
        /// The name of the limit in the configuration.
        limit: &'static str,
        /// The used share of the limit, 0 to 1.
        share: f64,
        /// `true` if a call was refused.
        refused: bool,
    },
    /// A route moved to another level of the degradation ladder.
    Ladder {
        /// The route.
        route: &'a str,
        /// The previous level.
        from: Level,
        /// The new level.
        to: Level,
    },
    /// Providers or routes were changed while the client runs. Sent before the first request with the new ones, while no
    /// other change can begin: an observer must not change the client here.
    Reconfigured {
        /// The names of all routes.
        routes: &'a [String],
        /// All targets.
        targets: &'a [TargetId],
    },
}

/// An error as an HTTP server reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RequestError {
    /// The status of the response: 200 for a stream that broke after its first output.
    pub status: u16,
    /// The machine-readable code, one of a fixed set of names in `snake_case`.
    pub code: &'static str,
}

impl RequestError {
    /// Creates an error with this status and code.
    pub const fn new(status: u16, code: &'static str) -> Self {
        Self { status, code }
    }
}

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Every call is admitted.
    Closed,
    /// No call is admitted.
    Open,
    /// A limited number of calls is admitted as probes.
    HalfOpen,
}

impl BreakerState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Returns the name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
