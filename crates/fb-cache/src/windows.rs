//! The fresh and stale windows of an entry.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Answers of language models rarely change within minutes, but their subject may change within hours.
const FRESH: Duration = Duration::from_secs(600);
/// Longer than the longest known outages of providers.
const STALE_IF_ERROR: Duration = Duration::from_secs(24 * 3_600);

/// The windows in which an entry may be used, counted from the time of storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Windows {
    /// The time in which the entry is as good as a new one. Zero keeps it only as the last known good value. Defaults
    /// to 10 min.
    #[serde(with = "humantime_serde")]
    pub fresh: Duration,
    /// The time after `fresh` in which the entry may be used if no new value is available. Zero disables it. Defaults
    /// to 24 h.
    #[serde(with = "humantime_serde")]
    pub stale_if_error: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self { fresh: FRESH, stale_if_error: STALE_IF_ERROR }
    }
}

/// The phase of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Fresh,
    Stale,
    Expired,
}

impl Windows {
    /// Returns the lifetime of an entry that is stored now.
    pub(crate) fn begin(self, now: Instant) -> Lifetime {
        Lifetime {
            begin: now,
            fresh_until: now.checked_add(self.fresh),
            stale_until: now.checked_add(self.fresh.saturating_add(self.stale_if_error)),
        }
    }

    pub(crate) fn is_none(self) -> bool {
        self.fresh.is_zero() && self.stale_if_error.is_zero()
    }
}

/// The windows of one entry on the clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    begin: Instant,
    /// The ends of the windows; `None` if they are beyond the range of the clock.
    fresh_until: Option<Instant>,
    stale_until: Option<Instant>,
}

impl Lifetime {
    /// Returns the age; zero if the clock stepped back before the begin.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begin)
    }

    /// Returns the phase. The end of a window does not belong to it.
    pub(crate) fn phase(&self, now: Instant) -> Phase {
        let now = now.max(self.begin);
        let is_before = |end: Option<Instant>| end.is_none_or(|end| now < end);
        if is_before(self.fresh_until) {
            Phase::Fresh
        } else if is_before(self.stale_until) {
            Phase::Stale
        } else {
            Phase::Expired
        }
    }
}

#[cfg(test)]
mod tests;
