//! Targets that fail and recover.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use fb_sim::Fault;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::summary::{REQUESTS, Summary, format_calls};
use crate::testbed::{BACKUP, PRIMARY, STEADY, Setup, THIRD, Testbed, Wait, wait_until_idle};

/// Checks that the second target answers every request, and returns the first trace.
async fn answered_by_backup(testbed: &Testbed, requests: u64) -> anyhow::Result<String> {
    let mut first = String::new();
    for number in 0..requests {
        let response = testbed.chat(false).await?;
        ensure!(response.status == 200, "request {number}: status {} {}", response.status, response.body);
        ensure!(response.served_by == BACKUP, "request {number} served by {:?}", response.served_by);
        let text = response.text()?;
        ensure!(text == "Hello from anthropic.", "request {number}: {text:?}");
        if number == 0 {
            first = response.trace;
        }
    }
    Ok(first)
}

fn all_answered(calls: [u64; 3]) -> Summary {
    Summary { clients: format!("{REQUESTS}/{REQUESTS} ok"), providers: format_calls(calls) }
}

/// The next target is called at once, and after five failures the breaker opens.
pub(super) async fn primary_503(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup { more: STEADY, ..Setup::default() }).await?;
    testbed.primary.fault(Fault::status(503));
    let trace = answered_by_backup(&testbed, REQUESTS).await?;
    ensure!(
        trace.contains(&format!("{PRIMARY} 1 "))
            && !trace.contains(&format!("{PRIMARY} 2 "))
            && trace.contains("ok"),
        "first trace {trace:?}"
    );
    let calls = testbed.calls();
    ensure!(calls[1..] == [REQUESTS, 0], "calls {calls:?}");
    ensure!((5..=7).contains(&calls[0]), "expected the breaker to open after 5 calls, calls {calls:?}");
    Ok(all_answered(calls))
}

/// A single 429 stops all calls to the primary for the time of its Retry-After.
pub(super) async fn rate_limited(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup { more: STEADY, ..Setup::default() }).await?;
    testbed.primary.fault(Fault::status(429).with_header("retry-after", "120"));
    answered_by_backup(&testbed, REQUESTS).await?;
    let calls = testbed.calls();
    ensure!(calls == [1, REQUESTS, 0], "calls {calls:?}");
    Ok(all_answered(calls))
}

/// A timeout is not retried at the same target, and the upstream call is cancelled.
pub(super) async fn hang(fb: PathBuf) -> anyhow::Result<Summary> {
    let timeouts = ["1s", "10s", "10s"];
    let testbed = Testbed::start(&fb, Setup { timeouts, more: STEADY, ..Setup::default() }).await?;
    testbed.primary.fault(Fault::StallHeaders);
    let trace = answered_by_backup(&testbed, REQUESTS).await?;
    ensure!(trace.starts_with(&format!("{PRIMARY} 1 timeout")), "first trace {trace:?}");
    let calls = testbed.calls();
    ensure!(calls == [5, REQUESTS, 0], "expected the breaker to open after 5 calls, calls {calls:?}");
    let counters = wait_until_idle(&testbed.primary).await?;
    ensure!(counters.client_left == 5, "{counters:?}");
    Ok(all_answered(calls))
}

/// A refused connection moves the request to the next target.
pub(super) async fn refused(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup { more: STEADY, ..Setup::default() }).await?;
    testbed.primary.fault(Fault::Refuse);
    let trace = answered_by_backup(&testbed, REQUESTS).await?;
    ensure!(trace.starts_with(&format!("{PRIMARY} 1 connect")), "first trace {trace:?}");
    let calls = testbed.calls();
    ensure!(calls == [0, REQUESTS, 0], "calls {calls:?}");
    Ok(all_answered(calls))
}

/// Number of concurrent clients in a load.
const CLIENTS: usize = 4;

/// Time limit of a load that is not enough.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// A request of a load; both times are since its beginning.
#[derive(Debug)]
struct Served {
    started: Duration,
    ended: Duration,
    by: String,
}

impl Served {
    fn is_by_primary(&self) -> bool {
        self.by.starts_with("primary/")
    }
}

/// Sends requests from several clients until they are enough, and returns them in the order of their end.
async fn load(testbed: &Arc<Testbed>, is_enough: impl Fn(&[Served]) -> bool) -> anyhow::Result<Vec<Served>> {
    let began = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (testbed, stop, sender) = (Arc::clone(testbed), Arc::clone(&stop), sender.clone());
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let started = began.elapsed();
                let response = testbed.chat(false).await?;
                ensure!(response.status == 200, "status {} {}", response.status, response.body);
                sender.send(Served { started, ended: began.elapsed(), by: response.served_by })?;
                sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        });
    }
    drop(sender);
    let mut all = Vec::new();
    while let Some(served) = receiver.recv().await {
        all.push(served);
        if is_enough(&all) || began.elapsed() > LOAD_LIMIT {
            stop.store(true, Ordering::Relaxed);
        }
    }
    clients.join_all().await.into_iter().collect::<anyhow::Result<()>>()?;
    ensure!(is_enough(&all), "{} requests in {LOAD_LIMIT:?} are not enough", all.len());
    Ok(all)
}

/// Maximum number of calls to a failing primary in this time. Five failures open the breaker, while other calls may be in
/// flight. From then on, up to two probes are sent at a time, at least half a second after the previous ones.
fn max_calls(time: Duration) -> u64 {
    let probes = time.saturating_sub(Duration::from_millis(500)).as_millis() / 500;
    5 + 2 * CLIENTS as u64 + 2 * u64::try_from(probes).unwrap_or(u64::MAX)
}

