//! Targets that fail, and come back.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{bail, ensure};
use fb_sim::Fault;
use tokio::{task::JoinSet, time::Instant};

use super::{REQUESTS, Row, asked};
use crate::stage::Stage;

/// All requests are answered by the second target; returns the first trace.
async fn answered_by_backup(stage: &Stage, requests: u64) -> anyhow::Result<String> {
    let mut first = String::new();
    for number in 0..requests {
        let heard = stage.ask(false).await?;
        ensure!(heard.status == 200, "request {number}: status {} {}", heard.status, heard.body);
        ensure!(
            heard.served_by == "backup/claude-sonnet-4-6",
            "request {number} served by {:?}",
            heard.served_by
        );
        ensure!(heard.text()? == "Hello from anthropic.", "request {number} says {:?}", heard.text()?);
        if number == 0 {
            first = heard.trace;
        }
    }
    Ok(first)
}

/// Retried once, moved on, and after five failures the breaker keeps calls away.
pub(super) async fn primary_503(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::open(&fb, "5s").await?;
    stage.primary.fault(Fault::status(503));
    let trace = answered_by_backup(&stage, REQUESTS).await?;
    ensure!(
        trace.contains("primary/gpt-6.1-sol 1 ")
            && trace.contains("primary/gpt-6.1-sol 2 ")
            && trace.contains("ok"),
        "first trace {trace:?}"
    );
    let calls = stage.calls();
    ensure!(calls[1..] == [REQUESTS, 0], "calls {calls:?}");
    ensure!((5..=7).contains(&calls[0]), "expected the breaker to open after 5 calls, calls {calls:?}");
    Ok(Row { clients: format!("{REQUESTS}/{REQUESTS} ok"), providers: asked(calls) })
}

/// One call learns of it; nobody asks the primary again while it wants to be left alone.
pub(super) async fn rate_limited(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::open(&fb, "5s").await?;
    stage.primary.fault(Fault::status(429).with_header("retry-after", "30"));
    answered_by_backup(&stage, REQUESTS).await?;
    let calls = stage.calls();
    ensure!(calls == [1, REQUESTS, 0], "calls {calls:?}");
    Ok(Row { clients: format!("{REQUESTS}/{REQUESTS} ok"), providers: asked(calls) })
}

/// A timeout is not retried at the same target, and the upstream call is given up, not left behind.
pub(super) async fn hang(fb: PathBuf) -> anyhow::Result<Row> {
    // A free probe would hang as well.
    let stage = Stage::open_with(&fb, "300ms", "[health.probe]\nenabled = false").await?;
    stage.primary.fault(Fault::StallHeaders);
    let trace = answered_by_backup(&stage, REQUESTS).await?;
    ensure!(trace.starts_with("primary/gpt-6.1-sol 1 timeout"), "first trace {trace:?}");
    let calls = stage.calls();
    ensure!(calls == [5, REQUESTS, 0], "expected the breaker to open after 5 calls, calls {calls:?}");
    let left = stage.primary.wait_until(|counters| counters.open == 0);
    let counters = tokio::time::timeout(Duration::from_secs(5), left).await?;
    ensure!(counters.client_left == 5, "{counters:?}");
    Ok(Row { clients: format!("{REQUESTS}/{REQUESTS} ok"), providers: asked(calls) })
}

pub(super) async fn refused(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::open(&fb, "5s").await?;
    stage.primary.fault(Fault::Refuse);
    let trace = answered_by_backup(&stage, REQUESTS).await?;
    ensure!(trace.starts_with("primary/gpt-6.1-sol 1 connect"), "first trace {trace:?}");
    let calls = stage.calls();
    ensure!(calls == [0, REQUESTS, 0], "calls {calls:?}");
    Ok(Row { clients: format!("{REQUESTS}/{REQUESTS} ok"), providers: asked(calls) })
}

/// Clients that ask at the same time.
const CLIENTS: usize = 4;

/// Who answered, and how long after the beginning, while several clients ask for this long.
async fn load(stage: &Arc<Stage>, time: Duration) -> anyhow::Result<Vec<(Duration, String)>> {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let stage = Arc::clone(stage);
        clients.spawn(async move {
            let mut answers = Vec::new();
            while began.elapsed() < time {
                let heard = stage.ask(false).await?;
                ensure!(heard.status == 200, "status {} {}", heard.status, heard.body);
                answers.push((began.elapsed(), heard.served_by));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(answers)
        });
    }
    let mut all: Vec<_> = clients.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    all.sort();
    Ok(all)
}

