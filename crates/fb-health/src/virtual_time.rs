//! Points in time for tests.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// The instant `secs` seconds after an arbitrary origin.
#[expect(clippy::disallowed_methods, reason = "all instants are relative to an origin that is read once")]
pub(crate) fn at(secs: f64) -> Instant {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    *ORIGIN + Duration::from_secs_f64(secs)
}
