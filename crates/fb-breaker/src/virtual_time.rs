//! Time for tests: nothing sleeps, each test's own thread holds the hands.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

thread_local! {
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The moment so many milliseconds after the beginning.
pub(crate) fn at(millis: u64) -> Instant {
    beginning() + Duration::from_millis(millis)
}

/// What a breaker under test is given to read the time in `Drop`.
pub(crate) fn now() -> Instant {
    beginning() + ELAPSED.get()
}

/// Sets what [`now`] reads on this thread.
pub(crate) fn set(millis: u64) -> Instant {
    ELAPSED.set(Duration::from_millis(millis));
    now()
}

#[expect(clippy::disallowed_methods, reason = "an `Instant` can be made in no other way")]
fn beginning() -> Instant {
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    *BEGINNING
}
