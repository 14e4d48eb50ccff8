//! The status of one target, for display.

use std::{sync::Arc, time::Duration};

use fb_core::Eligibility;

use crate::endpoint::{Check, Condition};

/// The status of one target, for display. Use [`Member::eligibility`](crate::Member::eligibility) to decide whether to
/// call it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// The name of the target.
    pub name: Arc<str>,
    /// The endpoint of the target.
    pub endpoint: Arc<str>,
    /// The condition of the endpoint by its health checks.
    pub condition: Condition,
    /// The current eligibility of the target.
    pub eligibility: Eligibility,
    /// Set if the target can be called only because its group is in panic mode.
    pub panic: bool,
    /// The number of calls that ended in the window.
    pub calls: u64,
    /// The number of failed calls among them.
    pub failed: u64,
    /// The error count, which rises by one with each error and falls with each success: by one, unless
    /// [`ErrorsConfig::decay`](crate::ErrorsConfig::decay) differs.
    pub errors: u32,
    /// The number of failures since the last success.
    pub consecutive_failures: u32,
    /// The time to the first output of recent calls; `None` without calls in the last ten minutes.
    pub latency: Option<Latency>,
    /// Tokens per second, by a moving average that follows slowness sooner than speed.
    pub tokens_per_second: Option<f64>,
    /// The last health check of the endpoint.
    pub last_check: Option<LastCheck>,
    /// The reason of the last failed call, and the time since then.
    pub last_error: Option<(Arc<str>, Duration)>,
}

/// The time to the first output, of at most 100 calls in the last ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// The number of calls.
    pub calls: usize,
    /// The mean.
    pub mean: Duration,
    /// The median.
    pub p50: Duration,
    /// The 95th percentile.
    pub p95: Duration,
    /// The maximum.
    pub max: Duration,
    /// A moving average that follows a longer time at once and decays over about ten seconds; suitable for ranking.
    pub peak: Duration,
}

/// The last health check of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastCheck {
    /// The time since the check.
    pub ago: Duration,
    /// The result of the check.
    pub result: Check,
}
