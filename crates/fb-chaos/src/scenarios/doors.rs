//! The front doors other than OpenAI's chat.

use std::path::PathBuf;

use anyhow::ensure;
use fb_sim::{BlockForm, Fault};

use super::summary::{Summary, format_calls};
use crate::testbed::{BACKUP, Setup, Testbed};

/// Anthropic's clients: a primary that is down, a stream that is cut before and after its first output, and a block.
pub(super) async fn messages(fb: PathBuf) -> anyhow::Result<Summary> {
    let testbed = Testbed::start(&fb, Setup::default()).await?;
    testbed.primary.fault(Fault::CutAfterEvents { events: 1, reset: false });
    let response = testbed.message(true).await?;
    ensure!(response.status == 200 && response.clean_end, "cut before the first token: {response:?}");
    ensure!(response.message_text() == "Hello from anthropic.", "{response:?}");
    ensure!(response.body.contains("event: message_stop"), "{response:?}");
    ensure!(!response.body.contains("openai"), "bytes of two providers in one stream: {response:?}");
    let before = testbed.calls();
    ensure!(before == [1, 1, 0], "calls {before:?}");

    testbed.reset_calls();
    testbed.primary.fault(Fault::CutAfterEvents { events: 2, reset: false });
    let response = testbed.message(true).await?;
    ensure!(response.status == 200 && !response.clean_end, "cut after the first token: {response:?}");
    ensure!(!response.body.contains("event: message_stop"), "{response:?}");
    ensure!(response.body.contains("event: error\ndata: {\"type\":\"error\""), "{response:?}");
    let text = response.message_text();
    ensure!("Hello from openai.".starts_with(&text) && !text.is_empty(), "{response:?}");
    let after = testbed.calls();
    ensure!(after == [1, 0, 0], "calls {after:?}");

    testbed.reset_calls();
    testbed.primary.fault(Fault::Block(BlockForm::FinishReason));
    let response = testbed.message(false).await?;
    ensure!(response.status == 200 && response.body.contains(r#""stop_reason":"refusal""#), "{response:?}");
    let blocked = testbed.calls();
    ensure!(blocked == [1, 0, 0], "a block was sent elsewhere: {blocked:?}");

    testbed.reset_calls();
    testbed.primary.fault(Fault::status(503));
    let response = testbed.message(false).await?;
    ensure!(response.status == 200 && response.served_by == BACKUP, "{response:?}");
    ensure!(response.body.contains("Hello from anthropic."), "{response:?}");
    Ok(Summary {
        clients: "2 whole, 1 honest error, 1 block".to_owned(),
        providers: format!("{}; {}; {}", format_calls(before), format_calls(after), format_calls(blocked)),
    })
}
