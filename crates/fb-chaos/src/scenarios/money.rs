//! Spending limits of tenants, and their persistence.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::ensure;
use fb_sim::Fault;

use super::summary::{Summary, format_calls};
use crate::testbed::{BACKUP, STEADY, Setup, Testbed};

const PRICE: &str = "price = { input = 1000.0, output = 1000.0 }";
const ACME: [(&str, &str); 1] = [("authorization", "Bearer sk-acme")];
const ACME_CI: [(&str, &str); 1] = [("authorization", "Bearer sk-acme-ci")];

/// Limits that allow about a dozen answers. A call without `max_tokens` reserves a dollar for up to a thousand tokens.
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
        anonymous = true
        usd_per_day = 1000000.0
        "#
    )
}

fn priced(more: &str) -> Setup<'_> {
    Setup { targets: [PRICE; 3], more, ..Setup::default() }
}

/// A key and a tenant at their hard limits get 402, the tenant with the time of the reset, while others are served.
pub(super) async fn limit(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, priced(&tenants(""))).await?;
    let key = testbed.chat_with(&ACME_CI, "hi", false).await?;
    ensure!(key.status == 402 && key.code()? == "budget_exceeded", "a dime does not cover the call: {key:?}");
    let (mut served, mut refused) = (0, 0);
    for _ in 0..40 {
        let response = testbed.chat_with(&ACME, "hi", false).await?;
        match response.status {
            200 if refused == 0 => served += 1,
            402 => {
                ensure!(
                    response.code()? == "budget_exceeded" && !response.retry_after.is_empty(),
                    "{response:?}"
                );
                refused += 1;
            }
            _ => anyhow::bail!("after {refused} refusals: {response:?}"),
        }
    }
    ensure!(served > 0 && refused > 0, "{served} served, {refused} refused");
    let other = testbed.chat(false).await?;
    ensure!(other.status == 200, "another tenant: {other:?}");
    let calls = testbed.calls();
    ensure!(calls == [served + 1, 0, 0], "a refused request caused a call, calls {calls:?}");
    Ok(Summary {
        clients: format!("1 key 402, {served} ok, {refused} 402, 1 other ok"),
        providers: format_calls(calls),
    })
}

/// Spending before `kill -9` counts after the restart.
pub(super) async fn killed(fb: PathBuf) -> anyhow::Result<Summary> {
    let file = std::env::temp_dir().join(format!("fb-chaos-ledger-{}.redb", std::process::id()));
    drop(std::fs::remove_file(&file));
    let more = format!("{}\n[ledger]\npath = \"{}\"\nahead_usd = 0.0", tenants(""), file.display());
    let mut testbed = Testbed::start(&fb, priced(&more)).await?;
    let mut before = 0;
    while before < 3 {
        ensure!(testbed.chat_with(&ACME, "hi", false).await?.status == 200, "within the limit");
        before += 1;
    }
    wait_for_release(&file).await?;
    testbed.kill_and_restart(&fb)?;
    let mut after = 0;
    let last = loop {
        let response = testbed.chat_with(&ACME, "hi", false).await?;
        if response.status != 200 {
            break response;
        }
        after += 1;
        ensure!(after < 100, "the spending was lost");
    };
    ensure!(last.status == 402 && after > 0, "{after} after the kill, then {last:?}");
    drop(std::fs::remove_file(&file));
    // Without a kill, the same limit allows this number of answers.
    let fresh = Testbed::start(&fb, priced(&tenants(""))).await?;
    let mut all = 0;
    while fresh.chat_with(&ACME, "hi", false).await?.status == 200 {
        all += 1;
    }
    ensure!(before + after <= all, "{before} before the kill and {after} after it, {all} in all");
    Ok(Summary {
        clients: format!("{before} ok, kill -9, {after} ok, 402"),
        providers: format_calls(testbed.calls()),
    })
}

/// Waits until the ledger contains the release of the last reservation, which otherwise counts as spent after a kill. The
/// gateway writes a release within 100 ms, so the wait ends early if the write preceded it.
async fn wait_for_release(ledger: &Path) -> anyhow::Result<()> {
    let modified = || -> anyhow::Result<SystemTime> { Ok(std::fs::metadata(ledger)?.modified()?) };
    let answered = modified()?;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if modified()? != answered {
            break;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

/// A tenant bound to a region is never served from another one. With its only target down, the failure is passed on, and
/// once the breaker opens, the response is a 503 with every reason.
pub(super) async fn bound(fb: PathBuf) -> anyhow::Result<Summary> {
    let targets = ["region = \"us\"", "region = \"eu\"", "region = \"us\""];
    let more = format!("{}\n{STEADY}", tenants("regions = [\"eu\"]"));
    let route = "when_all_unavailable = \"fail\"";
    let testbed = Testbed::start(&fb, Setup { route, targets, more: &more, ..Setup::default() }).await?;
    ensure!(
        testbed.chat_with(&ACME, "hi", false).await?.served_by == BACKUP,
        "the tenant is not served in its region"
    );
    testbed.backup.fault(Fault::status(503));
    let (mut faults, mut unavailable) = (0, 0);
    for _ in 0..10 {
        let response = testbed.chat_with(&ACME, "hi", true).await?;
        match response.status {
            502 if unavailable == 0 => faults += 1,
            503 => {
                unavailable += 1;
                let reasons =
                    ["region: us is not allowed", "backup/claude-sonnet-4-6: skipped: breaker open"];
                ensure!(reasons.iter().all(|reason| response.body.contains(reason)), "{response:?}");
            }
            _ => anyhow::bail!("after {unavailable} of 503: {response:?}"),
        }
    }
    ensure!(faults <= 3 && unavailable >= 7, "{faults} of 502, {unavailable} of 503");
    let calls = testbed.calls();
    ensure!(calls[0] == 0 && calls[2] == 0, "a request left its region, calls {calls:?}");
    Ok(Summary {
        clients: format!("1 ok, {faults} of 502, {unavailable} of 503"),
        providers: format_calls(calls),
    })
}
