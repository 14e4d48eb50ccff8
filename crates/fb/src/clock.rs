//! The clock of the engine.

use std::time::Instant;

/// Returns the current time of tokio's clock, so that a test with paused time runs an hour in a millisecond.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