/// While the primary is down, only probes call it. After its recovery, its share of the traffic grows step by step.
pub(super) async fn outage(fb: PathBuf) -> anyhow::Result<Summary> {
    const RAMP: Duration = Duration::from_secs(6);
    let more = r#"
        [breaker]
        open = { base = "1s", factor = 1.0, max = "1s" }
        ramp = { span = "6s", from = 0.1 }
    "#;
    let testbed = Arc::new(Testbed::start(&fb, Setup { more, ..Setup::default() }).await?);
    testbed.primary.fault(Fault::status(503));
    let is_enough = |all: &[Served]| {
        let time = all.last().map_or(Duration::ZERO, |last| last.ended);
        time >= Duration::from_secs(3) && all.len() as u64 > 5 * max_calls(time)
    };
    let down = load(&testbed, is_enough).await?;
    let calls_down = testbed.calls();
    let most = max_calls(down.last().context("no requests")?.ended);
    ensure!(calls_down[0] <= most, "expected at most {most} calls to the primary, calls {calls_down:?}");

    testbed.primary.heal();
    testbed.reset_calls();
    // Two successful probes close the breaker, and the ramp begins with the second.
    let recovery =
        |all: &[Served]| all.iter().filter(|served| served.is_by_primary()).nth(1).map(|served| served.ended);
    let after_ramp = |all: &[Served]| {
        let end = recovery(all)? + RAMP + Duration::from_millis(500);
        let after = all.iter().filter(|served| served.started >= end);
        let (count, by_primary) =
            after.fold((0, 0), |(count, by), served| (count + 1, by + usize::from(served.is_by_primary())));
        Some((count, by_primary))
    };
    let up = load(&testbed, |all| after_ramp(all).is_some_and(|(count, _)| count >= 50)).await?;
    let recovered = recovery(&up).context("the primary never recovered")?;
    let first_part = recovered..recovered + RAMP / 5;
    let first: Vec<&Served> = up.iter().filter(|served| first_part.contains(&served.started)).collect();
    let share = |by_primary: usize, count: usize| 100 * by_primary / count.max(1);
    let first = share(first.iter().filter(|served| served.is_by_primary()).count(), first.len());
    let last = after_ramp(&up).map_or(0, |(count, by_primary)| share(by_primary, count));
    ensure!(first < 50, "the primary got {first} % of the requests at once");
    ensure!(last == 100, "the primary got {last} % of the requests after the ramp");
    Ok(Summary {
        clients: format!("{n}/{n} ok, share {first} % → {last} %", n = down.len() + up.len()),
        providers: format!("{}; {}", format_calls(calls_down), format_calls(testbed.calls())),
    })
}

/// With every target down, each is tried, and again until the request has made its six calls, the client gets a typed error, and soon no target is called
/// any more.
pub(super) async fn all_down(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup { more: STEADY, ..Setup::default() }).await?;
    for sim in testbed.sims() {
        sim.fault(Fault::status(503));
    }
    let response = testbed.chat(false).await?;
    ensure!(matches!(response.status, 502 | 503), "{response:?}");
    ensure!(response.code()?.starts_with("upstream_"), "{response:?}");
    let first = testbed.calls();
    let all_called = first.iter().all(|calls| *calls > 0);
    ensure!(all_called && first.iter().sum::<u64>() == 6, "calls of the first request {first:?}");
    let requests = 8;
    for _ in 1..requests {
        let response = testbed.chat(false).await?;
        ensure!(matches!(response.status, 502 | 503), "{response:?}");
    }
    let calls = testbed.calls();
    let most = 6 * requests;
    ensure!(calls.iter().sum::<u64>() < most / 2, "expected open breakers, calls {calls:?}");
    let last = testbed.chat(false).await?;
    ensure!(!last.retry_after.is_empty(), "no Retry-After: {last:?}");
    Ok(Summary { clients: format!("{requests} typed errors"), providers: format_calls(testbed.calls()) })
}

/// Free probes detect that the idle second target is down, so that no request has to.
pub(super) async fn probed(fb: PathBuf) -> anyhow::Result<Summary> {
    let more = r#"
        [admin]
        listen = "127.0.0.1:0"
        [providers.backup.health.probe]
        interval = "100ms"
        unhealthy_interval = "100ms"
    "#;
    let testbed = Testbed::start(&fb, Setup { more, ..Setup::default() }).await?;
    testbed.backup.fault(Fault::Refuse);
    testbed.wait_for_endpoint(BACKUP, "unhealthy").await?;
    testbed.primary.fault(Fault::status(503));
    for number in 0..REQUESTS {
        let response = testbed.chat(false).await?;
        ensure!(
            (response.status, response.served_by.as_str()) == (200, THIRD),
            "request {number}: {response:?}"
        );
        ensure!(
            response.trace.contains("backup/claude-sonnet-4-6 skipped: unhealthy"),
            "trace {:?}",
            response.trace
        );
    }
    let down = testbed.calls();
    ensure!(down[1] == 0, "the backup was called, calls {down:?}");
    testbed.backup.heal();
    let wait = Wait::for_condition("the recovered backup to be called");
    while testbed.chat(false).await?.served_by != BACKUP {
        wait.pause().await?;
    }
    Ok(all_answered(testbed.calls()))
}
