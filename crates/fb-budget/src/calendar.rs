//! The spend of the current day and month of UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Nano-dollars spent in the day and month of the latest wall clock reading.
///
/// If the wall clock steps back by one day or month, the later one stays current, so that spend around midnight is
/// counted exactly once. If it steps back further, the calendar follows it and keeps the spent amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calendar {
    /// Days since 1970.
    pub(crate) day: u64,
    /// Months since the year 0.
    pub(crate) month: u64,
    pub(crate) day_spent: u64,
    pub(crate) month_spent: u64,
}

impl Calendar {
    /// Moves to the day and month of `wall`, resetting their spend if they are new.
    pub(crate) fn advance(&mut self, wall: SystemTime) {
        let day = day(wall);
        if day == self.day {
            return;
        }
        advance_window(&mut self.day, &mut self.day_spent, day);
        advance_window(&mut self.month, &mut self.month_spent, month(wall));
    }

    pub(crate) const fn spend(&mut self, nanos: u64) {
        self.day_spent = self.day_spent.saturating_add(nanos);
        self.month_spent = self.month_spent.saturating_add(nanos);
    }
}

fn advance_window(window: &mut u64, spent: &mut u64, current: u64) {
    if current > *window {
        *spent = 0;
        *window = current;
    } else if current + 1 < *window {
        *window = current;
    }
}

fn day(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / DAY_SECONDS)
}

fn date(wall: SystemTime) -> Date {
    // A clock beyond the year 9999 is wrong in any case; clamp it to the last representable month.
    Timestamp::try_from(wall).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).date()
}

fn month(wall: SystemTime) -> u64 {
    let date = date(wall);
    let year = u64::try_from(date.year()).unwrap_or(0);
    year * 12 + u64::try_from(date.month()).unwrap_or(1)
}

/// Returns the time until the next day of UTC.
pub(crate) fn until_next_day(wall: SystemTime) -> Duration {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs((day(wall) + 1) * DAY_SECONDS).saturating_sub(since)
}

/// Returns the time until the next month of UTC.
pub(crate) fn until_next_month(wall: SystemTime) -> Duration {
    let date = date(wall);
    let left = u32::from(date.days_in_month().unsigned_abs()) - u32::from(date.day().unsigned_abs());
    until_next_day(wall) + Duration::from_secs(DAY_SECONDS) * left
}

#[cfg(test)]
mod tests;
