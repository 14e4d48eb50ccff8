//! How long an entry may be used.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Answers of language models rarely change within minutes; what they speak of does within hours.
const FRESH: Duration = Duration::from_secs(600);
/// Outlasts the longest outage that a provider is known to have had without telling its users to leave.
const STALE_IF_ERROR: Duration = Duration::from_secs(24 * 3_600);

/// How long an entry may be used, from when it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Windows {
    /// It is as good as a new one; 10 min. Zero keeps it as last known good only.
    #[serde(with = "humantime_serde")]
    pub fresh: Duration,
    /// It is better than nothing, from the end of `fresh`; 24 h. Zero is never.
    #[serde(with = "humantime_serde")]
    pub stale_if_error: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self { fresh: FRESH, stale_if_error: STALE_IF_ERROR }
    }
}

/// What an entry is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Fresh,
    Stale,
    Expired,
}

impl Windows {
    /// What an entry of this age is good for. The end of a window is outside of it.
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
