//! Who is asked first, how many at once, and who never.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::ensure;
use fb_sim::{Fault, SimReply};
use tokio::task::JoinSet;

use super::{REQUESTS, Row, asked};
use crate::stage::{Setup, Stage};

/// Shares are exact, also when several ask at once.
pub(super) async fn weighted(fb: PathBuf) -> anyhow::Result<Row> {
    let targets = ["weight = 70", "weight = 30", "enabled = false"];
    let stage =
        Stage::of(&fb, Setup { route: "strategy = \"weighted\"", targets, ..Setup::default() }).await?;
    let stage = Arc::new(stage);
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let stage = Arc::clone(&stage);
        clients.spawn(async move {
            for _ in 0..50 {
                let heard = stage.ask(false).await?;
                ensure!(heard.status == 200, "{heard:?}");
            }
            Ok(())
        });
    }
    clients.join_all().await.into_iter().collect::<anyhow::Result<()>>()?;
    let calls = stage.calls();
    ensure!(calls == [140, 60, 0], "calls {calls:?}");
    Ok(Row { clients: "200/200 ok".to_owned(), providers: asked(calls) })
}

/// Two are asked at once, the faster answers, plain and streamed, and the call to the other is given up.
pub(super) async fn race(fb: PathBuf) -> anyhow::Result<Row> {
    let race = "strategy = \"race\"\nrace = { width = 2 }";
    let stage = Stage::of(&fb, Setup { route: race, ..Setup::default() }).await?;
    stage.primary.reply(SimReply { latency: Duration::from_secs(3), ..SimReply::default() });
    for number in 0..10 {
        let heard = stage.ask(number % 2 == 1).await?;
        ensure!(heard.served_by == "backup/claude-sonnet-4-6", "request {number}: {heard:?}");
        ensure!(!heard.body.contains("openai"), "bytes of two providers in one answer: {heard:?}");
    }
    let all_left = stage.primary.wait_until(|counters| counters.open == 0);
    let counters = tokio::time::timeout(Duration::from_secs(2), all_left).await?;
    ensure!((counters.calls, counters.client_left) == (10, 10), "{counters:?}");
    let calls = stage.calls();
    ensure!(calls == [10, 10, 0], "calls {calls:?}");
    Ok(Row { clients: "10/10 ok, 10 losers given up".to_owned(), providers: asked(calls) })
}

/// A refusal ends the race, though others are still under way.
pub(super) async fn race_blocked(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::of(&fb, Setup { route: "strategy = \"race\"", ..Setup::default() }).await?;
    stage.primary.fault(Fault::Block(fb_sim::BlockForm::Http400));
    for sim in [&stage.backup, &stage.third] {
        sim.reply(SimReply { latency: Duration::from_secs(3), ..SimReply::default() });
    }
    let heard = stage.ask(false).await?;
    ensure!((heard.status, heard.code()?.as_str()) == (400, "content_policy_violation"), "{heard:?}");
    let calls = stage.calls();
    ensure!(calls == [1, 1, 1], "calls {calls:?}");
    Ok(Row { clients: "1 block".to_owned(), providers: asked(calls) })
}

/// A second target is asked when the first is late, for one request in ten.
pub(super) async fn hedge(fb: PathBuf) -> anyhow::Result<Row> {
    let hedged = "strategy = \"hedged\"\nhedge = { after = \"50ms\", budget = 0.1 }";
    let stage = Stage::of(&fb, Setup { route: hedged, ..Setup::default() }).await?;
    stage.primary.reply(SimReply { latency: Duration::from_millis(150), ..SimReply::default() });
    let mut by_backup = 0;
    for number in 0..REQUESTS {
        let heard = stage.ask(number % 2 == 1).await?;
        ensure!(heard.status == 200, "request {number}: {heard:?}");
        by_backup += u64::from(heard.served_by.starts_with("backup/"));
    }
    let calls = stage.calls();
    ensure!(calls == [REQUESTS, REQUESTS / 10, 0] && by_backup == REQUESTS / 10, "calls {calls:?}");
    Ok(Row { clients: format!("{REQUESTS}/{REQUESTS} ok, {by_backup} sooner"), providers: asked(calls) })
}

/// Sessions stay where they are; when a target goes, only its own move.
pub(super) async fn sticky(fb: PathBuf) -> anyhow::Result<Row> {
    let route = "strategy = \"sticky\"\nsticky = { by = \"session\" }";
    let stage = Stage::of(&fb, Setup { route, ..Setup::default() }).await?;
    let ask_all = async || {
        let mut by = BTreeMap::new();
        for session in 0..REQUESTS {
            let name = session.to_string();
            let heard = stage.ask_with(&[("x-fb-session", &name)], "hi", false).await?;
            ensure!(heard.status == 200, "{heard:?}");
            by.insert(session, heard.served_by);
        }
        anyhow::Ok(by)
    };
    let first = ask_all().await?;
    ensure!(ask_all().await? == first, "a session moved without need");
    let at_primary = first.values().filter(|by| by.starts_with("primary/")).count();
    ensure!((3..=20).contains(&at_primary), "{at_primary} of {REQUESTS} sessions at one of three targets");
    stage.primary.fault(Fault::Refuse);
    for (session, by) in ask_all().await? {
        let before = &first[&session];
        ensure!((&by == before) != before.starts_with("primary/"), "session {session} from {before} to {by}");
    }
    Ok(Row { clients: format!("{at_primary} of {REQUESTS} sessions moved"), providers: asked(stage.calls()) })
}

/// A request that may not leave its region is not sent elsewhere, not even when nobody is left there.
pub(super) async fn regions(fb: PathBuf) -> anyhow::Result<Row> {
    let targets = ["region = \"us\"", "region = \"eu\"", ""];
    let stage = Stage::of(&fb, Setup { targets, ..Setup::default() }).await?;
    let in_eu = [("x-fb-regions", "eu")];
    let heard = stage.ask_with(&in_eu, "hi", true).await?;
    ensure!(heard.served_by == "backup/claude-sonnet-4-6", "{heard:?}");
    stage.backup.fault(Fault::status(503));
    for _ in 0..10 {
        let heard = stage.ask_with(&in_eu, "hi", false).await?;
        ensure!(matches!(heard.status, 502 | 503), "{heard:?}");
    }
    let calls = stage.calls();
    ensure!(calls[0] == 0 && calls[2] == 0, "it left its region, calls {calls:?}");
    Ok(Row { clients: "1 ok, 10 typed errors".to_owned(), providers: asked(calls) })
}
