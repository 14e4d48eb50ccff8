use super::*;

#[expect(clippy::disallowed_methods, reason = "any start time will do")]
fn start() -> Instant {
    Instant::now()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
}

#[test]
fn score_starts_full_and_one_defect_does_not_decide() {
    let now = start();
    let mut score = Score::default();
    near(score.value(now), 1.0);
    score.record(false, now);
    near(score.value(now), 5.0 / 6.0);
    score.record(true, now);
    near(score.value(now), 6.0 / 7.0);
}

#[test]
fn answer_counts_half_after_ten_minutes() {
    let now = start();
    let mut score = Score::default();
    for _ in 0..20 {
        score.record(false, now);
    }
    near(score.value(now), 0.2);
    near(score.value(now + Duration::from_secs(600)), 5.0 / 15.0);
    // Later answers weigh more than earlier ones.
    for _ in 0..20 {
        score.record(true, now + Duration::from_secs(600));
    }
    near(score.value(now + Duration::from_secs(600)), 25.0 / 35.0);
    near(score.value(now + Duration::from_secs(86_400)), 1.0);
}

#[test]
fn earlier_time_counts_as_the_latest_known() {
    let now = start() + Duration::from_secs(600);
    let mut score = Score::default();
    score.record(false, now);
    score.record(false, now.checked_sub(Duration::from_secs(600)).unwrap());
    near(score.value(now), 5.0 / 7.0);
}

#[test]
fn penalty_is_linear_between_its_bounds() {
    for (score, expected) in [(1.0, 1.0), (0.95, 1.0), (0.725, 0.55), (0.5, 0.1), (0.0, 0.1), (f64::NAN, 1.0)]
    {
        near(rank_penalty(score), expected);
    }
}
