use std::thread;

use super::*;
use crate::{config::ErrorsConfig, virtual_time::at};

fn fleet(config: HealthConfig) -> Fleet {
    Fleet::new(config).unwrap().with_seed(7)
}

fn three(fleet: &Fleet) -> [Member; 3] {
    ["a", "b", "c"].map(|name| fleet.join(name, name, "chat", at(0.0)))
}

fn calls(member: &Member, failed: u32, total: u32, secs: f64) {
    for _ in failed..total {
        member.record_success(Duration::from_millis(100), at(secs));
    }
    for _ in 0..failed {
        member.record_failure(Origin::Remote, "500", at(secs));
    }
}

fn reasons(member: &Member, secs: f64) -> Vec<Skip> {
    member.eligibility(at(secs)).reasons
}

#[test]
fn outlier_is_ejected_and_returns_on_a_ramp() {
    let fleet = fleet(HealthConfig::default());
    let [a, b, c] = three(&fleet);
    calls(&b, 0, 30, 1.0);
    calls(&c, 0, 30, 1.0);
    calls(&a, 6, 30, 1.0);
    assert_eq!(reasons(&a, 1.0), [], "a fifth below its peers is not enough");
    calls(&a, 2, 2, 1.0);
    assert_eq!(reasons(&a, 1.0), [Skip::Ejected]);
    assert_eq!(fleet.healthy_targets(at(1.0)), ["b".into(), "c".into()]);
    calls(&b, 30, 30, 2.0);
    assert_eq!(reasons(&b, 2.0), [], "two of three ejected would be too many");
    let back = a.eligibility(at(1.0)).not_before.unwrap();
    assert!((9.0..=11.0).contains(&back.as_secs_f64()), "{back:?}");
    let after = a.eligibility(at(1.0) + back);
    assert_eq!(after, Eligibility { weight: 0.1, ..Eligibility::usable() });
    assert_eq!(a.eligibility(at(1.0) + back + Duration::from_secs(30)), Eligibility::usable());
}

#[test]
fn target_without_peers_is_ejected_by_its_error_count() {
    let fleet = fleet(HealthConfig::without_breakers());
    let [a, b] = ["a", "b"].map(|name| fleet.join(name, name, "chat", at(0.0)));
    calls(&a, 2, 2, 0.0);
    calls(&a, 0, 1, 0.0);
    calls(&a, 1, 1, 0.0);
    assert_eq!(reasons(&a, 0.0), [], "two errors are left");
    calls(&a, 1, 1, 0.0);
    assert_eq!(reasons(&a, 59.9), [Skip::Ejected]);
    assert_eq!(reasons(&a, 60.0), []);
    // With both targets ejected, panic mode makes both usable.
    calls(&b, 3, 3, 1.0);
    assert_eq!(
        (a.own_eligibility(at(1.0)).is_usable(), b.own_eligibility(at(1.0)).is_usable()),
        (false, false)
    );
    assert_eq!((reasons(&a, 1.0), reasons(&b, 1.0)), (vec![], vec![]));
    assert!(fleet.status(at(1.0)).iter().all(|status| status.panic));

    let with_breakers = Fleet::new(HealthConfig::default()).unwrap();
    let alone = with_breakers.join("a", "a", "chat", at(0.0));
    calls(&alone, 100, 100, 0.0);
    assert_eq!(reasons(&alone, 0.0), []);
}

