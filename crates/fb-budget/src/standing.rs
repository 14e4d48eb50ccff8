//! How near a tenant is to its limits.

use std::{sync::Arc, time::Duration};

use crate::{Limit, Tier};

/// How near a tenant is to its limits on tokens and money, what is reserved included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// Below `warn_at` everywhere.
    Free,
    /// At `warn_at` or beyond.
    Soft {
        /// The limit of which most is used.
        limit: Limit,
        /// How much of it, `warn_at` to below 1.
        share: f64,
    },
    /// Nothing is left: any call that costs something is refused.
    Hard {
        /// The limit that is reached; of several the one that resets last.
        limit: Limit,
        /// In how long it resets at the latest.
        resets_in: Duration,
    },
}

/// That an account has come to `warn_at` of a limit, or that the limit refused a call: each the first time in a day of UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// The tenant, or `TENANT/KEY`.
    pub account: Arc<str>,
    /// Which limit.
    pub limit: Limit,
    /// How much of it is used, 0 to 1.
    pub share: f64,
    /// Whether it refused a call; else it has come to `warn_at`.
    pub refused: bool,
}

impl Standing {
    /// The one that is nearer to a limit, or that resets later.
    pub(crate) fn or_nearer(self, other: Self) -> Self {
        let is_other = match (self, other) {
            (Self::Hard { resets_in, .. }, Self::Hard { resets_in: others, .. }) => others > resets_in,
            (Self::Soft { share, .. }, Self::Soft { share: others, .. }) => others > share,
            (_, Self::Hard { .. }) | (Self::Free, _) => true,
            (Self::Hard { .. }, _) | (Self::Soft { .. }, Self::Free) => false,
        };
        if is_other { other } else { self }
    }

    /// Whether a request of a tenant of this tier is to take a cheaper route.
    pub const fn downshifts(&self, tier: Tier) -> bool {
        match self {
            Self::Free => false,
            Self::Soft { .. } | Self::Hard { .. } => matches!(tier, Tier::Standard),
        }
    }
}
