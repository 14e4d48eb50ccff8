use super::*;

#[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
fn origin() -> Instant {
    Instant::now()
}

#[test]
fn burst_of_a_minute_is_admitted_and_then_one_by_one() {
    let t = origin();
    let limiter = RequestLimiter::new(NonZeroU32::new(3).unwrap(), t);
    let at = |millis| limiter.try_acquire(t + Duration::from_millis(millis)).map_err(|wait| wait.as_millis());
    assert_eq!([at(0), at(0), at(0)], [Ok(()); 3]);
    assert_eq!(at(0), Err(20_000));
    assert_eq!(at(19_000), Err(1_000));
    assert_eq!(at(20_000), Ok(()));
    assert_eq!(at(20_000), Err(20_000));
    // A clock that steps back changes nothing.
    assert_eq!(at(5_000), Err(20_000));
    assert_eq!(at(100_000), Ok(()));
}

#[test]
fn allowance_is_what_would_be_admitted() {
    let t = origin();
    let limiter = RequestLimiter::new(NonZeroU32::new(3).unwrap(), t);
    let at = |secs| t + Duration::from_secs(secs);
    let left = |secs| {
        let Allowance { limit, remaining, resets_in } = limiter.allowance(at(secs));
        (limit, remaining, resets_in.as_secs())
    };
    assert_eq!(left(0), (3, 3, 0));
    limiter.try_acquire(at(0)).unwrap();
    assert_eq!([left(0), left(0)], [(3, 2, 20); 2], "reading takes nothing");
    limiter.try_acquire(at(0)).unwrap();
    limiter.try_acquire(at(0)).unwrap();
    assert_eq!([left(0), left(19), left(20)], [(3, 0, 60), (3, 0, 41), (3, 1, 40)]);
    limiter.try_acquire(at(20)).unwrap();
    assert_eq!([left(20), left(79), left(100)], [(3, 0, 60), (3, 2, 1), (3, 3, 0)]);
}
