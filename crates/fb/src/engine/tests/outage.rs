//! Outages of a primary with the default settings: how soon it serves again.

use fb_core::{Failure, Probe};
use tokio::{task::JoinSet, time::sleep_until};

use super::*;
use crate::clock::now;

/// The length of the outage.
const OUTAGE: Duration = Duration::from_secs(60);
/// The time within which the primary has to serve again.
const RECOVERY: Duration = Duration::from_secs(20);

/// Sends four requests a second to a primary that is down for a minute, and returns the time from the end of the outage
/// until the primary has served a request again.
async fn recovery_time(failure: &str, stream: bool, seed: u64) -> Option<Duration> {
    let script = script(&format!("a: 200 in 300ms / b: 200 in 300ms / up: 200 in 300ms / down: {failure}"));
    let (primary, began) = (script.provider("a"), now());
    let (start, end) = (began + Duration::from_secs(20), began + Duration::from_secs(20) + OUTAGE);
    let reachable = || Ok(Probe::Reachable);
    primary.with_probe(reachable());
    script.provider("b").with_probe(reachable());
    let targets = ["a", "b"].map(|name| Target::new(name, "m"));
    let mut builder = Client::builder().seed(seed).route(Route::priority("default", targets));
    for name in ["a", "b"] {
        builder = builder.provider(name, script.provider(name));
    }
    let client = builder.build().unwrap();
    let prober = client.probe();
    let mut requests = JoinSet::new();
    let mut next = began;
    while next < end + RECOVERY {
        sleep_until(next.into()).await;
        if next == start {
            primary.follow(&script.provider("down"));
            // A provider that is reachable may list its models while none of them answers.
            if failure == "refused" {
                primary.with_probe(Err(Failure::new(FailureKind::Connect, "connection refused")));
            }
        } else if next == end {
            primary.follow(&script.provider("up")).with_probe(reachable());
        }
        let client = client.clone();
        requests.spawn(async move {
            let request = ChatRequest::user("hi");
            let answer = if stream {
                client.stream(request).await.unwrap().collect().await.unwrap()
            } else {
                client.chat(request).await.unwrap()
            };
            (answer, next, now())
        });
        next += Duration::from_millis(250);
    }
    let served = requests.join_all().await;
    prober.shutdown().await;
    assert_eq!(client.outstanding_permits(), 0);
    let by_primary = served.iter().filter(|(answer, began, _)| answer.served_by() == "a/m" && *began >= end);
    by_primary.map(|(_, _, ended)| *ended - end).min()
}

#[tokio::test(start_paused = true)]
async fn recovered_primary_serves_again_within_20_s() {
    for failure in ["503", "refused", "hang"] {
        for stream in [false, true] {
            for seed in 0..20 {
                let took = recovery_time(failure, stream, seed).await;
                assert!(
                    took.is_some_and(|took| took <= RECOVERY),
                    "{failure}, stream: {stream}, seed {seed}: {took:?}"
                );
            }
        }
    }
}
