//! What there is to see of one target.

use std::{sync::Arc, time::Duration};

use fb_core::Eligibility;

use crate::endpoint::{Check, Condition};

/// How one target fares, for display. To decide whether to call it, ask [`Member::eligibility`](crate::Member).
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Its name.
    pub name: Arc<str>,
    /// The endpoint it is reached by.
    pub endpoint: Arc<str>,
    /// What the endpoint's answers to probes say.
    pub condition: Condition,
    /// Whether it may be called.
    pub eligibility: Eligibility,
    /// Whether it may be called only because so few of its group are healthy that nobody is left out.
    pub panic: bool,
    /// Calls in the window that ended.
    pub calls: u64,
    /// How many of them failed.
    pub failed: u64,
    /// One more with each error, one less with each success.
    pub errors: u32,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Times to the first output of the latest calls; `None` without one in the last ten minutes.
    pub latency: Option<Latency>,
    /// Tokens per second, by a mean that believes slowness sooner than speed.
    pub tokens_per_second: Option<f64>,
    /// The last probe.
    pub last_check: Option<LastCheck>,
    /// Why the last failed call failed, and how long ago.
    pub last_error: Option<(Arc<str>, Duration)>,
}

/// Times to the first output, of at most 256 calls of the last ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// How many calls.
    pub calls: usize,
    /// The mean.
    pub mean: Duration,
    /// Half of them were not longer.
    pub p50: Duration,
    /// 95 of 100 were not longer.
    pub p95: Duration,
    /// The longest.
    pub max: Duration,
    /// A mean that jumps to a longer time at once and forgets it in about ten seconds: what to rank by.
    pub peak: Duration,
}

/// The last probe of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCheck {
    /// How long ago.
    pub ago: Duration,
    /// What it found.
    pub found: Check,
}
