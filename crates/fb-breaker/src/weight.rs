use std::time::Duration;

/// What one failure does to a breaker.
///
/// The three effects are separate because they answer different questions. A target that is up but refuses
/// because it is asked too often should lower the failure rate a little, must not count as an outage, and
/// must not pass as a good probe:
///
/// ```
/// # use fb_breaker::Weight;
/// let throttled = Weight { window: 25, streak: false, ..Weight::FULL };
/// assert!(throttled.probe);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// How much of a failure the call is in the rate window, in hundredths. Above 100 one call counts as
    /// more than one failure; at 0 it counts as a call only.
    pub window: u8,
    /// Whether it adds to the consecutive failures. If not it does not end a streak either.
    pub streak: bool,
    /// Whether it fails a half-open probe. If not the probe gives no verdict and its slot is free again.
    pub probe: bool,
    /// How long the target asked to be left alone. If this failure opens the breaker, it stays open for at
    /// least this long, even beyond [`OpenConfig::max`](crate::OpenConfig::max): whoever reads hints from
    /// the outside has to bound them.
    pub hint: Option<Duration>,
}

impl Weight {
    /// A whole failure in every respect, without a hint.
    pub const FULL: Self = Self { window: 100, streak: true, probe: true, hint: None };

    /// Adds the time for which the target asked to be left alone.
    #[must_use]
    pub const fn with_hint(self, hint: Duration) -> Self {
        Self { hint: Some(hint), ..self }
    }
}
