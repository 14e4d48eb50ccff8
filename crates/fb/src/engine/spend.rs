//! What the calls of a request may cost their tenant, and what they did cost.

use std::time::{Instant, SystemTime};

use fb_budget::{Account, Amount, LimitExceeded, Limits, Moment, Reservation, TokenPrices};
use fb_core::{ChatRequest, Frame, Refusal, StreamEvent, Usage};
use fb_router::{Facts, estimate_tokens};

use super::target_state::RouteTarget;

/// When something is paid: days and months are the wall clock's.
pub(crate) fn moment(now: Instant) -> Moment {
    Moment { now, wall: wall() }
}

#[cfg(not(test))]
#[expect(clippy::disallowed_methods, reason = "the day something is billed on is the wall clock's")]
fn wall() -> SystemTime {
    SystemTime::now()
}

/// Noon of 30 January 2026: no test runs over midnight, and a day is over in the same time in all of them.
#[cfg(test)]
fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_769_774_400)
}

/// What the engine knows of a request's cost.
#[derive(Clone, Copy)]
pub(super) struct CostEstimate<'a> {
    pub(super) account: &'a Account,
    /// Estimated tokens of the prompt.
    input: u64,
    /// Most tokens of the answer, or what is usual.
    output: u64,
}

impl<'a> CostEstimate<'a> {
    pub(super) fn of(account: &'a Account, request: &ChatRequest) -> Self {
        let facts = Facts::from_request(request);
        Self { account, input: facts.input_tokens, output: facts.expected_output() }
    }

    /// Reserves what one call may cost; the first of a request counts the request.
    pub(super) fn reserve(
        self,
        target: &RouteTarget,
        first: bool,
        at: Instant,
    ) -> Result<Box<Spend>, LimitExceeded> {
        let Self { account, input, output } = self;
        let prices = target.prices.clone();
        let estimate = amount(prices.as_ref(), Usage { input, output, ..Usage::default() });
        let (id, at) = (target.id(), moment(at));
        let reservation = if first {
            account.reserve(id, estimate, at)?
        } else {
            account.reserve_additional(id, estimate, at)?
        };
        let mut spend = Box::new(Spend {
            reservation,
            prices,
            input,
            said: Amount::default(),
            counted: None,
            all: false,
        });
        // A call that is given up was sent: its prompt was read.
        spend.record_output(0);
        Ok(spend)
    }
}

/// What one call holds of its tenant's budget. Dropped, it pays for what was used so far.
pub(crate) struct Spend {
    reservation: Reservation,
    prices: Option<TokenPrices>,
    input: u64,
    /// The prompt, and what was said, as we reckon it.
    said: Amount,
    /// What its provider counted.
    counted: Option<Amount>,
    /// Whether that is all.
    all: bool,
}

impl Spend {
    /// The call has said so many bytes.
    pub(crate) fn record_output(&mut self, said: usize) {
        let output = estimate_tokens(u64::try_from(said).unwrap_or(u64::MAX));
        let usage = Usage { input: self.input, output, ..Usage::default() };
        self.said = amount(self.prices.as_ref(), usage);
        self.reservation.record_usage(self.used());
    }

    /// The provider has counted this: all of it when the answer is finished, else it may be the count of its beginning.
    pub(crate) fn record_usage(&mut self, usage: Usage, finished: bool) {
        self.counted = Some(amount(self.prices.as_ref(), usage));
        self.all = finished;
        self.reservation.record_usage(self.used());
    }

    fn used(&self) -> Amount {
        match self.counted {
            Some(counted) if self.all => counted,
            Some(counted) => Amount {
                cost: counted.cost.max(self.said.cost),
                tokens: counted.tokens.max(self.said.tokens),
            },
            None => self.said,
        }
    }

    /// The call ended, and its provider counted this; without counts what was used so far is paid.
    pub(crate) fn settle(self, usage: Option<Usage>) {
        let used = usage.map_or_else(|| self.used(), |usage| amount(self.prices.as_ref(), usage));
        self.reservation.settle(used);
    }

    /// The call came to nothing that a provider charges for.
    pub(crate) fn release(self) {
        self.reservation.settle(Amount::default());
    }
}

/// Bytes of a frame that are output: what is charged for.
pub(crate) fn said(frame: &Frame) -> usize {
    let of = |event: &StreamEvent| match event {
        StreamEvent::Text(text) | StreamEvent::Thinking(text) | StreamEvent::Refusal(text) => text.len(),
        StreamEvent::ToolCall(delta) => delta.name.as_ref().map_or(0, String::len) + delta.arguments.len(),
        StreamEvent::Started { .. }
        | StreamEvent::Finish(_)
        | StreamEvent::Usage(_)
        | StreamEvent::Blocked(_)
        | StreamEvent::Resumed { .. }
        | StreamEvent::Done => 0,
    };
    frame.events.iter().map(of).sum()
}

fn amount(prices: Option<&TokenPrices>, usage: Usage) -> Amount {
    let cost = prices.map(|prices| prices.cost(usage)).unwrap_or_default();
    Amount { cost, tokens: usage.total() }
}

/// Whether a tenant's requests may be sent to a target at all.
pub(super) fn may_see(limits: &Limits, target: &RouteTarget) -> Result<(), Refusal> {
    target.is_open_to(&Facts {
        regions: limits.regions.as_deref(),
        data_class: limits.data_class.as_deref(),
        allowed: limits.allowed.as_deref(),
        ..Facts::default()
    })
}
