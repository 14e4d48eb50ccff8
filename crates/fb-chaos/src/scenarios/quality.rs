//! Answers that a quality gate rejects.

use std::path::PathBuf;

use anyhow::ensure;
use fb_sim::SimReply;

use super::summary::{REQUESTS, Summary, format_calls};
use crate::testbed::{BACKUP, Setup, Testbed};

const GATES: &str = r#"
    [routes.default.quality]
    answer_schema = '{"type":"object","required":["city"]}'
    repair = true
"#;
const GOOD: &str = r#"{"city":"Paris"}"#;
const BAD: &str = r#"{"town":"Paris"}"#;

/// A target that violates the schema gets one repair call, then the next target is called. If no target satisfies the
/// schema, the client gets a typed error.
pub(super) async fn off_schema(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup { more: GATES, ..Setup::default() }).await?;
    testbed.primary.reply(SimReply::text(BAD));
    testbed.backup.reply(SimReply::text(GOOD));
    let first = testbed.chat(false).await?;
    ensure!(first.text()? == GOOD && first.served_by == BACKUP, "{first:?}");
    ensure!(first.trace.contains("quality"), "trace {:?}", first.trace);
    ensure!(testbed.calls() == [2, 1, 0], "one call, one repair, one hop: calls {:?}", testbed.calls());
    let requests = testbed.primary.requests();
    let repair = requests.iter().rfind(|request| request.method == "POST");
    let repair =
        repair.map(|request| String::from_utf8_lossy(&request.body).into_owned()).unwrap_or_default();
    ensure!(repair.contains("required property") && repair.contains("town"), "the repair contains {repair}");
    for number in 1..REQUESTS {
        let response = testbed.chat(false).await?;
        ensure!(response.text()? == GOOD, "request {number}: {response:?}");
    }
    let calls = testbed.calls();
    ensure!(
        calls[0] < REQUESTS && calls[1] == REQUESTS,
        "the share of the primary did not shrink, calls {calls:?}"
    );

    testbed.backup.reply(SimReply::text(BAD));
    testbed.third.reply(SimReply::text(BAD));
    let none = testbed.chat(false).await?;
    ensure!((none.status, none.code()?.as_str()) == (502, "quality_gate"), "{none:?}");
    Ok(Summary {
        clients: format!("{REQUESTS}/{REQUESTS} on schema, 1 error"),
        providers: format_calls(calls),
    })
}

/// The same for streams: a buffered stream never delivers a rejected answer, and an unbuffered one ends without its end
/// signal.
pub(super) async fn streams(fb: PathBuf) -> anyhow::Result<Summary> {
    let buffered = format!("{GATES}\n    buffer = true");
    let testbed = Testbed::start(&fb, Setup { more: &buffered, ..Setup::default() }).await?;
    testbed.primary.reply(SimReply::text(BAD));
    testbed.backup.reply(SimReply::text(GOOD));
    let response = testbed.chat(true).await?;
    ensure!(response.has_done() && response.streamed_text() == GOOD, "{response:?}");
    let with_buffer = testbed.calls();
    ensure!(with_buffer == [2, 1, 0], "calls {with_buffer:?}");

    let testbed = Testbed::start(&fb, Setup { more: GATES, ..Setup::default() }).await?;
    testbed.primary.reply(SimReply::text(BAD));
    let response = testbed.chat(true).await?;
    ensure!(response.status == 200 && !response.has_done() && !response.clean_end, "{response:?}");
    ensure!(
        response.body.contains("data: {\"error\":") && response.body.contains("quality_gate"),
        "{response:?}"
    );
    let without_buffer = testbed.calls();
    ensure!(without_buffer == [1, 0, 0], "calls {without_buffer:?}");
    Ok(Summary {
        clients: "1 whole, 1 honest error".to_owned(),
        providers: format!("{}; {}", format_calls(with_buffer), format_calls(without_buffer)),
    })
}