/// While the primary is down it is asked by probes only; healed, it gets its traffic back in growing shares.
pub(super) async fn outage(fb: PathBuf) -> anyhow::Result<Row> {
    let quick = r#"
        [breaker]
        open = { base = "1s", factor = 1.0, max = "1s" }
        ramp = { span = "3s", from = 0.1 }
    "#;
    let stage = Arc::new(Stage::open_with(&fb, "5s", quick).await?);
    stage.primary.fault(Fault::status(503));
    let down = load(&stage, Duration::from_secs(3)).await?;
    let asked_down = stage.calls();
    // Five failures open the breaker, and what was in flight then; in 3 s there is room for five more probes, each at
    // least half a second after the last and perhaps two at a time.
    let most = 5 + 2 * CLIENTS as u64 + 10;
    ensure!(asked_down[0] <= most, "expected at most {most} calls to the primary, calls {asked_down:?}");
    ensure!(down.len() as u64 > 5 * most, "{} requests are no load", down.len());

    stage.primary.heal();
    stage.sims().iter().for_each(fb_sim::Handle::reset_counters);
    let up = load(&stage, Duration::from_secs(6)).await?;
    let by_primary = |(_, by): &&(Duration, String)| by.starts_with("primary/");
    // Two good probes close the breaker; the ramp begins with the second.
    let Some((back, _)) = up.iter().filter(by_primary).nth(1) else { bail!("the primary never came back") };
    let share = |from: u64, to: u64| {
        let (from, to) = (*back + Duration::from_millis(from), *back + Duration::from_millis(to));
        let during: Vec<_> = up.iter().filter(|(at, _)| (from..to).contains(at)).collect();
        100 * during.iter().copied().filter(by_primary).count() / during.len().max(1)
    };
    let (first, last) = (share(0, 600), share(3_500, 4_500));
    ensure!(first < 50, "the primary got {first} % of the requests at once");
    ensure!(last == 100, "the primary got {last} % of the requests after the ramp");
    Ok(Row {
        clients: format!("{n}/{n} ok, share {first} % → {last} %", n = down.len() + up.len()),
        providers: format!("{}; {}", asked(asked_down), asked(stage.calls())),
    })
}

/// Every target is tried within the envelope, the client gets a typed error, and soon nobody is asked any more.
pub(super) async fn all_down(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::open(&fb, "5s").await?;
    for sim in stage.sims() {
        sim.fault(Fault::status(503));
    }
    let heard = stage.ask(false).await?;
    ensure!(matches!(heard.status, 502 | 503), "{heard:?}");
    ensure!(heard.code()?.starts_with("upstream_"), "{heard:?}");
    let first = stage.calls();
    ensure!(first == [2, 2, 2], "calls of the first request {first:?}");
    let requests = 8;
    for _ in 1..requests {
        let heard = stage.ask(false).await?;
        ensure!(matches!(heard.status, 502 | 503), "{heard:?}");
    }
    let calls = stage.calls();
    let most = 6 * requests;
    ensure!(calls.iter().sum::<u64>() < most / 2, "expected open breakers, calls {calls:?}");
    let last = stage.ask(false).await?;
    ensure!(!last.retry_after.is_empty(), "no Retry-After: {last:?}");
    Ok(Row { clients: format!("{requests} typed errors"), providers: asked(stage.calls()) })
}

/// The second target goes down while nobody asks it: free probes notice, so that no request finds it out.
pub(super) async fn probed(fb: PathBuf) -> anyhow::Result<Row> {
    let often = r#"
        [providers.backup.health.probe]
        interval = "100ms"
        unhealthy_interval = "100ms"
    "#;
    let stage = Stage::open_with(&fb, "5s", often).await?;
    stage.backup.fault(Fault::Refuse);
    // Three probes, 120 ms apart at most.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.primary.fault(Fault::status(503));
    for number in 0..REQUESTS {
        let heard = stage.ask(false).await?;
        ensure!(
            (heard.status, heard.served_by.as_str()) == (200, "third/llama3.2"),
            "request {number}: {heard:?}"
        );
        ensure!(
            heard.trace.contains("backup/claude-sonnet-4-6 skipped: unhealthy"),
            "trace {:?}",
            heard.trace
        );
    }
    let down = stage.calls();
    ensure!(down[1] == 0, "the backup was asked, calls {down:?}");
    stage.backup.heal();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = stage.ask(false).await?;
    ensure!(heard.served_by == "backup/claude-sonnet-4-6", "after it healed: {heard:?}");
    Ok(Row { clients: format!("{REQUESTS}/{REQUESTS} ok"), providers: asked(stage.calls()) })
}
