//! The guards of one attempt, and their settlement.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{FailureKind, Phase, Reach, Reply, Usage, Verdict};

use super::{
    key_ring::KeyUse,
    open_call::{OpenCall, OpenHealth},
    permits::Permits,
    record::AttemptRecord,
    route_target::RouteTarget,
    spend::Spend,
    target_state::{RestTrial, Slot},
};
use crate::clock::now;

/// The guards of one attempt. Dropping it undoes everything: the attempt is recorded as cancelled, and the breaker counts
/// nothing.
pub(super) struct Admitted {
    pub(super) permits: Permits,
    pub(super) attempt: AttemptRecord,
    pub(super) slot: Slot,
    pub(super) spend: Option<Box<Spend>>,
    pub(super) key: KeyUse,
    /// Held by a call to a target that rests.
    pub(super) rest_trial: Option<RestTrial>,
    /// The time at which the call times out.
    pub(super) until: Instant,
    /// True if earlier attempts or the caller left the call less time than usual.
    pub(super) is_shortened: bool,
}

/// The basis on which a call is charged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Charge {
    /// Nothing: the provider refused the call or was not reached.
    Nothing,
    /// The usage that the provider reported, or without it the prompt and this many bytes of output.
    Used(Option<Usage>, usize),
}

impl Charge {
    /// Returns the charge for a whole reply.
    pub(super) fn for_reply(reply: &Reply) -> Self {
        let calls = reply.tool_calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>();
        Self::Used(reply.usage, reply.text.len() + reply.thinking.len() + calls)
    }

    /// Returns the charge for a failed call. One that was sent and not answered may have been worked on.
    pub(super) const fn for_failure(kind: FailureKind) -> Self {
        match kind {
            // The request was never sent.
            FailureKind::Timeout(Phase::Connect) => Self::Nothing,
            FailureKind::Timeout(_) | FailureKind::Interrupted | FailureKind::Malformed => {
                Self::Used(None, 0)
            }
            _ => Self::Nothing,
        }
    }
}

impl Admitted {
    /// Settles the call as one that the provider answered, and returns the attempt to be closed with the decision that
    /// follows.
    pub(super) fn settle(self, verdict: Verdict, charge: Charge) -> AttemptRecord {
        self.settle_failure(verdict, Reach::Answered, None, charge)
    }

    /// Settles permits and spend of a call that failed, with the time to wait that the provider named.
    pub(super) fn settle_failure(
        self,
        verdict: Verdict,
        reach: Reach,
        hint: Option<Duration>,
        charge: Charge,
    ) -> AttemptRecord {
        let at = now();
        match (self.spend, charge) {
            (Some(mut spend), Charge::Used(usage, bytes)) => {
                spend.record_output(bytes);
                spend.settle(usage);
            }
            (Some(spend), Charge::Nothing) => spend.release(),
            (None, _) => {}
        }
        self.permits.settle(verdict, reach, hint, at);
        self.attempt
    }

    /// Opens the call of a stream that commits. It counts as a success as long as it does not fail.
    pub(super) fn commit(self, target: &RouteTarget) -> OpenCall {
        let Self { permits, attempt, slot, spend, key, rest_trial: _, until: _, is_shortened: _ } = self;
        let at = now();
        OpenCall {
            attempt,
            committed_at: at,
            idle: target.config.idle,
            permits: permits.provisional(at),
            prices: target.prices.clone(),
            spend,
            key,
            health: OpenHealth::new(Arc::clone(&target.state)),
            _slot: slot,
        }
    }
}
