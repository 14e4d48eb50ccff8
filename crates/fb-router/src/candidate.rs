//! The state of one target at the moment of a routing decision.

use std::time::Duration;

use fb_core::{Capabilities, Eligibility, Price, TargetId};

/// The properties and current state of one target, for one decision.
///
/// A route passes all its targets, always in the order of its list: a target is identified by its index.
///
/// # Examples
///
/// ```
/// use fb_core::{Price, TargetId};
/// use fb_router::Candidate;
///
/// let target: TargetId = "openai/small".parse()?;
/// let price = Price { input: 0.1, output: 0.4 };
/// let candidate = Candidate { price: Some(price), region: Some("eu"), ..Candidate::new(&target) };
/// assert!(candidate.eligibility.is_usable());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The name of the target.
    pub target: &'a TargetId,
    /// The priority, for strategies that use it; the lowest comes first.
    pub priority: u32,
    /// The weight relative to the other targets of the route; greater than 0, at most
    /// [`MAX_WEIGHT`](Self::MAX_WEIGHT), used to six decimals.
    pub weight: f64,
    /// The price of the target's tokens.
    pub price: Option<Price>,
    /// The capabilities of the target's model.
    pub capabilities: Capabilities,
    /// Set if the model can call several functions at once.
    pub parallel_tools: bool,
    /// The maximum number of tokens of one answer, if known.
    pub max_output: Option<u64>,
    /// The region in which the target computes, if configured.
    pub region: Option<&'a str>,
    /// The data classes for which the target is approved.
    pub data_classes: &'a [String],
    /// The eligibility now, and the share of its usual traffic that the target receives.
    pub eligibility: Eligibility,
    /// Set if the target is known to be healthy; unset also while its health is unknown.
    pub healthy: bool,
    /// Set while the target's circuit breaker admits only probes.
    pub half_open: bool,
    /// The peak-sensitive moving average of the latency, in seconds; `None` until measured.
    pub latency: Option<f64>,
    /// The 95th percentile of the time to the first token; `None` until measured.
    pub p95: Option<Duration>,
    /// The number of calls in that percentile.
    pub samples: u64,
    /// The number of calls in flight.
    pub in_flight: u32,
}

impl<'a> Candidate<'a> {
    /// The largest weight.
    pub const MAX_WEIGHT: f64 = 1e6;

    /// Creates a healthy, idle candidate without limits and without measurements.
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
                prefill: false,
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

    /// Returns the share of its usual traffic that the target receives.
    ///
    /// This is 1 while the target cannot be called, so that it is ranked by what it will be when it can.
    pub(crate) fn traffic_share(&self) -> f64 {
        if self.eligibility.is_usable() { self.eligibility.weight.min(1.0) } else { 1.0 }
    }

    /// Returns the weight scaled by [`traffic_share`](Self::traffic_share).
    pub(crate) fn effective_weight(&self) -> f64 {
        self.weight * self.traffic_share()
    }
}
