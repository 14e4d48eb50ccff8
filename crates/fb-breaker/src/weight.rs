use std::time::Duration;

/// The effects of one failure on a breaker.
///
/// The effects are independent of each other. A target that is up but throttles its callers should raise the failure rate
/// a little, must not count as an outage, and must not pass as a good probe:
///
/// ```
/// # use fb_breaker::Weight;
/// let throttled = Weight { window: 25, streak: false, ..Weight::FULL };
/// assert!(throttled.probe);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The share of a failure in the rate window, in hundredths. Above 100 the call counts as more than one failure; at
    /// 0 it counts as a call only.
    pub window: u8,
    /// `true` if it counts towards the consecutive failures. Otherwise it neither extends nor ends a streak.
    pub streak: bool,
    /// `true` if it fails a half-open probe. Otherwise the probe ends without a verdict and frees its slot.
    pub probe: bool,
    /// The time to wait that the target sent, such as `Retry-After`.
    ///
    /// If this failure opens the breaker, the breaker stays open for at least this long, even beyond
    /// [`OpenConfig::max`](crate::OpenConfig::max). Callers that take the value from a remote peer must bound it.
    pub retry_after: Option<Duration>,
}

impl Weight {
    /// A whole failure in every respect, without a `retry_after`.
    pub const FULL: Self = Self { window: 100, streak: true, probe: true, retry_after: None };

    /// Sets the time to wait that the target sent.
    #[must_use]
    pub const fn with_retry_after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }
}
