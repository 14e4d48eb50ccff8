use super::*;
use crate::config::OutlierConfig;
use crate::virtual_time::at;

/// Ejections of 30 s that grow up to 300 s.
fn growing() -> HealthConfig {
    let outlier = OutlierConfig {
        base: Duration::from_secs(30),
        max: Duration::from_secs(300),
        ..OutlierConfig::default()
    };
    HealthConfig { outlier, ..HealthConfig::default() }
}

fn failed(passive: &mut PassiveHealth, secs: f64) {
    passive.record_failure(Origin::Remote, "500".into(), at(secs), &RampConfig::default());
}

#[test]
fn traffic_ramps_up_and_restarts_after_a_failure() {
    let config = growing();
    let mut passive = PassiveHealth::new(&config, at(0.0));
    let percent =
        |passive: &PassiveHealth, secs| (passive.share(&config.ramp, at(secs)) * 100.0).round().to_string();
    failed(&mut passive, 0.0);
    assert_eq!((passive.ejected_for(at(0.0)), percent(&passive, 0.0)), (None, "100".to_owned()));
    passive.eject(&config, at(1.0), 0.5);
    assert_eq!(passive.ejected_for(at(11.0)), Some(Duration::from_secs(20)));
    assert_eq!(passive.counts(at(11.0)), Counts::default());
    assert_eq!(passive.ejected_for(at(31.0)), None);
    assert_eq!([31.0, 46.0, 61.0].map(|secs| percent(&passive, secs)), ["10", "50", "100"]);
    failed(&mut passive, 46.0);
    assert_eq!([46.0, 61.0, 76.0].map(|secs| percent(&passive, secs)), ["10", "50", "100"]);
    failed(&mut passive, 80.0);
    assert_eq!(percent(&passive, 80.0), "100");
}

#[test]
fn consecutive_ejections_grow_and_healthy_time_shrinks_them() {
    let config = growing();
    let mut passive = PassiveHealth::new(&config, at(0.0));
    let ejected_for = |passive: &mut PassiveHealth, secs| {
        passive.eject(&config, at(secs), 0.5);
        passive.ejected_for(at(secs)).unwrap().as_secs()
    };
    assert_eq!(ejected_for(&mut passive, 0.0), 30);
    assert_eq!(ejected_for(&mut passive, 31.0), 60, "until 91");
    assert_eq!(ejected_for(&mut passive, 92.0), 90, "until 182");
    assert_eq!(ejected_for(&mut passive, 243.0), 60, "two steps back");
    assert_eq!(ejected_for(&mut passive, 10_000.0), 30);
}

#[test]
fn success_lowers_errors_and_ends_consecutive_failures() {
    let mut passive = PassiveHealth::new(&HealthConfig::default(), at(0.0));
    for secs in [0.0, 1.0, 2.0] {
        failed(&mut passive, secs);
    }
    passive.record_first_output(Duration::from_millis(700), at(3.0));
    assert_eq!((passive.errors, passive.consecutive_failures), (3, 3), "the call may still fail");
    passive.record_success(Decay::One, at(3.0));
    assert_eq!((passive.errors, passive.consecutive_failures), (2, 0));
    assert_eq!(passive.last_call, Some((at(3.0), None)));
    assert_eq!(passive.last_error, Some((at(2.0), "500".into())));
    assert_eq!(passive.first_output.last(), Some(0.7));
    assert_eq!(passive.counts(at(3.0)), Counts { calls: 4, failed: 3 });
    passive.record_success(Decay::All, at(3.0));
    assert_eq!(passive.errors, 0);
}
