//! A breaker's state for another process or another day.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::Mode;

/// What is worth keeping of a breaker over a restart. It holds durations, no points in time: what an open breaker had
/// left it has left again. Calls counted while closed are forgotten, and probes in flight are of another process.
///
/// ```
/// # use fb_breaker::{Breaker, BreakerConfig, Weight};
/// # use std::time::Instant;
/// let breaker = Breaker::new(BreakerConfig::default(), Instant::now)?;
/// let snapshot = breaker.snapshot(Instant::now());
/// let again = Breaker::new(BreakerConfig::default(), Instant::now)?;
/// again.restore(&snapshot, Instant::now());
/// # Ok::<(), fb_breaker::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snapshot {
    /// How long the breaker stays open; zero when it was half-open, so that the next call probes; `None` when it was
    /// closed.
    #[serde(with = "humantime_serde")]
    pub open_for: Option<Duration>,
    /// How many times the open time has grown.
    pub escalation: u32,
    /// What an operator had decided.
    #[serde(rename = "override")]
    pub forced: Option<Forced>,
}

/// An operator's decision in a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forced {
    /// What it makes the breaker do.
    pub mode: Mode,
    /// Why, in the operator's words.
    pub reason: String,
    /// How long it lasts; `None` is until it is lifted.
    #[serde(default, with = "humantime_serde")]
    pub left: Option<Duration>,
}
