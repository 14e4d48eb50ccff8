use std::time::{Duration, Instant};

use super::{Phase, Windows};

const NANO: Duration = Duration::from_nanos(1);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn just_before(end: Duration) -> Duration {
    end.saturating_sub(NANO)
}

/// Returns the phases at ages.
#[expect(clippy::disallowed_methods, reason = "an arbitrary start time")]
fn phases<const N: usize>(windows: Windows, ages: [Duration; N]) -> [Phase; N] {
    let begin = Instant::now();
    ages.map(|age| windows.begin(begin).phase(begin + age))
}

#[test]
fn windows_exclude_their_end() {
    let windows = Windows { fresh: secs(10), stale_if_error: secs(5) };
    let ages =
        [Duration::ZERO, just_before(secs(10)), secs(10), just_before(secs(15)), secs(15), secs(1 << 32)];
    let expected = [Phase::Fresh, Phase::Fresh, Phase::Stale, Phase::Stale, Phase::Expired, Phase::Expired];
    assert_eq!(phases(windows, ages), expected);
}

#[test]
fn zero_windows_are_never_open() {
    let fresh_only = Windows { fresh: secs(10), stale_if_error: Duration::ZERO };
    assert_eq!(phases(fresh_only, [just_before(secs(10)), secs(10)]), [Phase::Fresh, Phase::Expired]);
    let last_known_good = Windows { fresh: Duration::ZERO, stale_if_error: secs(5) };
    let ages = [Duration::ZERO, secs(5)];
    assert_eq!(phases(last_known_good, ages), [Phase::Stale, Phase::Expired]);
    let none = Windows { fresh: Duration::ZERO, stale_if_error: Duration::ZERO };
    assert!(none.is_none());
    assert_eq!(phases(none, [Duration::ZERO]), [Phase::Expired]);
}

// The sum of both windows must not overflow.
#[test]
fn maximal_windows_never_end() {
    let windows = Windows { fresh: Duration::MAX, stale_if_error: Duration::MAX };
    assert_eq!(phases(windows, [secs(1 << 40)]), [Phase::Fresh]);
    let windows = Windows { fresh: secs(1), stale_if_error: Duration::MAX };
    assert_eq!(phases(windows, [secs(1 << 40)]), [Phase::Stale]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "an arbitrary start time")]
fn clock_that_steps_back_does_not_open_a_window() {
    let last_known_good = Windows { fresh: Duration::ZERO, stale_if_error: secs(5) };
    let earlier = Instant::now();
    let lifetime = last_known_good.begin(earlier + secs(50));
    assert_eq!((lifetime.phase(earlier), lifetime.age(earlier)), (Phase::Stale, secs(0)));
}

#[test]
fn windows_are_read_as_humantime() {
    let windows: Windows = serde_json::from_str(r#"{"fresh": "5m"}"#).unwrap();
    assert_eq!(windows, Windows { fresh: secs(300), stale_if_error: secs(86_400) });
    let error = serde_json::from_str::<Windows>(r#"{"stale": "5m"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown field `stale`, expected `fresh` or `stale_if_error` at line 1 column 8"
    );
}
