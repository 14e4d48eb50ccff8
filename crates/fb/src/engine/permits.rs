//! The permits of one call: that of the target's circuit breaker, and that of the breaker of its whole provider.

use std::time::{Duration, Instant};

use fb_breaker::{Permit, ProvisionalPermit, Weight};
use fb_core::{Reach, Verdict};

/// The permits of one call. Dropped, they give no verdict.
pub(crate) struct Permits {
    pub(super) target: Permit,
    /// None if an override of the target's breaker admits calls whatever the state of the provider.
    pub(super) provider: Option<Box<Permit>>,
    /// True if all failures of the target count for its provider.
    pub(super) is_shared: bool,
}

/// The permits of a call with a committed stream.
pub(crate) struct OpenPermits {
    target: ProvisionalPermit,
    /// Kept only if all failures of the target count for its provider.
    provider: Option<ProvisionalPermit>,
}

impl Permits {
    /// States the time that the call may take.
    pub(super) fn allowing(self, time: Duration) -> Self {
        let provider = self.provider.map(|permit| Box::new(permit.allowing(time)));
        Self { target: self.target.allowing(time), provider, is_shared: self.is_shared }
    }

    /// Settles the call without a verdict.
    pub(super) fn neutral(self, at: Instant) {
        self.target.neutral(at);
        if let Some(permit) = self.provider {
            permit.neutral(at);
        }
    }

    /// Settles the call with a verdict on the target and the evidence about its provider.
    pub(super) fn settle(self, verdict: Verdict, reach: Reach, hint: Option<Duration>, at: Instant) {
        let of_provider = provider_verdict(verdict, reach, self.is_shared);
        let both = [(Some(self.target), verdict), (self.provider.map(|permit| *permit), of_provider)];
        for (permit, verdict) in both {
            let Some(permit) = permit else { continue };
            match (verdict, weight(verdict, hint)) {
                (_, Some(weight)) => permit.failure(weight, at),
                (Verdict::Success, None) => permit.success(at),
                (Verdict::Neutral | Verdict::Failure { .. }, None) => permit.neutral(at),
            }
        }
    }

    /// Settles the call as a success as long as its stream does not fail.
    pub(super) fn provisional(self, at: Instant) -> OpenPermits {
        let provider = self.provider.and_then(|permit| {
            if self.is_shared {
                return Some(permit.provisional(at));
            }
            permit.success(at);
            None
        });
        OpenPermits { target: self.target.provisional(at), provider }
    }
}

impl OpenPermits {
    /// Replaces the success by a failure, if the verdict is one.
    pub(super) fn fail(self, verdict: Verdict, hint: Option<Duration>, at: Instant) {
        let Some(weight) = weight(verdict, hint) else { return };
        for permit in [Some(self.target), self.provider].into_iter().flatten() {
            permit.failure(weight, at);
        }
    }
}

/// Returns the verdict on a provider: whether it can be reached, unless it shares all failures of the target.
const fn provider_verdict(verdict: Verdict, reach: Reach, is_shared: bool) -> Verdict {
    match (verdict, reach) {
        _ if is_shared => verdict,
        (Verdict::Failure { .. }, Reach::Unreachable) => verdict,
        (_, Reach::Answered) => Verdict::Success,
        (_, Reach::Unreachable | Reach::Unknown) => Verdict::Neutral,
    }
}

/// Returns the weight with which a breaker counts a failure; `None` if the verdict is no failure.
fn weight(verdict: Verdict, hint: Option<Duration>) -> Option<Weight> {
    match verdict {
        Verdict::Success | Verdict::Neutral => None,
        Verdict::Failure { window, streak } => {
            Some(Weight { window, streak, probe: true, retry_after: hint })
        }
    }
}

#[cfg(test)]
mod tests {
    use fb_core::{Failure, FailureKind, Phase};

    use super::*;

    #[test]
    fn only_failures_to_connect_count_for_the_provider_unless_all_are_shared() {
        let failed = Verdict::FULL;
        for (kind, reached) in [
            (FailureKind::Connect, failed),
            (FailureKind::Timeout(Phase::Connect), failed),
            (FailureKind::Network, failed),
            (FailureKind::ServerError, Verdict::Success),
            (FailureKind::Malformed, Verdict::Success),
            (FailureKind::Timeout(Phase::FirstByte), Verdict::Neutral),
            (FailureKind::Timeout(Phase::Total), Verdict::Neutral),
        ] {
            let reach = Failure::new(kind, "").reach();
            assert_eq!(provider_verdict(failed, reach, false), reached, "{kind:?}");
            assert_eq!(provider_verdict(failed, reach, true), failed, "{kind:?}");
            // The time to connect was cut short.
            assert_ne!(provider_verdict(Verdict::Neutral, reach, false), failed, "{kind:?}");
        }
        let refused = Failure::new(FailureKind::Network, "").with_status(521);
        assert_eq!(refused.reach(), Reach::Answered);
    }
}
