use std::thread;

use super::*;
use crate::{config::ErrorsConfig, virtual_time::at};

fn fleet(config: HealthConfig) -> Fleet {
    Fleet::new(config).unwrap().with_seed(7)
}

fn three(fleet: &Fleet) -> [Member; 3] {
    ["a", "b", "c"].map(|name| fleet.join(name, name, "chat", at(0.0)))
}

fn calls(member: &Member, failed: u32, of: u32, secs: f64) {
    for _ in failed..of {
        member.success(Duration::from_millis(100), at(secs));
    }
    for _ in 0..failed {
        member.failure(Origin::Remote, "500", at(secs));
    }
}

fn reasons(member: &Member, secs: f64) -> Vec<Skip> {
    member.eligibility(at(secs)).reasons
}

/// Behaviours: an outlier among peers is left out; the candidate counts among those that may be; it is back with a
/// part of its traffic.
#[test]
fn a_target_that_fails_more_than_its_peers_is_left_out_for_a_while() {
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
    assert_eq!(reasons(&b, 2.0), [], "two of three would be too many");
    let back = a.eligibility(at(1.0)).not_before.unwrap();
    assert!((27.0..=33.0).contains(&back.as_secs_f64()), "{back:?}");
    let after = a.eligibility(at(1.0) + back);
    assert_eq!(after, Eligibility { weight: 0.1, ..Eligibility::usable() });
    assert_eq!(a.eligibility(at(1.0) + back + Duration::from_secs(30)), Eligibility::usable());
}

#[test]
fn a_target_without_peers_is_left_out_by_its_count_of_errors() {
    let fleet = fleet(HealthConfig::without_breakers());
    let [a, b] = ["a", "b"].map(|name| fleet.join(name, name, "chat", at(0.0)));
    calls(&a, 2, 2, 0.0);
    calls(&a, 0, 1, 0.0);
    calls(&a, 1, 1, 0.0);
    assert_eq!(reasons(&a, 0.0), [], "two errors are left");
    calls(&a, 1, 1, 0.0);
    assert_eq!(reasons(&a, 59.9), [Skip::Ejected]);
    assert_eq!(reasons(&a, 60.0), []);
    // With both out of two left out there is panic: then neither is.
    calls(&b, 3, 3, 1.0);
    assert_eq!((a.standing(at(1.0)).is_usable(), b.standing(at(1.0)).is_usable()), (false, false));
    assert_eq!((reasons(&a, 1.0), reasons(&b, 1.0)), (vec![], vec![]));
    assert!(fleet.status(at(1.0)).iter().all(|status| status.panic));

    let beside = Fleet::new(HealthConfig::default()).unwrap();
    let alone = beside.join("a", "a", "chat", at(0.0));
    calls(&alone, 100, 100, 0.0);
    assert_eq!(reasons(&alone, 0.0), []);
}

/// Behaviours: all fail for want of a network: nobody is ejected.
#[test]
fn a_local_outage_ejects_nobody() {
    let errors = Some(ErrorsConfig { limit: 1, ..ErrorsConfig::default() });
    let fleet = fleet(HealthConfig { errors, ..HealthConfig::default() });
    let a = fleet.join("a", "one", "x", at(0.0));
    let b = fleet.join("b", "two", "y", at(0.0));
    a.failure(Origin::Local, "no route to host", at(0.0));
    assert!(!fleet.is_local_outage(at(0.0)), "one endpoint may be down by itself");
    assert_eq!(a.standing(at(0.0)).reasons, [Skip::Ejected]);
    b.failure(Origin::Local, "no route to host", at(1.0));
    assert!(fleet.is_local_outage(at(1.0)));
    assert_eq!(b.standing(at(1.0)).reasons, []);
    assert!(!fleet.is_local_outage(at(62.0)), "long ago");
    a.success(Duration::ZERO, at(2.0));
    assert!(!fleet.is_local_outage(at(2.0)));
    b.failure(Origin::Local, "no route to host", at(3.0));
    assert_eq!(b.standing(at(3.0)).reasons, [Skip::Ejected], "the network is there");
}

