//! What is known of a target when a request is about to be sent.

use std::time::Duration;

use fb_core::{Capabilities, Eligibility, Money, Price, TargetId, Usage};

use crate::Facts;

/// What the router knows of one target for one decision.
///
/// A route hands over all its targets, always in the order of its list: a target's place is its index.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// Its name.
    pub target: &'a TargetId,
    /// Lower is tried first, where the strategy heeds it.
    pub priority: u32,
    /// Its share, measured against the other weights of the route; more than 0, at most
    /// [`MAX_WEIGHT`](Self::MAX_WEIGHT), heeded to six decimals.
    pub weight: f64,
    /// What its tokens cost.
    pub price: Option<Price>,
    /// What its model can do.
    pub capabilities: Capabilities,
    /// Whether its model calls several functions at once.
    pub parallel_tools: bool,
    /// Most tokens of one answer, if known.
    pub max_output: Option<u64>,
    /// Where it computes, if the operator said so.
    pub region: Option<&'a str>,
    /// The classes of data it is approved for.
    pub data_classes: &'a [String],
    /// Whether it may be called now, and the share of its usual traffic it gets.
    pub eligibility: Eligibility,
    /// Whether it is known to be healthy; false also while nothing is known.
    pub healthy: bool,
    /// Whether its breaker lets probes through only.
    pub half_open: bool,
    /// Its latency in seconds, a mean that believes peaks at once; `None` until measured.
    pub latency: Option<f64>,
    /// The time to the first token that 95 of 100 calls do not exceed; `None` until measured.
    pub p95: Option<Duration>,
    /// How many calls that is measured over.
    pub samples: u64,
    /// Calls it is working on.
    pub in_flight: u32,
}

impl<'a> Candidate<'a> {
    /// The largest weight.
    pub const MAX_WEIGHT: f64 = 1e6;

    /// A healthy, idle target without limits, never measured.
    pub const fn new(target: &'a TargetId) -> Self {
        Self {
            target,
            priority: 0,
            weight: 1.0,
            price: None,
            capabilities: Capabilities {
                tools: true,
                json_schema: true,
                vision: true,
                streaming: true,
                context: None,
                max_body: None,
            },
            parallel_tools: true,
            max_output: None,
            region: None,
            data_classes: &[],
            eligibility: Eligibility::usable(),
            healthy: true,
            half_open: false,
            latency: None,
            p95: None,
            samples: 0,
            in_flight: 0,
        }
    }

    /// What the request is expected to cost here: its estimated input, and as much output as it allows.
    pub fn cost(&self, facts: &Facts<'_>) -> Option<Money> {
        let usage = Usage { input: facts.input_tokens, output: facts.expected_output(), ..Usage::default() };
        self.price.map(|price| price.cost(usage))
    }

    /// The part of its usual traffic it gets; all of it while it gets none, to rank it for when it is back.
    pub(crate) fn part(&self) -> f64 {
        if self.eligibility.is_usable() { self.eligibility.weight.min(1.0) } else { 1.0 }
    }

    /// Its weight times that part.
    pub(crate) fn share_when_back(&self) -> f64 {
        self.weight * self.part()
    }
}
