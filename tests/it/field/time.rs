//! The time that calls get.

use std::time::Duration;

use fb_sim::{Fault, SimReply};

use crate::harness::{CHAT, Gateway, Sims, prepared};

const STREAM: &str = r#"{"model":"default","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// Returns an answer that takes this long to begin.
fn after(secs: u64) -> SimReply {
    SimReply { latency: Duration::from_secs(secs), ..SimReply::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn hung_primary_leaves_the_backup_half_of_the_deadline() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let route = r#"
        [routes.default]
        deadline = "16s"
        targets = [
          { provider = "primary", model = "gpt-4o" },
          { provider = "backup", model = "claude-sonnet-4-6" },
        ]"#;
    let gateway = Gateway::start(&fb, &(sims.providers() + route)).await;
    sims.primary.fault(Fault::StallHeaders);
    sims.backup.reply(after(6));
    let response = gateway.post(CHAT).await;
    assert_eq!((response.status, response.header("x-fb-served-by")), (200, "backup/claude-sonnet-4-6"));
    assert_eq!(sims.calls(), [1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_answers_and_first_outputs_have_limits_of_their_own() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let route = r#"
        [routes.default]
        targets = [
          { provider = "primary", model = "gpt-4o", total = "10s", first_output = "1s" },
          { provider = "backup", model = "claude-sonnet-4-6" },
        ]"#;
    let gateway = Gateway::start(&fb, &(sims.providers() + route)).await;
    sims.primary.reply(after(3));
    let by = [gateway.post(CHAT).await, gateway.post(STREAM).await];
    let by = by.each_ref().map(|response| response.header("x-fb-served-by"));
    assert_eq!(by, ["primary/gpt-4o", "backup/claude-sonnet-4-6"]);
    assert_eq!(sims.calls(), [2, 1, 0]);
}
