//! Shared helpers of the unit tests.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use fb_core::{Money, TargetId};
use jiff::Timestamp;

use crate::{Amount, Book, Moment};

#[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The moment `seconds` after noon UTC on 30 January 2026.
pub(crate) fn at(seconds: u64) -> Moment {
    let noon: SystemTime = "2026-01-30T12:00:00Z".parse::<Timestamp>().unwrap().into();
    let elapsed = Duration::from_secs(seconds);
    Moment { now: *ORIGIN + elapsed, wall: noon + elapsed }
}

/// An amount in millionths of a dollar, which are 1,000 nano-dollars each.
pub(crate) const fn amount(micros: u64, tokens: u64) -> Amount {
    Amount { cost: Money::from_nanos(micros * 1_000), tokens }
}

pub(crate) fn target() -> TargetId {
    "openai/gpt".parse().unwrap()
}

/// A book with the tenants of a TOML configuration.
pub(crate) fn book(text: &str) -> Book {
    Book::new(&toml::from_str(text).unwrap(), at(0).now).unwrap()
}
