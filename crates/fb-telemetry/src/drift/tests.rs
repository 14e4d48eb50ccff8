use std::time::Duration;

use fastrand::Rng;

use super::*;

#[expect(clippy::disallowed_methods, reason = "any start time will do")]
fn start() -> Instant {
    Instant::now()
}

/// Feeds requests at one per second, and returns each alarm with the number of requests before it.
fn feed(drift: &mut Drift, rng: &mut Rng, share: f64, requests: u32, start: Instant) -> Vec<(u32, Drifted)> {
    (1..=requests)
        .filter_map(|n| {
            let now = start + Duration::from_secs(n.into());
            Some((n, drift.observe(rng.f64() < share, now)?))
        })
        .collect()
}

#[test]
fn steady_streams_raise_as_few_false_alarms_as_documented() {
    let mut rng = Rng::with_seed(1954);
    for share in [0.0, 0.005, 0.02, 0.05, 0.1, 0.3, 0.5, 0.75, 0.9, 1.0] {
        let alarmed = (0..500)
            .filter(|_| {
                let mut drift = Drift::new(DriftConfig::default()).unwrap();
                !feed(&mut drift, &mut rng, share, 10_000, start()).is_empty()
            })
            .count();
        assert!(alarmed < 50, "share {share}: {alarmed} of 500 streams of 10,000 alarmed");
    }
}

#[test]
fn jump_raises_one_alarm_soon() {
    let mut rng = Rng::with_seed(54);
    let (mut delays, start) = (Vec::new(), start());
    for _ in 0..200 {
        let mut drift = Drift::new(DriftConfig::default()).unwrap();
        assert_eq!(feed(&mut drift, &mut rng, 0.02, 400, start), []);
        let alarms = feed(&mut drift, &mut rng, 0.3, 400, start);
        let [(delay, alarm)] = alarms[..] else { panic!("{alarms:?}") };
        assert!(alarm.baseline < 0.08 && alarm.rate > 0.1, "{alarm:?}");
        delays.push(delay);
    }
    delays.sort_unstable();
    let mean = f64::from(delays.iter().sum::<u32>()) / 200.0;
    assert!(mean < 30.0 && delays[199] <= 100, "mean {mean}, {delays:?}");
}

#[test]
fn alarm_contains_start_and_rate() {
    let (mut drift, start) = (Drift::new(DriftConfig::default()).unwrap(), start());
    let at = |second: u64| start + Duration::from_secs(second);
    for second in 0..200 {
        assert_eq!(drift.observe(second % 50 == 0, at(second)), None);
    }
    let alarm = (200..).find_map(|second| drift.observe(true, at(second))).unwrap();
    let requests = alarm.requests;
    assert_eq!(alarm, Drifted { baseline: 6.0 / 204.0, rate: 1.0, requests, since: at(200) });
    assert_eq!(requests, 6, "ln(100,000) divided by ln(0.229 / 0.029), rounded up");
}

#[test]
fn second_outage_after_a_recovery_raises_an_alarm() {
    let (mut rng, start) = (Rng::with_seed(3), start());
    let mut drift = Drift::new(DriftConfig::default()).unwrap();
    let alarms =
        [0.02, 0.3, 0.02, 0.3, 0.02].map(|share| feed(&mut drift, &mut rng, share, 1_000, start).len());
    assert_eq!(alarms, [0, 1, 0, 1, 0]);
}

#[test]
fn settings_out_of_range_are_rejected() {
    let default = DriftConfig::default;
    let refused = |config: DriftConfig| Drift::new(config).unwrap_err().to_string();
    assert_eq!(
        refused(DriftConfig { warm_up: 49, ..default() }),
        "drift.warm_up = 49: expected 50 to 100000"
    );
    assert_eq!(
        refused(DriftConfig { shift: f64::NAN, ..default() }),
        "drift.shift = NaN: expected 0.01 to 0.9"
    );
    assert_eq!(
        refused(DriftConfig { run_length: 1.0, ..default() }),
        "drift.run_length = 1: expected 100 to 1e9"
    );
}

#[test]
fn slack_matches_the_documentation() {
    let slack = |baseline: f64| {
        let Cusum { yes_weight, no_weight, .. } = Cusum::new(baseline, baseline + 0.2);
        format!("{:.2}", -no_weight / (yes_weight - no_weight) - baseline)
    };
    assert_eq!([0.02, 0.4].map(slack), ["0.07", "0.10"]);
}
