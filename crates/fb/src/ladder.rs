//! The degradation ladder of a route: fewer tokens, a cheaper model, a stale answer, a fixed one.

use std::time::Duration;

use fb_core::Level;

mod config;
mod level_tracker;
mod offline;
mod reduce;

pub use self::config::{Feature, LadderConfig, OfflineConfig, Rung};
pub(crate) use self::{level_tracker::LevelTracker, offline::OfflineCause, reduce::reduce};

/// The level at which the requests of a route start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteLevel {
    /// The name of the route.
    pub route: String,
    /// The level.
    pub level: Level,
    /// True if an operator set the level.
    pub forced: bool,
    /// The time until the operator's choice expires; `None` if it does not.
    pub remaining: Option<Duration>,
}
