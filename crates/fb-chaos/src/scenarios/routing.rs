//! Routing strategies: order, concurrency and admission of targets.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::ensure;
use fb_sim::{BlockForm, Fault, SimReply};
use tokio::task::JoinSet;

use super::summary::{REQUESTS, Summary, format_calls};
use crate::testbed::{BACKUP, Setup, Testbed, Wait, wait_until_idle};

/// A reply that is too late for every race.
fn late() -> SimReply {
    SimReply { latency: Duration::from_secs(20), ..SimReply::default() }
}

/// A reply that leaves time for the calls to the other targets of a race to arrive.
fn delayed() -> SimReply {
    SimReply { latency: Duration::from_millis(500), ..SimReply::default() }
}

/// The shares of weighted targets are exact, even with concurrent clients.
pub(super) async fn weighted(fb: PathBuf) -> anyhow::Result<Summary> {
    let targets = ["weight = 70", "weight = 30", "enabled = false"];
    let testbed =
        Testbed::start(&fb, Setup { route: "strategy = \"weighted\"", targets, ..Setup::default() }).await?;
    let testbed = Arc::new(testbed);
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let testbed = Arc::clone(&testbed);
        clients.spawn(async move {
            for _ in 0..50 {
                let response = testbed.chat(false).await?;
                ensure!(response.status == 200, "{response:?}");
            }
            Ok(())
        });
    }
    clients.join_all().await.into_iter().collect::<anyhow::Result<()>>()?;
    let calls = testbed.calls();
    ensure!(calls == [140, 60, 0], "calls {calls:?}");
    Ok(Summary { clients: "200/200 ok".to_owned(), providers: format_calls(calls) })
}

/// Two targets are called at once and the faster one answers, plain and streamed. The call to the other is cancelled.
pub(super) async fn race(fb: PathBuf) -> anyhow::Result<Summary> {
    let race = "strategy = \"race\"\nrace = { width = 2 }";
    let timeouts = ["30s"; 3];
    let testbed = Testbed::start(&fb, Setup { timeouts, route: race, ..Setup::default() }).await?;
    testbed.primary.reply(late());
    testbed.backup.reply(delayed());
    for number in 0..10 {
        let response = testbed.chat(number % 2 == 1).await?;
        ensure!(response.served_by == BACKUP, "request {number}: {response:?}");
        ensure!(!response.body.contains("openai"), "bytes of two providers in one answer: {response:?}");
    }
    let counters = wait_until_idle(&testbed.primary).await?;
    ensure!((counters.calls, counters.client_left) == (10, 10), "{counters:?}");
    let calls = testbed.calls();
    ensure!(calls == [10, 10, 0], "calls {calls:?}");
    Ok(Summary { clients: "10/10 ok, 10 losers given up".to_owned(), providers: format_calls(calls) })
}

/// A block ends the race while the other calls are in flight.
pub(super) async fn race_blocked(fb: PathBuf) -> anyhow::Result<Summary> {
    let timeouts = ["30s"; 3];
    let route = "strategy = \"race\"";
    let testbed = Testbed::start(&fb, Setup { timeouts, route, ..Setup::default() }).await?;
    testbed.primary.fault(Fault::Block(BlockForm::Http400));
    testbed.primary.reply(delayed());
    for sim in [&testbed.backup, &testbed.third] {
        sim.reply(late());
    }
    let response = testbed.chat(false).await?;
    ensure!(
        (response.status, response.code()?.as_str()) == (400, "content_policy_violation"),
        "{response:?}"
    );
    let wait = Wait::for_condition("one call to each target");
    while testbed.calls().contains(&0) {
        wait.pause().await?;
    }
    let calls = testbed.calls();
    ensure!(calls == [1, 1, 1], "calls {calls:?}");
    Ok(Summary { clients: "1 block".to_owned(), providers: format_calls(calls) })
}

/// A second target is called when the first is late, for one request in ten.
pub(super) async fn hedge(fb: PathBuf) -> anyhow::Result<Summary> {
    let route = "strategy = \"hedged\"\nhedge = { after = \"50ms\", budget = 0.1 }";
    let testbed = Testbed::start(&fb, Setup { route, ..Setup::default() }).await?;
    testbed.primary.reply(delayed());
    let mut by_backup = 0;
    for number in 0..REQUESTS {
        let response = testbed.chat(number % 2 == 1).await?;
        ensure!(response.status == 200, "request {number}: {response:?}");
        by_backup += u64::from(response.served_by.starts_with("backup/"));
    }
    let calls = testbed.calls();
    ensure!(calls == [REQUESTS, REQUESTS / 10, 0] && by_backup == REQUESTS / 10, "calls {calls:?}");
    Ok(Summary {
        clients: format!("{REQUESTS}/{REQUESTS} ok, {by_backup} sooner"),
        providers: format_calls(calls),
    })
}

/// Sessions stay at their target. When a target fails, only its own sessions move.
pub(super) async fn sticky(fb: PathBuf) -> anyhow::Result<Summary> {
    let route = "strategy = \"sticky\"\nsticky = { by = \"session\" }";
    let testbed = Testbed::start(&fb, Setup { route, ..Setup::default() }).await?;
    let run_sessions = async || {
        let mut by = BTreeMap::new();
        for session in 0..REQUESTS {
            let name = session.to_string();
            let response = testbed.chat_with(&[("x-fb-session", &name)], "hi", false).await?;
            ensure!(response.status == 200, "{response:?}");
            by.insert(session, response.served_by);
        }
        anyhow::Ok(by)
    };
    let first = run_sessions().await?;
    ensure!(run_sessions().await? == first, "a session moved without need");
    let at_primary = first.values().filter(|by| by.starts_with("primary/")).count();
    ensure!((3..=20).contains(&at_primary), "{at_primary} of {REQUESTS} sessions at one of three targets");
    testbed.primary.fault(Fault::Refuse);
    for (session, by) in run_sessions().await? {
        let before = &first[&session];
        ensure!((&by == before) != before.starts_with("primary/"), "session {session} from {before} to {by}");
    }
    Ok(Summary {
        clients: format!("{at_primary} of {REQUESTS} sessions moved"),
        providers: format_calls(testbed.calls()),
    })
}

/// A request bound to a region is never sent to another one, even if no target is available there.
pub(super) async fn regions(fb: PathBuf) -> anyhow::Result<Summary> {
    let targets = ["region = \"us\"", "region = \"eu\"", ""];
    let testbed = Testbed::start(&fb, Setup { targets, ..Setup::default() }).await?;
    let in_eu = [("x-fb-regions", "eu")];
    let response = testbed.chat_with(&in_eu, "hi", true).await?;
    ensure!(response.served_by == BACKUP, "{response:?}");
    testbed.backup.fault(Fault::status(503));
    for _ in 0..10 {
        let response = testbed.chat_with(&in_eu, "hi", false).await?;
        ensure!(matches!(response.status, 502 | 503), "{response:?}");
    }
    let calls = testbed.calls();
    ensure!(calls[0] == 0 && calls[2] == 0, "a request left its region, calls {calls:?}");
    Ok(Summary { clients: "1 ok, 10 typed errors".to_owned(), providers: format_calls(calls) })
}
