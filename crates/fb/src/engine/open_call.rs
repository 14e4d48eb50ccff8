//! A call with a committed stream, and its settlement when the stream ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_breaker::ProvisionalPermit;
use fb_budget::TokenPrices;
use fb_core::{AttemptEnd, BlockCategory, Failure, Next, Usage};

use super::{
    record::AttemptRecord,
    spend::Spend,
    target_state::{Slot, TargetState, breaker_weight},
};
use crate::clock::now;

/// A call with a committed stream. Dropped unsettled, the attempt is recorded as cancelled and charged for the spend so
/// far.
pub(crate) struct OpenCall {
    pub(super) attempt: AttemptRecord,
    pub(super) committed_at: Instant,
    pub(super) permit: ProvisionalPermit,
    pub(super) prices: Option<TokenPrices>,
    pub(super) spend: Option<Box<Spend>>,
    pub(super) target: Arc<TargetState>,
    /// Held until the stream ends.
    pub(super) _slot: Slot,
}

impl OpenCall {
    pub(crate) fn target(&self) -> &TargetState {
        &self.target
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
        self.target.health.record_throughput(tokens, at.saturating_duration_since(self.committed_at), at);
        let cost = usage.and_then(|usage| self.prices.map(|prices| prices.cost(usage)));
        self.attempt.close(AttemptEnd::Ok { usage, cost }, Next::Nothing);
    }

    /// Settles a stream that ended with a block.
    pub(crate) fn block(self, category: BlockCategory, usage: Option<Usage>) {
        if let Some(spend) = self.spend {
            spend.settle(usage);
        }
        self.attempt.close(AttemptEnd::Blocked { category, usage }, Next::Nothing);
    }

    /// Settles a stream that broke off: charges the spend so far and counts the failure.
    pub(crate) fn fail(self, failure: &Failure, next: Next) {
        if let Some(spend) = self.spend {
            spend.settle(None);
        }
        let (kind, at) = (failure.kind(), now());
        let verdict = kind.consequences_after_commit().verdict;
        self.target.record_failure(failure, verdict, at);
        if let Some(weight) = breaker_weight(verdict, None) {
            self.permit.failure(weight, at);
        }
        self.attempt.close(AttemptEnd::Failed(failure.clone()), next);
    }
}