#[test]
fn local_outage_ejects_no_target() {
    let errors = Some(ErrorsConfig { limit: 1, ..ErrorsConfig::default() });
    let fleet = fleet(HealthConfig { errors, ..HealthConfig::default() });
    let a = fleet.join("a", "one", "x", at(0.0));
    let b = fleet.join("b", "two", "y", at(0.0));
    a.record_failure(Origin::Local, "no route to host", at(0.0));
    assert!(!fleet.is_local_outage(at(0.0)), "a single endpoint may be down by itself");
    assert_eq!(a.own_eligibility(at(0.0)).reasons, [Skip::Ejected]);
    b.record_failure(Origin::Local, "no route to host", at(1.0));
    assert!(fleet.is_local_outage(at(1.0)));
    assert_eq!(b.own_eligibility(at(1.0)).reasons, []);
    assert!(!fleet.is_local_outage(at(62.0)), "long ago");
    a.record_success(Duration::ZERO, at(2.0));
    assert!(!fleet.is_local_outage(at(2.0)));
    b.record_failure(Origin::Local, "no route to host", at(3.0));
    assert_eq!(b.own_eligibility(at(3.0)).reasons, [Skip::Ejected], "the network is up");
}

#[test]
fn unhealthy_endpoint_makes_its_targets_ineligible() {
    let fleet = fleet(HealthConfig::default());
    let one = fleet.join("p/one", "p", "x", at(0.0));
    let two = fleet.join("p/two", "p", "y", at(0.0));
    let other = fleet.join("q/one", "q", "x", at(0.0));
    for _ in 0..3 {
        fleet.record_check("p", Check::Failed("refused".to_owned()), at(1.0));
        fleet.record_check("unknown", Check::Passed, at(1.0));
    }
    let status = fleet.status(at(2.0));
    assert_eq!(status[0].condition, Condition::Unhealthy);
    let last = LastCheck { ago: Duration::from_secs(1), result: Check::Failed("refused".to_owned()) };
    assert_eq!(
        (&status[0].last_check, &status[1].last_check, &status[2].last_check),
        (&Some(last.clone()), &Some(last), &None)
    );
    assert_eq!(reasons(&one, 2.0), [Skip::Unhealthy]);
    assert_eq!(reasons(&two, 2.0), [], "panic mode applies to a group of one");
    assert_eq!(reasons(&other, 2.0), []);
    assert_eq!(fleet.healthy_targets(at(2.0)), ["p/two".into(), "q/one".into()]);
}

#[test]
fn status_reports_all_measurements() {
    let fleet = fleet(HealthConfig::default());
    let a = fleet.join("p/a", "p", "x", at(0.0));
    for millis in 1..=100 {
        a.record_success(Duration::from_millis(millis), at(0.0));
    }
    a.record_throughput(7, Duration::from_secs(1), at(0.0));
    assert_eq!(a.status(at(0.0)).tokens_per_second, None);
    a.record_throughput(80, Duration::from_secs(2), at(0.0));
    a.record_failure(Origin::Remote, "500 overloaded", at(1.0));
    let ms = Duration::from_millis;
    let expected = Status {
        name: "p/a".into(),
        endpoint: "p".into(),
        condition: Condition::Unknown,
        eligibility: Eligibility::usable(),
        panic: false,
        calls: 101,
        failed: 1,
        errors: 1,
        consecutive_failures: 1,
        latency: Some(Latency {
            calls: 100,
            mean: Duration::from_micros(50_500),
            p50: ms(50),
            p95: ms(95),
            max: ms(100),
            peak: Duration::from_nanos(86_070_798),
        }),
        tokens_per_second: Some(40.0),
        last_check: None,
        last_error: Some(("500 overloaded".into(), ms(500))),
    };
    assert_eq!(fleet.status(at(1.5)), [expected]);
}

#[test]
fn rejoining_keeps_state_and_removal_discards_it() {
    let fleet = fleet(HealthConfig::default());
    let before = fleet.join("p/a", "p", "x", at(0.0));
    before.record_failure(Origin::Remote, "500", at(0.0));
    assert_eq!(fleet.join("p/a", "p", "x", at(1.0)).status(at(1.0)).errors, 1);
    fleet.join("p/b", "p", "x", at(0.0));
    fleet.leave("p/a");
    fleet.leave("p/a");
    before.record_failure(Origin::Remote, "500", at(0.0));
    assert_eq!(fleet.join("p/a", "p", "x", at(1.0)).status(at(1.0)).errors, 0);
    fleet.leave("p/a");
    fleet.leave("p/b");
    assert_eq!((fleet.endpoints().len(), fleet.status(at(1.0)).len()), (0, 0));
}

