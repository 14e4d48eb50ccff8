//! What tenants may spend, and whether it is remembered.

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use fb_sim::Fault;

use super::{Row, asked};
use crate::stage::{Setup, Stage};

const PRICE: &str = "price = { input = 1000.0, output = 1000.0 }";
const ACME: [(&str, &str); 1] = [("authorization", "Bearer sk-acme")];
const ACME_CI: [(&str, &str); 1] = [("authorization", "Bearer sk-acme-ci")];

/// Room for a dozen answers: a call without `max_tokens` holds a dollar for a thousand tokens that it may take.
fn tenants(more: &str) -> String {
    format!(
        r#"
        [tenants.acme]
        key = {{ env = "FB_CHAOS_ACME" }}
        usd_per_day = 1.2
        {more}
        [tenants.acme.keys.ci]
        key = {{ env = "FB_CHAOS_ACME_CI" }}
        usd_per_day = 0.1
        [tenants.default]
        usd_per_day = 1000000.0
        "#
    )
}

/// A key and a tenant at their hard limits get 402, the tenant with the time of the reset, while others are served.
pub(super) async fn limit(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::of(&fb, Setup { targets: [PRICE; 3], more: &tenants(""), ..Setup::default() }).await?;
    let key = stage.ask_with(&ACME_CI, "hi", false).await?;
    ensure!(key.status == 402 && key.code()? == "budget_exceeded", "a dime is too little: {key:?}");
    let (mut served, mut refused) = (0, 0);
    for _ in 0..40 {
        let heard = stage.ask_with(&ACME, "hi", false).await?;
        match heard.status {
            200 if refused == 0 => served += 1,
            402 => {
                ensure!(heard.code()? == "budget_exceeded" && !heard.retry_after.is_empty(), "{heard:?}");
                refused += 1;
            }
            _ => anyhow::bail!("after {refused} refusals: {heard:?}"),
        }
    }
    ensure!(served > 0 && refused > 0, "{served} served, {refused} refused");
    let other = stage.ask(false).await?;
    ensure!(other.status == 200, "another tenant: {other:?}");
    let calls = stage.calls();
    ensure!(calls == [served + 1, 0, 0], "a refused request was sent, calls {calls:?}");
    Ok(Row { clients: format!("1 key 402, {served} ok, {refused} 402, 1 other ok"), providers: asked(calls) })
}

/// What was spent before `kill -9` is spent after the restart.
pub(super) async fn killed(fb: PathBuf) -> anyhow::Result<Row> {
    let file = std::env::temp_dir().join(format!("fb-chaos-ledger-{}.redb", std::process::id()));
    drop(std::fs::remove_file(&file));
    let more = format!("{}\n[ledger]\npath = \"{}\"\nahead_usd = 0.0", tenants(""), file.display());
    let mut stage = Stage::of(&fb, Setup { targets: [PRICE; 3], more: &more, ..Setup::default() }).await?;
    let mut before = 0;
    while before < 3 {
        ensure!(stage.ask_with(&ACME, "hi", false).await?.status == 200, "within the limit");
        before += 1;
    }
    // What was given back is on disk after 100 ms; killed before that, what was held counts as spent.
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.kill_and_restart(&fb).await?;
    let mut after = 0;
    let last = loop {
        let heard = stage.ask_with(&ACME, "hi", false).await?;
        if heard.status != 200 {
            break heard;
        }
        after += 1;
        ensure!(after < 100, "the limit was forgotten");
    };
    ensure!(last.status == 402 && after > 0, "{after} after the kill, then {last:?}");
    drop(std::fs::remove_file(&file));
    // Without a kill the same limit serves this many.
    let fresh = Stage::of(&fb, Setup { targets: [PRICE; 3], more: &tenants(""), ..Setup::default() }).await?;
    let mut all = 0;
    while fresh.ask_with(&ACME, "hi", false).await?.status == 200 {
        all += 1;
    }
    ensure!(before + after <= all, "{before} before the kill and {after} after it, {all} in all");
    Ok(Row { clients: format!("{before} ok, kill -9, {after} ok, 402"), providers: asked(stage.calls()) })
}

/// A tenant bound to a region is not served from another, not even when its only target is down: what that says is passed on,
/// and from when its breaker opens it is 503 with every reason.
pub(super) async fn bound(fb: PathBuf) -> anyhow::Result<Row> {
    let targets = ["region = \"us\"", "region = \"eu\"", "region = \"us\""];
    let more = tenants("regions = [\"eu\"]");
    let route = "when_all_unavailable = \"fail\"";
    let stage = Stage::of(&fb, Setup { route, targets, more: &more, ..Setup::default() }).await?;
    ensure!(
        stage.ask_with(&ACME, "hi", false).await?.served_by == "backup/claude-sonnet-4-6",
        "it is served in its region"
    );
    stage.backup.fault(Fault::status(503));
    let (mut faults, mut unavailable) = (0, 0);
    for _ in 0..10 {
        let heard = stage.ask_with(&ACME, "hi", true).await?;
        match heard.status {
            502 if unavailable == 0 => faults += 1,
            503 => {
                unavailable += 1;
                let reasons = ["region: us is not allowed", "backup/claude-sonnet-4-6 skipped: breaker open"];
                ensure!(reasons.iter().all(|reason| heard.body.contains(reason)), "{heard:?}");
            }
            _ => anyhow::bail!("after {unavailable} of 503: {heard:?}"),
        }
    }
    ensure!(faults <= 3 && unavailable >= 7, "{faults} of 502, {unavailable} of 503");
    let calls = stage.calls();
    ensure!(calls[0] == 0 && calls[2] == 0, "it left its region, calls {calls:?}");
    Ok(Row { clients: format!("1 ok, {faults} of 502, {unavailable} of 503"), providers: asked(calls) })
}
