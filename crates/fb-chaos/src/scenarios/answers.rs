//! What is given when no target answers.

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use fb_sim::Fault;

use super::{REQUESTS, Row, asked};
use crate::stage::{Setup, Stage};

/// With every target down, answers given before are given again with their age, plain and streamed; other questions get
/// an error that says when to come back; a rejected key is not hidden.
pub(super) async fn kept(fb: PathBuf) -> anyhow::Result<Row> {
    let keep = r#"
        [routes.default.cache]
        fresh = "2s"
        stale_if_error = true
        [health.probe]
        enabled = false
    "#;
    let stage = Stage::open_with(&fb, "5s", keep).await?;
    let (known, streamed, unknown) = ("What is a fallback?", "What is a retry?", "What is a bulkhead?");
    let first = stage.ask_about(known, false).await?;
    ensure!((first.status, first.cache.as_str()) == (200, "miss"), "{first:?}");
    let stream = stage.ask_about(streamed, true).await?;
    ensure!(stream.has_done() && stream.cache == "miss", "{stream:?}");
    let before = stage.calls();
    let again = stage.ask_about(known, false).await?;
    ensure!(again.cache.starts_with("hit; age=") && again.body == first.body, "{again:?}");
    ensure!(
        stage.ask_about(streamed, true).await?.body == stream.body,
        "the stream is played again as it came"
    );
    ensure!(stage.calls() == before, "a hit asked a provider, calls {:?}", stage.calls());

    tokio::time::sleep(Duration::from_secs(2)).await;
    for sim in stage.sims() {
        sim.fault(Fault::status(503));
    }
    let (mut stale, mut refused) = (0, 0);
    for _ in 0..REQUESTS / 3 {
        let old = stage.ask_about(known, false).await?;
        ensure!(old.status == 200 && old.body == first.body, "{old:?}");
        let age = old.cache.strip_prefix("stale; age=").and_then(|rest| rest.split(';').next());
        ensure!(
            age.is_some_and(|age| age.parse().is_ok_and(|age: u64| age >= 2)),
            "x-fb-cache {:?}",
            old.cache
        );
        ensure!((old.level.as_str(), old.served_by.as_str()) == ("cached", "cache"), "{old:?}");
        let old = stage.ask_about(streamed, true).await?;
        ensure!(old.body == stream.body && old.cache.starts_with("stale; "), "{old:?}");
        stale += 2;
        let new = stage.ask_about(unknown, false).await?;
        ensure!(matches!(new.status, 502 | 503) && new.code()?.starts_with("upstream_"), "{new:?}");
        refused += 1;
    }
    let last = stage.ask_about(unknown, false).await?;
    ensure!(last.status == 503 && !last.retry_after.is_empty(), "no 503 with Retry-After: {last:?}");
    let down = stage.calls();
    ensure!(down.iter().sum::<u64>() < 3 * REQUESTS, "expected open breakers, calls {down:?}");

    stage.primary.fault(Fault::status(401));
    // The longest that its breaker stays open.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let locked = stage.ask_about(known, false).await?;
    ensure!(locked.status != 200, "a rejected key is hidden by an old answer: {locked:?}");
    Ok(Row {
        clients: format!("{stale} stale, {refused} typed errors"),
        providers: format!("{}; {}", asked(before), asked(down)),
    })
}

/// The targets of the full level fail: one request goes down alone, the route follows after three and begins below, and
/// it climbs when they are back. With all down there is a fixed answer, for those who want one.
pub(super) async fn ladder(fb: PathBuf) -> anyhow::Result<Row> {
    let ladder = r#"
        [routes.default.ladder]
        climb = "1s"
        [routes.default.ladder.reduced]
        max_tokens = 50
        targets = [{ provider = "third", model = "llama3.2", timeout = "5s" }]
        [routes.default.ladder.offline]
        [health.probe]
        enabled = false
        [breaker]
        open = { base = "500ms", factor = 1.0, max = "500ms" }
    "#;
    let targets = ["", "", "enabled = false"];
    let stage = Stage::of(&fb, Setup { targets, more: ladder, ..Setup::default() }).await?;
    for sim in [&stage.primary, &stage.backup] {
        sim.fault(Fault::status(503));
    }
    for number in 0..REQUESTS {
        let heard = stage.ask(false).await?;
        ensure!(
            (heard.status, heard.served_by.as_str(), heard.level.as_str())
                == (200, "third/llama3.2", "reduced"),
            "request {number}: {heard:?}"
        );
    }
    let down = stage.calls();
    ensure!(
        down[0] <= 6 && down[1] <= 6 && down[2] == REQUESTS,
        "three requests lower the route, calls {down:?}"
    );

    stage.third.fault(Fault::status(503));
    let fixed = stage.ask_with(&[("x-fb-category", "support")], "Where is my order?", false).await?;
    ensure!((fixed.served_by.as_str(), fixed.level.as_str()) == ("static", "offline"), "{fixed:?}");
    ensure!(fixed.text()?.contains("ask our people"), "{fixed:?}");
    let whole = stage.ask_with(&[("x-fb-allow-degraded", "false")], "Where is my order?", false).await?;
    ensure!(matches!(whole.status, 502 | 503), "{whole:?}");

    for sim in stage.sims() {
        sim.heal();
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let up = stage.ask(false).await?;
    ensure!((up.served_by.as_str(), up.level.as_str()) == ("primary/gpt-6.1-sol", "full"), "{up:?}");
    Ok(Row {
        clients: format!("{REQUESTS} reduced, 1 fixed, 1 error, 1 full"),
        providers: format!("{}; {}", asked(down), asked(stage.calls())),
    })
}
