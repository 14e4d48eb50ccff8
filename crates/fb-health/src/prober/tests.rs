use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{self, sleep};

use super::*;
use crate::{config::HealthConfig, endpoint::Condition};

/// The checked endpoints in order, each with the seconds since the start.
type Checked = Arc<Mutex<Vec<(f64, String)>>>;

fn fleet(config: HealthConfig, endpoints: &[&str]) -> Fleet {
    let fleet = Fleet::new(config).unwrap().with_seed(3);
    for endpoint in endpoints {
        fleet.join(&format!("{endpoint}/m"), endpoint, "chat", now());
    }
    fleet
}

fn exact() -> HealthConfig {
    let mut config = HealthConfig::default();
    config.probe.jitter = 0.0;
    config
}

fn conditions(fleet: &Fleet) -> Vec<Condition> {
    fleet.status(now()).into_iter().map(|status| status.condition).collect()
}

/// Starts a prober with `answer` as its check, and records all checks.
fn start(fleet: &Fleet, answer: impl Fn(&str) -> Check + Send + Sync + 'static) -> (Prober, Checked) {
    let (checked, started) = (Checked::default(), time::Instant::now());
    let seen = Arc::clone(&checked);
    let prober = Prober::start(fleet, move |endpoint| {
        seen.lock().push((started.elapsed().as_secs_f64(), endpoint.to_owned()));
        let result = answer(endpoint);
        async move { result }
    });
    (prober, checked)
}

#[tokio::test(start_paused = true)]
async fn first_check_is_at_a_random_time_and_unhealthy_endpoints_are_checked_more_often() {
    let fleet = fleet(exact(), &["down", "up"]);
    let (prober, checked) = start(&fleet, |endpoint| match endpoint {
        "down" => Check::Failed("refused".to_owned()),
        _ => Check::Passed,
    });
    sleep(Duration::from_secs(120)).await;
    let times = |name: &str| -> Vec<Duration> {
        checked
            .lock()
            .iter()
            .filter(|(_, checked)| checked == name)
            .map(|(secs, _)| Duration::from_secs_f64(*secs))
            .collect()
    };
    let gaps = |times: &[Duration]| -> Vec<u64> {
        times
            .windows(2)
            .map(|pair| (pair[1].saturating_sub(pair[0]) + Duration::from_millis(500)).as_secs())
            .collect()
    };
    let (down, up) = (times("down"), times("up"));
    assert!(down[0].as_secs() < 30 && up[0].as_secs() < 30 && down[0] != up[0], "{down:?} {up:?}");
    assert!(gaps(&down).iter().all(|gap| *gap == 5) && down.len() > 17, "{down:?}");
    assert!(gaps(&up).iter().all(|gap| *gap == 30) && up.len() >= 3, "{up:?}");
    assert_eq!(conditions(&fleet), [Condition::Unhealthy, Condition::Healthy]);
    prober.shutdown().await;
    let before = checked.lock().len();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(checked.lock().len(), before, "the prober has stopped");
}

#[tokio::test(start_paused = true)]
async fn endpoint_with_successful_calls_is_not_checked() {
    let fleet = fleet(exact(), &["busy"]);
    let member = fleet.join("busy/m", "busy", "chat", now());
    let (_prober, checked) = start(&fleet, |_| Check::Failed("never checked".to_owned()));
    for _ in 0..60 {
        member.record_success(Duration::from_millis(1), now());
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!((checked.lock().len(), conditions(&fleet)), (0, vec![Condition::Healthy]));
    sleep(Duration::from_secs(36)).await;
    let first = checked.lock()[0].0;
    assert_eq!(Duration::from_secs_f64(first).as_secs(), 325, "one interval after the last call at 295 s");
}

/// Checks of one endpoint never overlap, the number in flight is limited, and a check that hangs fails.
#[tokio::test(start_paused = true)]
async fn checks_are_bounded_in_number_and_time() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let fleet = fleet(exact(), &names);
    let (in_flight, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, peak) = (Arc::clone(&in_flight), Arc::clone(&most));
    let prober = Prober::start(&fleet, move |_| {
        let counted = Arc::clone(&counted);
        peak.fetch_max(counted.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        async move {
            struct Done(Arc<AtomicU32>);
            impl Drop for Done {
                fn drop(&mut self) {
                    self.0.fetch_sub(1, Ordering::Relaxed);
                }
            }
            let _done = Done(counted);
            std::future::pending().await
        }
    });
    let started = time::Instant::now();
    prober.check_now().await;
    assert_eq!(started.elapsed().as_secs(), 20, "four checks, then two, of ten seconds each");
    assert_eq!(most.load(Ordering::Relaxed), 4);
    for _ in 0..2 {
        prober.check_now().await;
    }
    assert_eq!(started.elapsed().as_secs(), 40, "after a failed check the timeout is the shorter interval");
    assert_eq!(conditions(&fleet), [Condition::Unhealthy; 6]);
    let result = fleet.status(now())[0].last_check.clone().unwrap().result;
    assert_eq!(result, Check::Failed("no answer within 5s".to_owned()));
    sleep(Duration::from_secs(12)).await;
    prober.shutdown().await;
    assert_eq!(in_flight.load(Ordering::Relaxed), 0, "checks in flight are dropped");
}

#[tokio::test(start_paused = true)]
async fn panic_in_a_check_counts_as_a_failure() {
    let fleet = fleet(exact(), &["p"]);
    let prober = Prober::start(&fleet, |_| async { panic!("in the check") });
    for _ in 0..3 {
        prober.check_now().await;
    }
    assert_eq!(conditions(&fleet), [Condition::Unhealthy]);
    let result = fleet.status(now())[0].last_check.clone().unwrap().result;
    assert_eq!(result, Check::Failed("the check panicked".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn concurrent_check_now_calls_share_checks_even_if_probes_are_disabled() {
    let mut config = exact();
    config.probe.enabled = false;
    let fleet = fleet(config, &["a", "b"]);
    let (prober, checked) = start(&fleet, |_| Check::Passed);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(checked.lock().len(), 0);
    tokio::join!(prober.check_now(), prober.check_now());
    let checked: Vec<String> = checked.lock().iter().map(|(_, name)| name.clone()).collect();
    assert_eq!(checked.len() % 2, 0);
    assert!(
        checked.len() <= 4 && checked.contains(&"a".to_owned()) && checked.contains(&"b".to_owned()),
        "{checked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn check_now_does_not_wait_for_removed_endpoints() {
    let fleet = fleet(exact(), &["a", "gone"]);
    let prober = Prober::start(&fleet, |endpoint| {
        let hangs = endpoint == "gone";
        async move {
            if hangs {
                sleep(Duration::from_secs(9)).await;
            } else {
                sleep(Duration::from_secs(2)).await;
            }
            Check::Passed
        }
    });
    let leaves = async {
        sleep(Duration::from_secs(1)).await;
        fleet.leave("gone/m");
    };
    let started = time::Instant::now();
    tokio::join!(prober.check_now(), leaves);
    assert_eq!(started.elapsed().as_secs(), 2);
}
