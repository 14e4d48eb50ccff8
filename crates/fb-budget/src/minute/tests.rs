use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
fn origin() -> Instant {
    Instant::now()
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn fits_returns_the_time_until_there_is_room() {
    let t = origin();
    let mut minute = MinuteWindow::default();
    minute.advance(t);
    minute.add(60);
    minute.advance(t + secs(12));
    minute.add(40);
    let fits = |tokens| minute.fits(tokens, 100, t + secs(12));
    assert_eq!(fits(0), Ok(()));
    assert_eq!(fits(60), Err(Some(secs(65 - 12))));
    assert_eq!(fits(61), Err(Some(secs(75 - 12))));
    assert_eq!(fits(101), Err(None));
    minute.advance(t + secs(65));
    assert_eq!(minute.used(), 40);
    assert_eq!(minute.fits(60, 100, t + secs(65)), Ok(()));
}

#[test]
fn removed_tokens_no_longer_count_unless_expired() {
    let t = origin();
    let mut minute = MinuteWindow::default();
    minute.advance(t);
    let mut counted = minute.add(60);
    assert_eq!(minute.remove(&mut counted, 20), 20);
    assert_eq!(minute.used(), 40);
    assert_eq!(minute.remove(&mut counted, 10), 10);
    assert_eq!(minute.used(), 30);
    minute.advance(t + secs(65));
    minute.add(30);
    assert_eq!(minute.remove(&mut counted, 30), 0);
    assert_eq!(minute.used(), 30);
}

#[test]
fn backward_clock_and_long_idle_time_are_handled() {
    let t = origin();
    let mut minute = MinuteWindow::default();
    minute.advance(t + secs(30));
    minute.add(60);
    minute.advance(t);
    assert_eq!(minute.used(), 60);
    minute.advance(t + secs(1 << 40));
    assert_eq!(minute.used(), 0);
}

#[test]
fn allowance_is_what_fits_and_the_time_until_nothing_counts() {
    let t = origin();
    let mut minute = MinuteWindow::default();
    let left = |minute: &MinuteWindow, at| {
        let Allowance { limit, remaining, resets_in } = minute.clone().allowance(100, t + secs(at));
        (limit, remaining, resets_in)
    };
    assert_eq!(left(&minute, 0), (100, 100, secs(0)));
    minute.advance(t);
    minute.add(60);
    minute.advance(t + secs(12));
    minute.add(50);
    assert_eq!(left(&minute, 12), (100, 0, secs(63)), "an answer may be longer than its estimate");
    assert_eq!(left(&minute, 65), (100, 50, secs(10)));
    assert_eq!(left(&minute, 75), (100, 100, secs(0)));
}

proptest! {
    #[test]
    fn no_sixty_seconds_exceed_the_limit(steps in prop::collection::vec((0..20_000u64, 0..60u64), 1..80)) {
        let t = origin();
        let mut minute = MinuteWindow::default();
        let mut taken: Vec<(Duration, u64)> = Vec::new();
        let mut at = Duration::ZERO;
        for (wait, tokens) in steps {
            at += Duration::from_millis(wait);
            minute.advance(t + at);
            if let Err(wait) = minute.fits(tokens, 100, t + at) {
                at += wait.unwrap();
                minute.advance(t + at);
                prop_assert_eq!(minute.fits(tokens, 100, t + at), Ok(()), "fits after the returned wait");
            }
            minute.add(tokens);
            taken.push((at, tokens));
            let last: u64 = taken.iter().filter(|(added, _)| *added + secs(60) > at).map(|(_, n)| n).sum();
            prop_assert!(last <= 100, "{last} tokens in the last minute");
        }
    }
}
