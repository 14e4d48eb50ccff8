//! Virtual time for tests: nothing sleeps, and every test thread sets its own clock.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

thread_local! {
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Returns the time `millis` milliseconds after the origin.
pub(crate) fn at(millis: u64) -> Instant {
    origin() + Duration::from_millis(millis)
}

/// Returns the virtual time of this thread, as the clock of a breaker under test.
pub(crate) fn now() -> Instant {
    origin() + ELAPSED.get()
}

/// Sets the virtual time of this thread.
pub(crate) fn set(millis: u64) -> Instant {
    ELAPSED.set(Duration::from_millis(millis));
    now()
}

#[expect(clippy::disallowed_methods, reason = "an `Instant` can be made in no other way")]
fn origin() -> Instant {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    *ORIGIN
}