#[test]
fn probes_say_what_targets_of_the_endpoint_may_do() {
    let fleet = fleet(HealthConfig::default());
    let one = fleet.join("p/one", "p", "x", at(0.0));
    let two = fleet.join("p/two", "p", "y", at(0.0));
    let other = fleet.join("q/one", "q", "x", at(0.0));
    for _ in 0..3 {
        fleet.record_check("p", Check::Failed("refused".to_owned()), at(1.0));
        fleet.record_check("nobody", Check::Passed, at(1.0));
    }
    let status = fleet.status(at(2.0));
    assert_eq!(status[0].condition, Condition::Unhealthy);
    let last = LastCheck { ago: Duration::from_secs(1), found: Check::Failed("refused".to_owned()) };
    assert_eq!(
        (&status[0].last_check, &status[1].last_check, &status[2].last_check),
        (&Some(last.clone()), &Some(last), &None)
    );
    assert_eq!(reasons(&one, 2.0), [Skip::Unhealthy]);
    assert_eq!(reasons(&two, 2.0), [], "alone in its group it is never left out");
    assert_eq!(reasons(&other, 2.0), []);
    assert_eq!(fleet.healthy_targets(at(2.0)), ["p/two".into(), "q/one".into()]);
}

#[test]
fn status_tells_what_was_seen() {
    let fleet = fleet(HealthConfig::default());
    let a = fleet.join("p/a", "p", "x", at(0.0));
    for millis in 1..=100 {
        a.success(Duration::from_millis(millis), at(0.0));
    }
    a.pace(7, Duration::from_secs(1), at(0.0));
    assert_eq!(a.status(at(0.0)).tokens_per_second, None);
    a.pace(80, Duration::from_secs(2), at(0.0));
    a.failure(Origin::Remote, "500 overloaded", at(1.0));
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
            peak: ms(100),
        }),
        tokens_per_second: Some(40.0),
        last_check: None,
        last_error: Some(("500 overloaded".into(), ms(500))),
    };
    assert_eq!(fleet.status(at(1.5)), [expected]);
}

/// Behaviours: what is known of an unchanged target is kept; a result for one that was replaced changes nothing.
#[test]
fn targets_come_and_go() {
    let fleet = fleet(HealthConfig::default());
    let before = fleet.join("p/a", "p", "x", at(0.0));
    before.failure(Origin::Remote, "500", at(0.0));
    assert_eq!(fleet.join("p/a", "p", "x", at(1.0)).status(at(1.0)).errors, 1);
    fleet.join("p/b", "p", "x", at(0.0));
    fleet.leave("p/a");
    fleet.leave("p/a");
    before.failure(Origin::Remote, "500", at(0.0));
    assert_eq!(fleet.join("p/a", "p", "x", at(1.0)).status(at(1.0)).errors, 0);
    fleet.leave("p/a");
    fleet.leave("p/b");
    assert_eq!((fleet.places().len(), fleet.status(at(1.0)).len()), (0, 0));
}

#[test]
fn many_threads_never_eject_more_than_half() {
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
fn a_target_may_have_settings_of_its_own() {
    let fleet = fleet(HealthConfig::without_breakers());
    let touchy = HealthConfig {
        errors: Some(ErrorsConfig { limit: 1, recovery: Duration::from_secs(5) }),
        ..HealthConfig::default()
    };
    let a = fleet.join_with(touchy.clone(), "a", "a", "x", at(0.0)).unwrap();
    let b = fleet.join("b", "b", "x", at(0.0));
    calls(&a, 1, 1, 0.0);
    calls(&b, 1, 1, 0.0);
    assert_eq!((reasons(&a, 4.9), reasons(&a, 5.0), reasons(&b, 0.0)), (vec![Skip::Ejected], vec![], vec![]));
    let wrong = HealthConfig { window: Duration::ZERO, ..touchy };
    assert_eq!(fleet.join_with(wrong, "c", "c", "x", at(0.0)).unwrap_err().field, "window");
}
