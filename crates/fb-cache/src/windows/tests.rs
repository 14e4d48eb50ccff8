use std::time::Duration;

use super::{Phase, Windows};

const NANO: Duration = Duration::from_nanos(1);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn just_before(end: Duration) -> Duration {
    end.saturating_sub(NANO)
}

#[test]
fn windows_exclude_their_end() {
    let windows = Windows { fresh: secs(10), stale_if_error: secs(5) };
    let ages =
        [Duration::ZERO, just_before(secs(10)), secs(10), just_before(secs(15)), secs(15), Duration::MAX];
    let phases = ages.map(|age| windows.phase(age));
    let expected = [Phase::Fresh, Phase::Fresh, Phase::Stale, Phase::Stale, Phase::Expired, Phase::Expired];
    assert_eq!(phases, expected);
}

#[test]
fn zero_windows_are_never_open() {
    let fresh_only = Windows { fresh: secs(10), stale_if_error: Duration::ZERO };
    assert_eq!(
        [just_before(secs(10)), secs(10)].map(|age| fresh_only.phase(age)),
        [Phase::Fresh, Phase::Expired]
    );
    let last_known_good = Windows { fresh: Duration::ZERO, stale_if_error: secs(5) };
    let ages = [Duration::ZERO, secs(5)];
    assert_eq!(ages.map(|age| last_known_good.phase(age)), [Phase::Stale, Phase::Expired]);
    let none = Windows { fresh: Duration::ZERO, stale_if_error: Duration::ZERO };
    assert!(none.is_none());
    assert_eq!(none.phase(Duration::ZERO), Phase::Expired);
}

// The sum of both windows must not overflow.
#[test]
fn maximal_windows_never_end() {
    let windows = Windows { fresh: Duration::MAX, stale_if_error: Duration::MAX };
    assert_eq!(windows.phase(just_before(Duration::MAX)), Phase::Fresh);
    let windows = Windows { fresh: secs(1), stale_if_error: Duration::MAX };
    assert_eq!(windows.phase(just_before(Duration::MAX)), Phase::Stale);
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
