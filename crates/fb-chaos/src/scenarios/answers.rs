//! Answers without an available target: the cache and the ladder.

use std::path::PathBuf;

use anyhow::ensure;
use fb_sim::Fault;

use super::summary::{REQUESTS, Summary, format_calls};
use crate::testbed::{PRIMARY, Setup, Testbed, Wait};

/// With every target down, cached answers are served with their age, plain and streamed. Other questions get an error
/// with the time of the next attempt, and a rejected key is not hidden by a cached answer.
pub(super) async fn kept(fb: PathBuf) -> anyhow::Result<Summary> {
    let more = r#"
        [routes.default.cache]
        fresh = "5s"
        stale_if_error = true
        [health.probe]
        enabled = false
        [breaker]
        open = { base = "5s", factor = 1.0, max = "5s" }
    "#;
    let testbed = Testbed::start(&fb, Setup { more, ..Setup::default() }).await?;
    let (known, streamed, unknown) = ("What is a fallback?", "What is a retry?", "What is a bulkhead?");
    let first = testbed.chat_about(known, false).await?;
    ensure!((first.status, first.cache.as_str()) == (200, "miss"), "{first:?}");
    let stream = testbed.chat_about(streamed, true).await?;
    ensure!(stream.has_done() && stream.cache == "miss", "{stream:?}");
    let before = testbed.calls();
    let again = testbed.chat_about(known, false).await?;
    ensure!(again.cache.starts_with("hit; age=") && again.body == first.body, "{again:?}");
    ensure!(
        testbed.chat_about(streamed, true).await?.body == stream.body,
        "the stream is not replayed unchanged"
    );
    ensure!(testbed.calls() == before, "a cache hit caused a call, calls {:?}", testbed.calls());

    for sim in testbed.sims() {
        sim.fault(Fault::status(503));
    }
    // The stream is the younger entry: once it is stale, both are.
    let wait = Wait::for_condition("the cached answers to become stale");
    while testbed.chat_about(streamed, true).await?.cache.starts_with("hit; ") {
        wait.pause().await?;
    }
    let (mut stale, mut refused) = (0, 0);
    for _ in 0..REQUESTS / 3 {
        let old = testbed.chat_about(known, false).await?;
        ensure!(old.status == 200 && old.body == first.body, "{old:?}");
        let age = old.cache.strip_prefix("stale; age=").and_then(|rest| rest.split(';').next());
        ensure!(
            age.is_some_and(|age| age.parse().is_ok_and(|age: u64| age >= 5)),
            "x-fb-cache {:?}",
            old.cache
        );
        ensure!((old.level.as_str(), old.served_by.as_str()) == ("cached", "cache"), "{old:?}");
        let old = testbed.chat_about(streamed, true).await?;
        ensure!(old.body == stream.body && old.cache.starts_with("stale; "), "{old:?}");
        stale += 2;
        let new = testbed.chat_about(unknown, false).await?;
        // The error of a trial call, or none was due.
        let code = new.code()?;
        let is_typed = code.starts_with("upstream_") || code == "all_targets_unavailable";
        ensure!(matches!(new.status, 502 | 503) && is_typed, "{new:?}");
        refused += 1;
    }
    let down = testbed.calls();
    ensure!(down.iter().sum::<u64>() < 3 * REQUESTS, "expected open breakers, calls {down:?}");
    // A breaker may be half-open, so that a call fails with 502. Its failure opens the breaker again.
    let wait = Wait::for_condition("a 503 with Retry-After");
    loop {
        let last = testbed.chat_about(unknown, false).await?;
        ensure!(matches!(last.status, 502 | 503), "{last:?}");
        if last.status == 503 && !last.retry_after.is_empty() {
            break;
        }
        wait.pause().await?;
    }

    testbed.primary.fault(Fault::status(401));
    let wait = Wait::for_condition("the rejected key to be reported instead of a cached answer");
    while testbed.chat_about(known, false).await?.status == 200 {
        wait.pause().await?;
    }
    Ok(Summary {
        clients: format!("{stale} stale, {refused} typed errors"),
        providers: format!("{}; {}", format_calls(before), format_calls(down)),
    })
}

/// With the targets of the full level down, each request descends on its own, and after three of them the route starts
/// one level lower. The route climbs after the targets recover. With every target down there is a static answer, unless
/// the request rules it out.
pub(super) async fn ladder(fb: PathBuf) -> anyhow::Result<Summary> {
    // The climb interval leaves time for all requests, so that no climb in between causes further calls.
    let more = r#"
        [routes.default.ladder]
        climb = "10s"
        [routes.default.ladder.reduced]
        max_tokens = 50
        targets = [{ provider = "third", model = "llama3.2", timeout = "10s" }]
        [routes.default.ladder.offline]
        [health.probe]
        enabled = false
        [breaker]
        open = { base = "500ms", factor = 1.0, max = "500ms" }
    "#;
    let targets = ["", "", "enabled = false"];
    let testbed = Testbed::start(&fb, Setup { targets, more, ..Setup::default() }).await?;
    for sim in [&testbed.primary, &testbed.backup] {
        sim.fault(Fault::status(503));
    }
    for number in 0..REQUESTS {
        let response = testbed.chat(false).await?;
        ensure!(
            (response.status, response.served_by.as_str(), response.level.as_str())
                == (200, "third/llama3.2", "reduced"),
            "request {number}: {response:?}"
        );
    }
    let down = testbed.calls();
    ensure!(
        down[0] <= 6 && down[1] <= 6 && down[2] == REQUESTS,
        "expected the route to descend after three requests, calls {down:?}"
    );

    testbed.third.fault(Fault::status(503));
    let fixed = testbed.chat_with(&[("x-fb-category", "support")], "Where is my order?", false).await?;
    ensure!((fixed.served_by.as_str(), fixed.level.as_str()) == ("static", "offline"), "{fixed:?}");
    ensure!(fixed.text()?.contains("ask our people"), "{fixed:?}");
    let strict = testbed.chat_with(&[("x-fb-allow-degraded", "false")], "Where is my order?", false).await?;
    ensure!(matches!(strict.status, 502 | 503), "{strict:?}");

    for sim in testbed.sims() {
        sim.heal();
    }
    let wait = Wait::for_condition("the route to climb to the full level");
    loop {
        let response = testbed.chat(false).await?;
        if (response.served_by.as_str(), response.level.as_str()) == (PRIMARY, "full") {
            break;
        }
        wait.pause().await?;
    }
    Ok(Summary {
        clients: format!("{REQUESTS} reduced, 1 fixed, 1 error, 1 full"),
        providers: format!("{}; {}", format_calls(down), format_calls(testbed.calls())),
    })
}
