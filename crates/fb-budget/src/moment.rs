//! A point in time on both clocks.

use std::time::{Instant, SystemTime};

/// A point in time: `now` for limits per minute, `wall` for days and months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The reading of the monotonic clock.
    pub now: Instant,
    /// The reading of the wall clock.
    pub wall: SystemTime,
}
