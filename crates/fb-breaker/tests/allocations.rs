//! Operations that must not allocate.

use std::time::{Duration, Instant};

use allocation_counter::measure;
use fb_breaker::{Breaker, BreakerConfig, RejectReason, State, Weight};

#[expect(clippy::disallowed_methods, reason = "an `Instant` can be made in no other way")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn permit_and_success_allocate_nothing() {
    let (start, breaker) = (now(), Breaker::new(BreakerConfig::default(), now).unwrap());
    let counted = measure(|| {
        // Ten calls per second for a minute and a half, so that buckets expire.
        for tick in 0..900 {
            let at = start + Duration::from_millis(100 * tick);
            breaker.try_acquire(at).unwrap().success(at);
        }
    });
    assert_eq!((counted.count_total, breaker.outstanding()), (0, 0));
}

#[test]
fn rejection_allocates_nothing() {
    let (at, breaker) = (now(), Breaker::new(BreakerConfig::default(), now).unwrap());
    for _ in 0..5 {
        breaker.try_acquire(at).unwrap().failure(Weight::FULL, at);
    }
    assert!(matches!(breaker.state(at), State::Open { .. }));
    let counted = measure(|| {
        for _ in 0..100 {
            assert_eq!(breaker.try_acquire(at).unwrap_err().reason, RejectReason::Open);
        }
    });
    assert_eq!(counted.count_total, 0);
}