#[test]
fn concurrent_failures_eject_at_most_half() {
    let fleet = fleet(HealthConfig::default());
    let members: Vec<Member> = (0..8).map(|n| fleet.join(&format!("t{n}"), "p", "chat", at(0.0))).collect();
    thread::scope(|scope| {
        for member in &members {
            scope.spawn(|| calls(member, 200, 200, 1.0));
        }
    });
    assert_eq!(fleet.healthy_targets(at(1.0)).len(), 4);
}

#[test]
fn target_can_have_its_own_settings() {
    let fleet = fleet(HealthConfig::without_breakers());
    let strict = HealthConfig {
        errors: Some(ErrorsConfig { limit: 1, recovery: Duration::from_secs(5), ..ErrorsConfig::default() }),
        ..HealthConfig::default()
    };
    let a = fleet.join_with(strict.clone(), "a", "a", "x", at(0.0)).unwrap();
    let b = fleet.join("b", "b", "x", at(0.0));
    calls(&a, 1, 1, 0.0);
    calls(&b, 1, 1, 0.0);
    assert_eq!((reasons(&a, 4.9), reasons(&a, 5.0), reasons(&b, 0.0)), (vec![Skip::Ejected], vec![], vec![]));
    let invalid = HealthConfig { window: Duration::ZERO, ..strict };
    assert_eq!(fleet.join_with(invalid, "c", "c", "x", at(0.0)).unwrap_err().field, "window");
}

#[test]
fn new_settings_keep_what_is_known_of_a_target() {
    let fleet = fleet(HealthConfig::without_breakers());
    let a = fleet.join("a/m", "a", "chat", at(0.0));
    calls(&a, 2, 2, 0.0);
    let strict = ErrorsConfig { limit: 4, recovery: Duration::from_secs(10), ..ErrorsConfig::default() };
    let config = HealthConfig { errors: Some(strict), ..HealthConfig::without_breakers() };
    a.reconfigure(config.clone(), "mail", at(1.0)).unwrap();
    // Without panic mode, in which a single target always is.
    let own = |secs| a.own_eligibility(at(secs)).reasons;
    calls(&a, 1, 1, 1.0);
    assert_eq!((own(1.0), a.status(at(1.0)).errors), (vec![], 3), "the limit is four now");
    calls(&a, 1, 1, 1.0);
    assert_eq!(own(10.9), [Skip::Ejected]);
    assert_eq!(own(11.0), []);
    let groups = || fleet.shared.roster.lock().groups.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(groups(), ["mail"]);

    let wrong = HealthConfig { window: Duration::ZERO, ..config };
    assert_eq!(a.reconfigure(wrong, "chat", at(11.0)).unwrap_err().field, "window");
    assert_eq!(groups(), ["mail"]);
}

#[test]
fn new_probe_settings_bring_the_next_check_forward() {
    let fleet = fleet(HealthConfig::default());
    fleet.join("a/m", "a", "chat", at(0.0));
    for secs in [0.0, 1.0] {
        fleet.record_check("a", Check::Passed, at(secs));
    }
    let probe = ProbeConfig { interval: Duration::from_secs(2), ..ProbeConfig::default() };
    fleet.reconfigure_probe("a", probe.clone(), at(1.0)).unwrap();
    let endpoint = fleet.endpoints().remove(0);
    assert_eq!((fleet.due(&endpoint, at(1.0)), endpoint.config()), (at(3.0), probe));
    assert_eq!(endpoint.state.lock().condition(at(1.0)), Condition::Healthy);
    let wrong = ProbeConfig { rise: 0, ..ProbeConfig::default() };
    assert_eq!(fleet.reconfigure_probe("a", wrong, at(1.0)).unwrap_err().field, "probe.rise");
}
