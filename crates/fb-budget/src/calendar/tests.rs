use super::*;

fn at(text: &str) -> SystemTime {
    text.parse::<Timestamp>().unwrap().into()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[track_caller]
fn check(calendar: &mut Calendar, wall: &str, expected: (u64, u64)) {
    calendar.advance(at(wall));
    assert_eq!((calendar.day_spent, calendar.month_spent), expected, "{wall}");
}

#[test]
fn days_and_months_begin_at_midnight_of_utc() {
    let mut calendar = Calendar::default();
    check(&mut calendar, "2026-01-30T10:00:00Z", (0, 0));
    calendar.spend(5);
    check(&mut calendar, "2026-01-30T23:59:59Z", (5, 5));
    check(&mut calendar, "2026-01-31T00:00:00Z", (0, 5));
    calendar.spend(2);
    check(&mut calendar, "2026-02-01T00:00:00Z", (0, 0));
    calendar.spend(3);
    check(&mut calendar, "2027-02-01T00:00:00Z", (0, 0));
}

#[test]
fn small_step_back_keeps_the_spend() {
    let mut calendar = Calendar::default();
    calendar.advance(at("2026-01-31T23:59:59Z"));
    calendar.spend(5);
    check(&mut calendar, "2026-02-01T00:00:00Z", (0, 0));
    calendar.spend(7);
    // Two threads may observe midnight in different orders.
    check(&mut calendar, "2026-01-31T23:59:59Z", (7, 7));
    check(&mut calendar, "2026-02-01T00:00:01Z", (7, 7));
}

#[test]
fn large_step_back_is_followed() {
    let mut calendar = Calendar::default();
    calendar.advance(at("2099-01-01T00:00:00Z"));
    calendar.spend(5);
    check(&mut calendar, "2026-01-30T00:00:00Z", (5, 5));
    check(&mut calendar, "2026-01-31T00:00:00Z", (0, 5));
    check(&mut calendar, "2026-02-01T00:00:00Z", (0, 0));
}

#[test]
fn time_until_the_next_window_is_exact() {
    assert_eq!(until_next_day(at("2026-02-27T23:59:00Z")), secs(60));
    assert_eq!(until_next_month(at("2026-02-27T23:59:00Z")), secs(60 + 86_400));
    assert_eq!(until_next_month(at("2028-02-28T00:00:00Z")), secs(2 * 86_400));
    assert_eq!(until_next_month(at("2026-12-31T23:59:59Z")), secs(1));
}
