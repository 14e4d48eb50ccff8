//! A call with a committed stream, and its settlement when the stream ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_budget::TargetPrices;
use fb_core::{AttemptEnd, BlockCategory, Failure, Next, Usage, Verdict};

use super::{
    key_ring::KeyUse,
    permits::OpenPermits,
    record::AttemptRecord,
    spend::Spend,
    target_state::{Slot, TargetState},
};
use crate::clock::now;

/// A call with a committed stream. Dropped unsettled, the attempt is recorded as cancelled and charged for the spend so
/// far.
pub(crate) struct OpenCall {
    pub(super) attempt: AttemptRecord,
    pub(super) committed_at: Instant,
    /// The longest silence of the stream, if the target sets it.
    pub(super) idle: Option<Duration>,
    pub(super) permits: OpenPermits,
    pub(super) prices: TargetPrices,
    pub(super) spend: Option<Box<Spend>>,
    pub(super) key: KeyUse,
    pub(super) health: OpenHealth,
    /// Held until the stream ends.
    pub(super) _slot: Slot,
}

/// The health of a target during a stream. When dropped, it records that the stream ended, unless it failed.
pub(crate) struct OpenHealth {
    target: Arc<TargetState>,
    failed: bool,
}

impl OpenHealth {
    pub(super) const fn new(target: Arc<TargetState>) -> Self {
        Self { target, failed: false }
    }

    fn fail(mut self, failure: &Failure, verdict: Verdict, at: Instant) {
        self.failed = matches!(verdict, Verdict::Failure { streak: true, .. });
        self.target.record_failure(failure, verdict, at);
    }
}

impl Drop for OpenHealth {
    fn drop(&mut self) {
        if !self.failed {
            self.target.health.record_end(now());
        }
    }
}

impl OpenCall {
    pub(crate) fn target(&self) -> &TargetState {
        &self.health.target
    }

    /// Records the time to the first output.
    pub(super) fn record_first_output(&self, took: Duration) {
        self.attempt.record_first_output(took);
    }

    /// Records the number of output bytes received so far.
    pub(crate) fn record_output(&mut self, bytes: usize) {
        if let Some(spend) = &mut self.spend {
            spend.record_output(bytes);
        }
    }

    /// Records usage reported by the provider: the charge if the caller leaves now.
    pub(crate) fn record_usage(&mut self, usage: Usage, finished: bool) {
        if let Some(spend) = &mut self.spend {
            spend.record_usage(usage, finished);
        }
    }

    /// Settles a stream that ended with its provider's end signal.
    pub(crate) fn succeed(self, usage: Option<Usage>) {
        if let Some(spend) = self.spend {
            spend.settle(usage);
        }
        let (at, tokens) = (now(), usage.map_or(0, |usage| usage.output));
        let took = at.saturating_duration_since(self.committed_at);
        self.health.target.health.record_throughput(tokens, took, at);
        let cost = usage.and_then(|usage| self.prices.cost(usage));
        self.attempt.close(AttemptEnd::Ok { usage, cost }, Next::Nothing);
    }

    /// Settles a stream that ended with a block.
    pub(crate) fn block(self, category: BlockCategory, usage: Option<Usage>) {
        if let Some(spend) = self.spend {
            spend.settle(usage);
        }
        self.attempt.close(AttemptEnd::Blocked { category, usage }, Next::Nothing);
    }

    /// Settles a stream that broke off: charges the spend so far, and counts the failure as one before the first output.
    pub(crate) fn fail(self, failure: &Failure, next: Next) {
        if let Some(spend) = self.spend {
            spend.settle(None);
        }
        let (kind, at) = (failure.kind(), now());
        let (consequences, hint) = (kind.consequences_after_commit(), failure.retry_after());
        self.permits.fail(consequences.verdict, hint, at);
        // The request is not kept with its stream, so that all failures of unclear cause in streams count as one request.
        self.health.target.cool_down(failure, &self.key, || 0, at);
        self.health.fail(failure, consequences.verdict, at);
        self.attempt.close(AttemptEnd::Failed(failure.clone()), next);
    }
}
