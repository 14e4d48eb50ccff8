use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{self, sleep};

use super::*;
use crate::{config::HealthConfig, endpoint::Condition};

/// Seconds since the start and names, in the order in which endpoints were asked.
type Asked = Arc<Mutex<Vec<(f64, String)>>>;

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

/// Starts a prober whose endpoints answer as `answer` says, and writes down when they were asked.
fn start(fleet: &Fleet, answer: impl Fn(&str) -> Check + Send + Sync + 'static) -> (Prober, Asked) {
    let (asked, began) = (Asked::default(), time::Instant::now());
    let seen = Arc::clone(&asked);
    let prober = Prober::start(fleet, move |endpoint| {
        seen.lock().push((began.elapsed().as_secs_f64(), endpoint.to_owned()));
        let found = answer(endpoint);
        async move { found }
    });
    (prober, asked)
}

#[tokio::test(start_paused = true)]
async fn asks_first_at_a_random_moment_then_every_half_minute_and_every_5_s_while_ill() {
    let fleet = fleet(exact(), &["ill", "well"]);
    let (prober, asked) = start(&fleet, |endpoint| match endpoint {
        "ill" => Check::Failed("refused".to_owned()),
        _ => Check::Passed,
    });
    sleep(Duration::from_secs(120)).await;
    let times = |name: &str| -> Vec<Duration> {
        asked
            .lock()
            .iter()
            .filter(|(_, asked)| asked == name)
            .map(|(secs, _)| Duration::from_secs_f64(*secs))
            .collect()
    };
    let gaps = |times: &[Duration]| -> Vec<u64> {
        times
            .windows(2)
            .map(|pair| (pair[1].saturating_sub(pair[0]) + Duration::from_millis(500)).as_secs())
            .collect()
    };
    let (ill, well) = (times("ill"), times("well"));
    assert!(ill[0].as_secs() < 30 && well[0].as_secs() < 30 && ill[0] != well[0], "{ill:?} {well:?}");
    assert!(gaps(&ill).iter().all(|gap| *gap == 5) && ill.len() > 17, "{ill:?}");
    assert!(gaps(&well).iter().all(|gap| *gap == 30) && well.len() >= 3, "{well:?}");
    assert_eq!(conditions(&fleet), [Condition::Unhealthy, Condition::Healthy]);
    prober.shutdown().await;
    let before = asked.lock().len();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(asked.lock().len(), before, "it has stopped");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_serves_calls_is_not_asked() {
    let fleet = fleet(exact(), &["busy"]);
    let member = fleet.join("busy/m", "busy", "chat", now());
    let (_prober, asked) = start(&fleet, |_| Check::Failed("never asked".to_owned()));
    for _ in 0..60 {
        member.success(Duration::from_millis(1), now());
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!((asked.lock().len(), conditions(&fleet)), (0, vec![Condition::Healthy]));
    sleep(Duration::from_secs(36)).await;
    let first = asked.lock()[0].0;
    assert_eq!(Duration::from_secs_f64(first).as_secs(), 325, "quiet for an interval after the call at 295");
}

/// Behaviours: a slow question is never overlapped; at most so many are in flight; one that hangs has failed.
#[tokio::test(start_paused = true)]
async fn questions_are_bounded_in_number_and_time() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let fleet = fleet(exact(), &names);
    let (flying, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, peak) = (Arc::clone(&flying), Arc::clone(&most));
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
    let began = time::Instant::now();
    prober.check_now().await;
    assert_eq!(began.elapsed().as_secs(), 20, "four, then two, for ten seconds each");
    assert_eq!(most.load(Ordering::Relaxed), 4);
    for _ in 0..2 {
        prober.check_now().await;
    }
    assert_eq!(conditions(&fleet), [Condition::Unhealthy; 6]);
    let found = fleet.status(now())[0].last_check.clone().unwrap().found;
    assert_eq!(found, Check::Failed("no answer within 10s".to_owned()));
    sleep(Duration::from_secs(12)).await;
    prober.shutdown().await;
    assert_eq!(flying.load(Ordering::Relaxed), 0, "questions in flight are dropped");
}

/// Behaviour: a check that panics is a failed one, and the next is made all the same.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_check_is_a_failure() {
    let fleet = fleet(exact(), &["p"]);
    let prober = Prober::start(&fleet, |_| async { panic!("in the check") });
    for _ in 0..3 {
        prober.check_now().await;
    }
    assert_eq!(conditions(&fleet), [Condition::Unhealthy]);
    let found = fleet.status(now())[0].last_check.clone().unwrap().found;
    assert_eq!(found, Check::Failed("the check panicked".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn check_now_asks_each_once_however_many_wish_it_and_also_when_probes_are_off() {
    let mut config = exact();
    config.probe.enabled = false;
    let fleet = fleet(config, &["a", "b"]);
    let (prober, asked) = start(&fleet, |_| Check::Passed);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(asked.lock().len(), 0);
    tokio::join!(prober.check_now(), prober.check_now());
    let asked: Vec<String> = asked.lock().iter().map(|(_, name)| name.clone()).collect();
    assert_eq!(asked.len() % 2, 0);
    assert!(
        asked.len() <= 4 && asked.contains(&"a".to_owned()) && asked.contains(&"b".to_owned()),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_an_endpoint_that_leaves_is_let_go() {
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
    let began = time::Instant::now();
    tokio::join!(prober.check_now(), leaves);
    assert_eq!(began.elapsed().as_secs(), 2);
}
