//! What a breaker says about itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a breaker is doing, for display. To decide whether to call, ask
/// [`Breaker::peek`](crate::Breaker::peek).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Every call is admitted.
    Closed,
    /// No call is admitted.
    Open {
        /// When the next call is taken as a probe. Zero if it would be now: without a call nothing happens.
        reopens_in: Duration,
    },
    /// A few calls are admitted as probes.
    HalfOpen,
}

/// A call that the breaker did not admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("breaker is {reason}, retry after {retry_after:?}")]
pub struct Rejected {
    /// When asking again may help, never zero. Others may be quicker, and a probe that settles early frees
    /// its slot before this.
    pub retry_after: Duration,
    /// What stood in the way.
    pub reason: RejectReason,
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// The breaker is open.
    Open,
    /// The breaker is half-open and all its probes are in flight.
    HalfOpenFull,
    /// The one bypass of a breaker that admits nothing else is in flight.
    BypassInFlight,
    /// An operator forced it open.
    Forced,
    /// Most models of its provider are open.
    ProviderOpen,
    /// Its provider's account must be repaired first.
    ProviderShut,
}

/// A breaker went from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// What it was doing.
    pub from: State,
    /// What it does now.
    pub to: State,
    /// What caused it.
    pub reason: TransitionReason,
    /// The generation that began. Grows with every transition, so it orders those of one breaker.
    pub generation: u64,
}

/// What caused a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransitionReason {
    /// Too many failures in a row. Given also when the rate was reached by the same call.
    ConsecutiveFailures,
    /// Too large a share of the calls in the window failed.
    FailureRate,
    /// Too large a share of the calls in the window was slow.
    SlowCalls,
    /// The open time ran out and a call came.
    OpenElapsed,
    /// A call let past the open breaker succeeded.
    BypassSucceeded,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// Enough probes failed.
    ProbesFailed,
    /// Too many probes in a row ended without a verdict.
    ProbesAbandoned,
    /// Someone asked for it.
    Reset,
}

impl TransitionReason {
    /// The word used in metrics.
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

/// Hears of every transition, after the breaker's lock is released.
///
/// It runs in the call that caused the transition, which may be the drop of a permit, so it has to be quick.
/// It may use the breaker. A panic in it ends there. Two transitions of one breaker on two threads may be
/// heard in either order; [`Transition::generation`] tells.
pub type Listener = Arc<dyn Fn(&Transition) + Send + Sync>;

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
            Self::ProviderOpen => "open for the whole provider",
            Self::ProviderShut => "shut for the whole provider",
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
