//! The public view of a breaker: state, rejections and transitions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The state of a breaker, for display. To test whether a call would be admitted, use
/// [`Breaker::peek`](crate::Breaker::peek).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Every call is admitted.
    Closed,
    /// No call is admitted.
    Open {
        /// The time until the next call is admitted as a probe. Zero only in the transition that this call causes.
        reopens_in: Duration,
    },
    /// A limited number of calls is admitted as probes.
    HalfOpen,
}

/// The error for a call that the breaker did not admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("breaker is {reason}, retry after {retry_after:?}")]
#[non_exhaustive]
pub struct Rejected {
    /// The time after which a call may be admitted, never zero.
    ///
    /// Another caller may take the slot first, and a probe that settles early frees its slot before this time.
    pub retry_after: Duration,
    /// The reason for the rejection.
    pub reason: RejectReason,
}

/// The reason for a rejected call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectReason {
    /// The breaker is open.
    Open,
    /// The breaker is half-open with all its probes in flight.
    HalfOpenFull,
    /// The bypass is in flight already; there is one at a time.
    BypassInFlight,
    /// The breaker is forced open.
    Forced,
    /// Its provider is suspended.
    ProviderSuspended,
}

/// A transition of a breaker from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The previous state.
    pub from: State,
    /// The new state.
    pub to: State,
    /// The cause.
    pub reason: TransitionReason,
    /// The generation that starts with this transition. It increases with every transition of a breaker and thus orders
    /// them.
    pub generation: u64,
}

/// The cause of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransitionReason {
    /// Too many consecutive failures. Takes precedence if the same call also reached the failure rate.
    ConsecutiveFailures,
    /// The share of failed calls in the window reached its limit.
    FailureRate,
    /// The share of slow calls in the window reached its limit.
    SlowCalls,
    /// The open time had elapsed when a call arrived.
    OpenElapsed,
    /// A bypass of the open breaker succeeded.
    BypassSucceeded,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// Enough probes failed.
    ProbesFailed,
    /// Too many probes in a row were abandoned.
    ProbesAbandoned,
    /// The breaker was reset.
    Reset,
}

impl TransitionReason {
    /// Returns the name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::FailureRate => "failure_rate",
            Self::SlowCalls => "slow_calls",
            Self::OpenElapsed => "open_elapsed",
            Self::BypassSucceeded => "bypass_succeeded",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::ProbesFailed => "probes_failed",
            Self::ProbesAbandoned => "probes_abandoned",
            Self::Reset => "reset",
        }
    }
}

/// A callback for the transitions of a breaker.
///
/// It runs after the breaker's lock is released, within the operation that caused the transition, which may be the drop of
/// a permit. A listener
///
/// - may call the breaker;
/// - must return quickly and must not block, because the call waits for it;
/// - may panic: the panic is caught and has no effect on the call;
/// - must tolerate reordering: two transitions made on two threads may arrive in either order. Compare
///   [`Transition::generation`].
pub type TransitionListener = Arc<dyn Fn(&Transition) + Send + Sync>;

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Open { reopens_in } if reopens_in.is_zero() => f.write_str("open, next call probes"),
            Self::Open { reopens_in } => write!(f, "open for {reopens_in:?}"),
            Self::HalfOpen => f.write_str("half-open"),
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::HalfOpenFull => "half-open and full",
            Self::BypassInFlight => "bypassed already",
            Self::Forced => "forced open",
            Self::ProviderSuspended => "suspended for the whole provider",
        })
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ({})", self.from, self.to, self.reason)
    }
}

impl fmt::Display for TransitionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConsecutiveFailures => "consecutive failures",
            Self::FailureRate => "failure rate",
            Self::SlowCalls => "slow calls",
            Self::OpenElapsed => "open time elapsed",
            Self::BypassSucceeded => "bypass succeeded",
            Self::ProbesSucceeded => "probes succeeded",
            Self::ProbesFailed => "probes failed",
            Self::ProbesAbandoned => "probes abandoned",
            Self::Reset => "reset",
        })
    }
}
