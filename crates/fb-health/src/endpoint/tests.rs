use super::*;
use crate::virtual_time::at;

fn failed() -> Check {
    Check::Failed("refused".to_owned())
}

#[test]
fn consecutive_results_change_the_condition() {
    use Condition::{Healthy, Unhealthy, Unknown};
    let config = ProbeConfig::default();
    let mut endpoint = Endpoint::new(&config, at(0.0), 0.5);
    assert_eq!((endpoint.condition(at(0.0)), endpoint.due()), (Unknown, at(15.0)));
    let steps = [
        (Check::Passed, Unknown, 30.0),
        (failed(), Unknown, 5.0),
        (Check::Passed, Unknown, 30.0),
        (Check::Unknown, Unknown, 30.0),
        (Check::Passed, Healthy, 30.0),
        (failed(), Healthy, 5.0),
        (failed(), Healthy, 5.0),
        (Check::Unknown, Healthy, 5.0),
        (failed(), Unhealthy, 5.0),
        (failed(), Unhealthy, 5.0),
        (Check::Passed, Unhealthy, 5.0),
        (Check::Passed, Healthy, 30.0),
    ];
    for (step, (check, condition, next)) in steps.into_iter().enumerate() {
        endpoint.record(&config, check.clone(), at(20.0), 0.5);
        assert_eq!(
            (endpoint.condition(at(20.0)), endpoint.due()),
            (condition, at(20.0 + next)),
            "step {step}"
        );
        assert_eq!(endpoint.last(), Some(&(at(20.0), check)));
    }
}

#[test]
fn billed_checks_are_never_closer_than_the_interval() {
    let config = ProbeConfig { kind: ProbeKind::Completion, ..ProbeConfig::default() };
    let mut endpoint = Endpoint::new(&config, at(0.0), 0.0);
    assert_eq!(endpoint.begin(&config, at(1.0)), Ok(()));
    assert_eq!(endpoint.begin(&config, at(1.0)), Err(at(31.0)));
    // Neither a failure nor the jitter brings the next one forward.
    endpoint.record(&config, failed(), at(2.0), 0.0);
    assert_eq!(endpoint.due(), at(32.0));
    endpoint.record(&config, failed(), at(2.0), 1.0);
    assert_eq!(endpoint.due(), at(38.0));
    assert_eq!(endpoint.begin(&config, at(30.9)), Err(at(31.0)));
    assert_eq!(endpoint.begin(&config, at(31.0)), Ok(()));
    let free = ProbeConfig::default();
    assert_eq!([endpoint.begin(&free, at(31.0)), endpoint.begin(&free, at(31.0))], [Ok(()), Ok(())]);
}

#[test]
fn intervals_are_jittered_and_a_served_call_counts_as_passed() {
    let config = ProbeConfig::default();
    let mut endpoint = Endpoint::new(&config, at(0.0), 0.0);
    for _ in 0..3 {
        endpoint.record(&config, failed(), at(0.0), 0.0);
    }
    assert_eq!((endpoint.condition(at(0.0)), endpoint.due()), (Condition::Unhealthy, at(4.0)));
    endpoint.record_served_call(&config, at(10.0), 1.0);
    assert_eq!((endpoint.condition(at(10.0)), endpoint.due()), (Condition::Healthy, at(46.0)));
}

#[test]
fn unhealthy_endpoint_is_unknown_when_its_last_check_is_outdated() {
    let config = ProbeConfig::default();
    let mut endpoint = Endpoint::new(&config, at(0.0), 0.5);
    for _ in 0..3 {
        endpoint.record(&config, failed(), at(10.0), 0.5);
    }
    let seen = |endpoint: &Endpoint, secs| {
        (endpoint.condition(at(secs)), endpoint.unhealthy_for(at(secs)).as_secs())
    };
    assert_eq!(seen(&endpoint, 10.0), (Condition::Unhealthy, 5), "until the next check");
    assert_eq!(seen(&endpoint, 15.0), (Condition::Unhealthy, 85), "it was not made");
    assert_eq!(seen(&endpoint, 100.0), (Condition::Unknown, 0));
    endpoint.record(&config, failed(), at(120.0), 0.5);
    assert_eq!(seen(&endpoint, 120.0), (Condition::Unhealthy, 5));
}
