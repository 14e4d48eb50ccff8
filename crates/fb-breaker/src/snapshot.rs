//! The persistent state of a breaker.

use std::time::Duration;

use crate::control::Mode;

/// The state of a breaker to be kept across a restart.
///
/// It contains durations and no points in time: an open breaker stays open for the time that was left. The counts of a
/// closed breaker and the probes in flight are not kept.
///
/// # Examples
///
/// ```
/// # use fb_breaker::{Breaker, BreakerConfig, Weight};
/// # use std::time::Instant;
/// let breaker = Breaker::new(BreakerConfig::default(), Instant::now)?;
/// let snapshot = breaker.snapshot(Instant::now());
/// let restored = Breaker::new(BreakerConfig::default(), Instant::now)?;
/// restored.restore(&snapshot, Instant::now());
/// # Ok::<(), fb_breaker::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Snapshot {
    /// The remaining open time; zero for a half-open breaker, so that the next call is a probe; `None` for a closed one.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub open_for: Option<Duration>,
    /// The number of times that the open time has grown.
    pub escalation: u32,
    /// The consecutive failures that opened the breaker, and the failed probes since; zero for a closed breaker.
    pub failures: u32,
    /// The time since the last failure; `None` for a closed breaker.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub last_failure: Option<Duration>,
    /// The active override.
    #[cfg_attr(feature = "serde", serde(rename = "override"))]
    pub forced: Option<OverrideSnapshot>,
}

/// The override in a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct OverrideSnapshot {
    /// The effect.
    pub mode: Mode,
    /// The operator's reason.
    pub reason: String,
    /// The remaining time; `None` for an override that lasts until it is lifted.
    #[cfg_attr(feature = "serde", serde(default, with = "humantime_serde"))]
    pub left: Option<Duration>,
}
