//! The standing of an account towards its limits.

use std::{sync::Arc, time::Duration};

use crate::{Limit, Tier};

/// The standing of an account towards its limits on tokens and money, including reserved amounts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// All limits are below `warn_at`.
    Free,
    /// At least one limit has reached `warn_at`.
    Soft {
        /// The limit with the largest used share.
        limit: Limit,
        /// The used share, from `warn_at` to below 1.
        share: f64,
    },
    /// A limit is used up: all calls that cost something are refused.
    Hard {
        /// The limit; of several, the one that resets last.
        limit: Limit,
        /// The time until the limit resets at the latest.
        resets_in: Duration,
    },
}

/// A warning that an account reached `warn_at` of a limit, or that the limit refused a call; each is issued once per
/// day of UTC.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Warning {
    /// The account: `TENANT`, or `TENANT/KEY`.
    pub account: Arc<str>,
    /// The limit.
    pub limit: Limit,
    /// The used share of the limit, 0 to 1.
    pub share: f64,
    /// Set if the limit refused a call; otherwise the account reached `warn_at`.
    pub refused: bool,
}

impl Standing {
    /// Returns the standing that is nearer to a limit or that resets later.
    pub(crate) fn or_nearer(self, other: Self) -> Self {
        let other_is_nearer = match (self, other) {
            (Self::Hard { resets_in, .. }, Self::Hard { resets_in: others, .. }) => others > resets_in,
            (Self::Soft { share, .. }, Self::Soft { share: others, .. }) => others > share,
            (_, Self::Hard { .. }) | (Self::Free, _) => true,
            (Self::Hard { .. }, _) | (Self::Soft { .. }, Self::Free) => false,
        };
        if other_is_nearer { other } else { self }
    }

    /// Returns whether a request of a tenant in this tier should take a cheaper route.
    pub const fn downshifts(&self, tier: Tier) -> bool {
        match self {
            Self::Free => false,
            Self::Soft { .. } | Self::Hard { .. } => matches!(tier, Tier::Standard),
        }
    }
}
