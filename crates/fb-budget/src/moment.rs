//! A point in time, on both clocks.

use std::time::{Instant, SystemTime};

/// A point in time: `now` for what is counted per minute, `wall` for days and months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// On the clock that never steps back.
    pub now: Instant,
    /// On the clock of the calendar.
    pub wall: SystemTime,
}
