//! The fresh and stale windows of an entry.

use std::time::Duration;

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
    /// Returns the phase at an age. The end of a window does not belong to it.
    pub(crate) fn phase(self, age: Duration) -> Phase {
        if age < self.fresh {
            Phase::Fresh
        } else if age < self.fresh.saturating_add(self.stale_if_error) {
            Phase::Stale
        } else {
            Phase::Expired
        }
    }

    pub(crate) fn is_none(self) -> bool {
        self.fresh.is_zero() && self.stale_if_error.is_zero()
    }
}

#[cfg(test)]
mod tests;
