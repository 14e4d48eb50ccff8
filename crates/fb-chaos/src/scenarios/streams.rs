//! Streams that break, stall, or lose their reader.

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use fb_sim::{Fault, SimReply};

use super::{Row, asked};
use crate::stage::{Setup, Stage};

/// Before its first output a cut stream is survived and nobody notices; after it, it ends honestly.
pub(super) async fn cut(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::open(&fb, "5s").await?;
    stage.primary.fault(Fault::CutAfterEvents { events: 1, reset: false });
    let heard = stage.ask(true).await?;
    ensure!(
        heard.status == 200 && heard.clean_end && heard.has_done(),
        "cut before the first token: {heard:?}"
    );
    ensure!(heard.streamed_text() == "Hello from anthropic.", "{heard:?}");
    ensure!(!heard.body.contains("openai"), "bytes of two providers in one stream: {heard:?}");
    let before = stage.calls();
    ensure!(before == [2, 1, 0], "calls {before:?}");

    stage.sims().iter().for_each(fb_sim::Handle::reset_counters);
    stage.primary.fault(Fault::CutAfterEvents { events: 2, reset: false });
    let heard = stage.ask(true).await?;
    ensure!(
        heard.status == 200 && !heard.has_done() && !heard.clean_end,
        "cut after the first token: {heard:?}"
    );
    ensure!(heard.body.contains("data: {\"error\":"), "no error event: {heard:?}");
    ensure!(
        "Hello from openai.".starts_with(&heard.streamed_text()) && !heard.streamed_text().is_empty(),
        "{heard:?}"
    );
    let after = stage.calls();
    ensure!(after == [1, 0, 0], "calls {after:?}");
    Ok(Row {
        clients: "1 whole, 1 honest error, 0 silent".to_owned(),
        providers: format!("{}; {}", asked(before), asked(after)),
    })
}

/// A stream that stalls before its first output is survived; one that stalls after it ends in an error in time, and the
/// upstream call is given up.
pub(super) async fn stall(fb: PathBuf) -> anyhow::Result<Row> {
    let stage =
        Stage::of(&fb, Setup { timeout: "300ms", route: "idle_timeout = \"300ms\"", ..Setup::default() })
            .await?;
    // The first event of a stream is the role: it commits nothing.
    stage.primary.fault(Fault::StallMid { after_events: 1 });
    let heard = stage.ask(true).await?;
    ensure!(heard.has_done() && heard.streamed_text() == "Hello from anthropic.", "{heard:?}");
    ensure!(heard.trace.contains("timeout"), "trace {:?}", heard.trace);
    let before = stage.calls();
    ensure!(before == [1, 1, 0], "calls {before:?}");

    stage.sims().iter().for_each(fb_sim::Handle::reset_counters);
    stage.primary.fault(Fault::StallMid { after_events: 3 });
    let heard = stage.ask(true).await?;
    ensure!(heard.status == 200 && !heard.has_done() && !heard.clean_end, "{heard:?}");
    ensure!(heard.body.contains("data: {\"error\":"), "no error event: {heard:?}");
    let said = heard.streamed_text();
    ensure!(!said.is_empty() && "Hello from openai.".starts_with(&said), "{said:?}");
    let left = stage.primary.wait_until(|counters| counters.open == 0);
    let counters = tokio::time::timeout(Duration::from_secs(5), left).await?;
    ensure!((counters.calls, counters.client_left) == (1, 1), "{counters:?}");
    Ok(Row {
        clients: "1 whole, 1 honest error in time".to_owned(),
        providers: format!("{}; {}", asked(before), asked(stage.calls())),
    })
}

/// A caller that leaves in mid-stream takes the upstream call with it, and harms no breaker.
pub(super) async fn left(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::open(&fb, "5s").await?;
    let slowly =
        SimReply { chunks: 50, gap: Duration::from_millis(100), ..SimReply::text("word ".repeat(50)) };
    stage.primary.reply(slowly);
    let callers = 10;
    for _ in 0..callers {
        let heard = stage.ask_and_leave().await?;
        ensure!(heard.starts_with("data: "), "{heard:?}");
    }
    let all_left = stage.primary.wait_until(|counters| counters.open == 0);
    let counters = tokio::time::timeout(Duration::from_secs(5), all_left).await?;
    ensure!((counters.calls, counters.client_left) == (callers, callers), "{counters:?}");
    stage.primary.reply(SimReply::default());
    let heard = stage.ask(false).await?;
    ensure!(heard.served_by == "primary/gpt-6.1-sol", "ten callers left and opened a breaker: {heard:?}");
    Ok(Row { clients: format!("{callers} left, 1 ok"), providers: asked(stage.calls()) })
}

/// On a route that allows it a cut stream goes on at another target, with nothing lost, and says so.
pub(super) async fn resumed(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::of(&fb, Setup { route: "resume = true", ..Setup::default() }).await?;
    stage.primary.fault(Fault::CutAfterEvents { events: 2, reset: false });
    let heard = stage.ask(true).await?;
    ensure!(heard.status == 200 && heard.clean_end && heard.has_done(), "{heard:?}");
    let marker = r#""fb":{"resumed_by":"backup/claude-sonnet-4-6"}"#;
    ensure!(heard.body.matches(marker).count() == 1, "it is not said once: {heard:?}");
    let text = heard.streamed_text();
    let Some(prefix) = text.strip_suffix("Hello from anthropic.") else { anyhow::bail!("{text:?}") };
    ensure!(!prefix.is_empty() && "Hello from openai.".starts_with(prefix), "{text:?}");
    let [recorded] = &stage.backup.requests()[..] else { anyhow::bail!("{:?}", stage.calls()) };
    let question = String::from_utf8_lossy(&recorded.body).into_owned();
    ensure!(question.contains(prefix.trim()), "the rest was asked for without {prefix:?}: {question}");
    let calls = stage.calls();
    ensure!(calls == [1, 1, 0], "calls {calls:?}");
    Ok(Row { clients: "1 whole of two, disclosed".to_owned(), providers: asked(calls) })
}
