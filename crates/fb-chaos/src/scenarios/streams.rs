//! Streams that break, stall, or lose their client.

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use fb_sim::{Fault, SimReply};

use super::summary::{Summary, format_calls};
use crate::testbed::{PRIMARY, Setup, Testbed, wait_until_idle};

/// A stream that is cut before its first output fails over without notice. A stream that is cut after it ends with an
/// error.
pub(super) async fn cut(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup::default()).await?;
    testbed.primary.fault(Fault::CutAfterEvents { events: 1, reset: false });
    let response = testbed.chat(true).await?;
    ensure!(
        response.status == 200 && response.clean_end && response.has_done(),
        "cut before the first token: {response:?}"
    );
    ensure!(response.streamed_text() == "Hello from anthropic.", "{response:?}");
    ensure!(!response.body.contains("openai"), "bytes of two providers in one stream: {response:?}");
    let before = testbed.calls();
    ensure!(before == [1, 1, 0], "calls {before:?}");

    testbed.reset_calls();
    testbed.primary.fault(Fault::CutAfterEvents { events: 2, reset: false });
    let response = testbed.chat(true).await?;
    ensure!(
        response.status == 200 && !response.has_done() && !response.clean_end,
        "cut after the first token: {response:?}"
    );
    ensure!(response.body.contains("data: {\"error\":"), "no error event: {response:?}");
    let text = response.streamed_text();
    ensure!("Hello from openai.".starts_with(&text) && !text.is_empty(), "{response:?}");
    let after = testbed.calls();
    ensure!(after == [1, 0, 0], "calls {after:?}");
    Ok(Summary {
        clients: "1 whole, 1 honest error, 0 silent".to_owned(),
        providers: format!("{}; {}", format_calls(before), format_calls(after)),
    })
}

/// A stream that stalls before its first output fails over. A stream that stalls after it ends with an error in time, and
/// the upstream call is cancelled.
pub(super) async fn stall(fb: PathBuf) -> anyhow::Result<Summary> {
    let timeouts = ["2s", "10s", "10s"];
    let route = "idle_timeout = \"2s\"";
    let testbed = Testbed::start(&fb, Setup { timeouts, route, ..Setup::default() }).await?;
    // The first event of a stream contains only the role, which does not commit the stream.
    testbed.primary.fault(Fault::StallMid { after_events: 1 });
    let response = testbed.chat(true).await?;
    ensure!(response.has_done() && response.streamed_text() == "Hello from anthropic.", "{response:?}");
    ensure!(response.trace.contains("timeout"), "trace {:?}", response.trace);
    let before = testbed.calls();
    ensure!(before == [1, 1, 0], "calls {before:?}");
    wait_until_idle(&testbed.primary).await?;

    testbed.reset_calls();
    testbed.primary.fault(Fault::StallMid { after_events: 3 });
    let response = testbed.chat(true).await?;
    ensure!(response.status == 200 && !response.has_done() && !response.clean_end, "{response:?}");
    ensure!(response.body.contains("data: {\"error\":"), "no error event: {response:?}");
    let text = response.streamed_text();
    ensure!(!text.is_empty() && "Hello from openai.".starts_with(&text), "{text:?}");
    let counters = wait_until_idle(&testbed.primary).await?;
    ensure!((counters.calls, counters.client_left) == (1, 1), "{counters:?}");
    Ok(Summary {
        clients: "1 whole, 1 honest error in time".to_owned(),
        providers: format!("{}; {}", format_calls(before), format_calls(testbed.calls())),
    })
}

/// A client that disconnects during a stream cancels the upstream call, and affects no breaker.
pub(super) async fn cancelled(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup::default()).await?;
    // Long enough that no stream completes before its client's disconnection is noticed.
    let slow =
        SimReply { chunks: 300, gap: Duration::from_millis(100), ..SimReply::text("word ".repeat(300)) };
    testbed.primary.reply(slow);
    let clients = 10;
    for _ in 0..clients {
        let read = testbed.start_and_cancel_stream().await?;
        ensure!(read.starts_with("data: "), "{read:?}");
    }
    let counters = wait_until_idle(&testbed.primary).await?;
    ensure!((counters.calls, counters.client_left) == (clients, clients), "{counters:?}");
    testbed.primary.reply(SimReply::default());
    let response = testbed.chat(false).await?;
    ensure!(response.served_by == PRIMARY, "ten cancelled requests opened a breaker: {response:?}");
    Ok(Summary { clients: format!("{clients} left, 1 ok"), providers: format_calls(testbed.calls()) })
}

/// On a route that allows it, a cut stream is resumed at another target without a gap, and the switch is disclosed.
pub(super) async fn resumed(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup { route: "resume = true", ..Setup::default() }).await?;
    testbed.primary.fault(Fault::CutAfterEvents { events: 2, reset: false });
    let response = testbed.chat(true).await?;
    ensure!(response.status == 200 && response.clean_end && response.has_done(), "{response:?}");
    let marker = r#""fb":{"resumed_by":"backup/claude-sonnet-4-6"}"#;
    ensure!(response.body.matches(marker).count() == 1, "expected the marker once: {response:?}");
    // The backup starts over, and what it repeats is left out.
    let text = response.streamed_text();
    ensure!(text == "Hello from anthropic.", "{text:?}");
    let prefix = "Hello";
    let [recorded] = &testbed.backup.requests()[..] else { anyhow::bail!("{:?}", testbed.calls()) };
    let request = String::from_utf8_lossy(&recorded.body).into_owned();
    ensure!(request.contains(prefix), "the continuation was requested without {prefix:?}: {request}");
    let calls = testbed.calls();
    ensure!(calls == [1, 1, 0], "calls {calls:?}");
    Ok(Summary { clients: "1 whole of two, disclosed".to_owned(), providers: format_calls(calls) })
}
