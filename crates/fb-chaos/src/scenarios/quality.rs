//! Answers that came and are not good enough.

use std::path::PathBuf;

use anyhow::ensure;
use fb_sim::SimReply;

use super::{REQUESTS, Row, asked};
use crate::stage::{Setup, Stage};

const GATES: &str = r#"
    [routes.default.quality]
    answer_schema = '{"type":"object","required":["city"]}'
    repair = true
"#;
const GOOD: &str = r#"{"city":"Paris"}"#;
const BAD: &str = r#"{"town":"Paris"}"#;

/// A target that answers off-schema is told once what is wrong, then left; where nobody does better the client gets a typed
/// error.
pub(super) async fn off_schema(fb: PathBuf) -> anyhow::Result<Row> {
    let stage = Stage::of(&fb, Setup { more: GATES, ..Setup::default() }).await?;
    stage.primary.reply(SimReply::text(BAD));
    stage.backup.reply(SimReply::text(GOOD));
    let first = stage.ask(false).await?;
    ensure!(first.text()? == GOOD && first.served_by == "backup/claude-sonnet-4-6", "{first:?}");
    ensure!(first.trace.contains("quality"), "trace {:?}", first.trace);
    ensure!(stage.calls() == [2, 1, 0], "one call, one repair, one hop: calls {:?}", stage.calls());
    let requests = stage.primary.requests();
    let repair = requests.iter().rfind(|one| one.method == "POST");
    let told = repair.map(|one| String::from_utf8_lossy(&one.body).into_owned()).unwrap_or_default();
    ensure!(told.contains("required property") && told.contains("town"), "the repair says {told}");
    for number in 1..REQUESTS {
        let heard = stage.ask(false).await?;
        ensure!(heard.text()? == GOOD, "request {number}: {heard:?}");
    }
    let calls = stage.calls();
    ensure!(calls[0] < REQUESTS && calls[1] == REQUESTS, "its share did not shrink, calls {calls:?}");

    stage.backup.reply(SimReply::text(BAD));
    stage.third.reply(SimReply::text(BAD));
    let none = stage.ask(false).await?;
    ensure!((none.status, none.code()?.as_str()) == (502, "quality_gate"), "{none:?}");
    Ok(Row { clients: format!("{REQUESTS}/{REQUESTS} on schema, 1 error"), providers: asked(calls) })
}

/// The same with streams: held back, nobody sees a bad answer; not held back, it ends without its end signal.
pub(super) async fn streams(fb: PathBuf) -> anyhow::Result<Row> {
    let buffered = format!("{GATES}\n    buffer = true");
    let stage = Stage::of(&fb, Setup { more: &buffered, ..Setup::default() }).await?;
    stage.primary.reply(SimReply::text(BAD));
    stage.backup.reply(SimReply::text(GOOD));
    let heard = stage.ask(true).await?;
    ensure!(heard.has_done() && heard.streamed_text() == GOOD, "{heard:?}");
    let held = stage.calls();
    ensure!(held == [2, 1, 0], "calls {held:?}");

    let stage = Stage::of(&fb, Setup { more: GATES, ..Setup::default() }).await?;
    stage.primary.reply(SimReply::text(BAD));
    let heard = stage.ask(true).await?;
    ensure!(heard.status == 200 && !heard.has_done() && !heard.clean_end, "{heard:?}");
    ensure!(heard.body.contains("data: {\"error\":") && heard.body.contains("quality_gate"), "{heard:?}");
    let shown = stage.calls();
    ensure!(shown == [1, 0, 0], "calls {shown:?}");
    Ok(Row {
        clients: "1 whole, 1 honest error".to_owned(),
        providers: format!("{}; {}", asked(held), asked(shown)),
    })
}
