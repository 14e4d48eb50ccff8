//! The tests' time.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// So many seconds after the beginning.
#[expect(clippy::disallowed_methods, reason = "every point in time is relative to one that is read once")]
pub(crate) fn at(secs: f64) -> Instant {
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    *BEGINNING + Duration::from_secs_f64(secs)
}
