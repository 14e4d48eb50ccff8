//! What the tests of this crate have in common.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use fb_core::{Money, TargetId};
use jiff::Timestamp;

use crate::{Amount, Book, Moment};

#[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// So many seconds after noon of the last but one day of January 2026, UTC.
pub(crate) fn at(seconds: u64) -> Moment {
    let noon: SystemTime = "2026-01-30T12:00:00Z".parse::<Timestamp>().unwrap().into();
    let passed = Duration::from_secs(seconds);
    Moment { now: *ORIGIN + passed, wall: noon + passed }
}

/// A millionth of a dollar is 1,000 nano-dollars: amounts here are in millionths.
pub(crate) const fn amount(micros: u64, tokens: u64) -> Amount {
    Amount { cost: Money::from_nanos(micros * 1_000), tokens }
}

pub(crate) fn target() -> TargetId {
    "openai/gpt".parse().unwrap()
}

/// A book of the tenants in this config.
pub(crate) fn book(text: &str) -> Book {
    Book::new(&toml::from_str(text).unwrap(), at(0).now).unwrap()
}
