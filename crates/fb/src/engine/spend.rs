//! Budget of one call: the estimate reserved before it, and the spend charged for it.

use std::time::{Instant, SystemTime};

use fb_budget::{Account, Amount, LedgerStalled, LimitExceeded, Moment, Reservation, TargetPrices};
use fb_core::{ChatRequest, Frame, StreamEvent, TargetId, Usage};
use fb_router::{Facts, estimate_tokens};
use tokio::time::timeout;

/// The tenant of requests that name none.
pub(super) const DEFAULT_TENANT: &str = "default";

/// Pairs an instant with the wall clock: budgets of a day or month follow the calendar.
pub(crate) fn moment(now: Instant) -> Moment {
    Moment { now, wall: wall() }
}

#[cfg(not(test))]
#[expect(clippy::disallowed_methods, reason = "the day on which a call is charged follows the wall clock")]
fn wall() -> SystemTime {
    SystemTime::now()
}

/// Returns noon of 30 January 2026, so that no test runs over midnight and a day takes equally long in all of them.
#[cfg(test)]
fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_769_774_400)
}

/// The estimated tokens of a request, and the account that pays for them.
#[derive(Clone, Copy)]
pub(super) struct CostEstimate<'a> {
    pub(super) account: &'a Account,
    /// Estimated tokens of the prompt.
    input: u64,
    /// The request's limit on output tokens, or the usual length of an answer.
    output: u64,
}

impl<'a> CostEstimate<'a> {
    pub(super) fn new(account: &'a Account, request: &ChatRequest) -> Self {
        let facts = Facts::for_cost(request);
        Self { account, input: facts.input_tokens, output: facts.expected_output() }
    }

    /// Reserves the estimated cost of one call that is not sent yet. The first call also counts the request against the rate limits.
    pub(super) fn reserve(
        self,
        target: &TargetId,
        prices: &TargetPrices,
        is_first_call: bool,
        at: Instant,
    ) -> Result<Box<Spend>, LimitExceeded> {
        let Self { account, input, output } = self;
        let estimate = amount(prices, Usage { input, output, ..Usage::default() });
        let at = moment(at);
        let reservation = if is_first_call {
            account.reserve(target, estimate, at)?
        } else {
            account.reserve_additional(target, estimate, at)?
        };
        Ok(Box::new(Spend {
            reservation,
            prices: prices.clone(),
            input,
            estimated: Amount::default(),
            reported: None,
            is_final: false,
        }))
    }
}

/// Waits until the ledger on disk covers what the account has reserved and spent, or until it is too slow.
///
/// # Errors
/// If the calls that it does not cover are refused then.
pub(super) async fn wait_for_ledger(account: &Account) -> Result<(), LedgerStalled> {
    let Some(mut commit) = account.pending_commit() else { return Ok(()) };
    let most = commit.max_wait();
    if !most.is_zero() && timeout(most, &mut commit).await.is_ok() {
        return Ok(());
    }
    commit.stall()
}

/// The reservation of one call. Dropped unsettled, it charges the spend recorded so far.
pub(crate) struct Spend {
    reservation: Reservation,
    prices: TargetPrices,
    input: u64,
    /// The amount for the prompt and the output received, estimated from bytes.
    estimated: Amount,
    /// The amount for the usage that the provider reported.
    reported: Option<Amount>,
    /// True if the reported usage covers the whole answer.
    is_final: bool,
}

impl Spend {
    /// Records the number of output bytes received so far, replacing the previous number.
    pub(crate) fn record_output(&mut self, bytes: usize) {
        let output = estimate_tokens(u64::try_from(bytes).unwrap_or(u64::MAX));
        let usage = Usage { input: self.input, output, ..Usage::default() };
        self.estimated = amount(&self.prices, usage);
        self.reservation.record_usage(self.used());
    }

    /// Records usage reported by the provider. Before the answer is finished it may cover only its beginning.
    pub(crate) fn record_usage(&mut self, usage: Usage, finished: bool) {
        self.reported = Some(amount(&self.prices, usage));
        self.is_final = finished;
        self.reservation.record_usage(self.used());
    }

    fn used(&self) -> Amount {
        match self.reported {
            Some(reported) if self.is_final => reported,
            Some(reported) => Amount {
                cost: reported.cost.max(self.estimated.cost),
                tokens: reported.tokens.max(self.estimated.tokens),
            },
            None => self.estimated,
        }
    }

    /// Charges the usage that the provider reported, or the spend recorded so far without one.
    pub(crate) fn settle(self, usage: Option<Usage>) {
        let used = usage.map_or_else(|| self.used(), |usage| amount(&self.prices, usage));
        self.reservation.settle(used);
    }

    /// Charges nothing: the call failed in a way that no provider charges for.
    pub(crate) fn release(self) {
        self.reservation.settle(Amount::default());
    }
}

/// Returns the bytes of a frame that providers charge for as output.
pub(crate) fn output_bytes(frame: &Frame) -> usize {
    let bytes = |event: &StreamEvent| match event {
        StreamEvent::Text(text) | StreamEvent::Thinking(text) | StreamEvent::Refusal(text) => text.len(),
        StreamEvent::ToolCall(delta) => delta.name.as_ref().map_or(0, String::len) + delta.arguments.len(),
        StreamEvent::Started { .. }
        | StreamEvent::Finish(_)
        | StreamEvent::Usage(_)
        | StreamEvent::Blocked(_)
        | StreamEvent::Resumed { .. }
        | StreamEvent::Done => 0,
    };
    frame.events.iter().map(bytes).sum()
}

fn amount(prices: &TargetPrices, usage: Usage) -> Amount {
    Amount { cost: prices.cost(usage).unwrap_or_default(), tokens: usage.total() }
}
