//! What a route gives when it cannot give all: fewer tokens, a cheaper model, an old answer, a fixed one.

use std::time::Duration;

use fb_core::Level;

mod config;
mod descent;
mod offline;
mod reduce;

pub use self::config::{Feature, LadderConfig, OfflineConfig, Rung};
pub(crate) use self::{descent::Descent, offline::Cause, reduce::reduce};

/// At which level the requests of a route begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLevel {
    /// The route's name.
    pub route: String,
    /// The level.
    pub level: Level,
    /// Whether an operator decided it.
    pub forced: bool,
    /// How long that still lasts; `None`: until it is decided anew.
    pub left: Option<Duration>,
}
