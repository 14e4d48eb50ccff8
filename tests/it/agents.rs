//! Coding agents through the gateway: their real programs, with a primary that dies between two turns.

use std::process::Stdio;

use expect_test::expect;
use fb_sim::{Fault, RecordedRequest, Sim, SimReply};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Gateway, Sims, TempDir, prepared};

/// `backup` is the simulator of Anthropic's dialect, and `primary` that of OpenAI's.
const ROUTE: &str = r#"
[routes.claude]
targets = [
    { provider = "backup", model = "claude-sonnet-4-6", max_retries = 0 },
    { provider = "primary", model = "gpt-6.1-sol", max_retries = 0 },
]
"#;

/// Claude Code reads a file and writes another. The first answer, from a target of its own dialect, requests the read; that
/// target is down afterwards. The write and the end come from a target of another dialect.
#[tokio::test(flavor = "multi_thread")]
async fn claude_code_finishes_its_task_when_its_provider_dies() {
    if let Some(reason) = std::env::var_os("FB_LLAMA_UNSUPPORTED") {
        eprintln!(
            "*** NOT RUN: Claude Code, as this machine lacks what the local model needs: {reason:?} ***"
        );
        return;
    }
    let (Some(fb), Some(claude)) = (prepared("FB_BIN"), prepared("FB_CLAUDE_CODE")) else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config(ROUTE)).await;
    let folder = TempDir::new();
    let (input, output) = (folder.write("in.txt", "the secret is 42\n"), folder.0.join("out.txt"));
    sims.backup.reply_next(SimReply::tool_call("Read", json!({ "file_path": input })));
    sims.backup.answer_next(1);
    sims.backup.fault_next(100, Fault::status(503));
    let write = json!({ "file_path": output, "content": "the secret is 42" });
    sims.primary.reply_next(SimReply::tool_call("Write", write));
    sims.primary.reply_next(SimReply::text("Done."));

    let mut command = Command::new(claude);
    command.args(["-p", "Copy in.txt to out.txt", "--output-format", "json"]);
    command.args(["--allowedTools", "Read,Write"]).current_dir(&folder.0).stdin(Stdio::null());
    command.env("HOME", &folder.0).env("ANTHROPIC_BASE_URL", gateway.url.trim_end_matches("/v1"));
    command.env("ANTHROPIC_API_KEY", "sk-client").env("ANTHROPIC_MODEL", "claude");
    command.env("ANTHROPIC_SMALL_FAST_MODEL", "claude").env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    command.env("DISABLE_TELEMETRY", "1").env("DISABLE_AUTOUPDATER", "1");
    // Nothing listens there: whatever it sends elsewhere fails at once.
    command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1");
    let ended = command.kill_on_drop(true).output().await.unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    let result: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}"));
    let summary = format!("{} {} {}", result["subtype"], result["result"], result["num_turns"]);
    expect![[r#"
        "success" "Done." 3
        calls [2, 3, 0]"#]]
    .assert_eq(&format!("{summary}\ncalls {:?}", sims.calls()));
    assert_eq!(std::fs::read_to_string(output).unwrap(), "the secret is 42");

    // What a beta of the agent adds reaches the target of its dialect as it came.
    let sent = first_chat(&sims.backup);
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert!(sent.header("anthropic-beta").is_some_and(|beta| beta.contains("claude-code")), "{sent:?}");
    assert!(body["context_management"].is_object() && body["thinking"].is_object(), "{body}");
    let next: Value = serde_json::from_slice(&first_chat(&sims.primary).body).unwrap();
    let messages = next["messages"].as_array().unwrap();
    let result = messages.iter().rfind(|message| message["role"] == "tool").unwrap();
    assert!(result["content"].to_string().contains("the secret is 42"), "{result}");
}

/// Returns the first request that is no probe.
fn first_chat(sim: &Sim) -> RecordedRequest {
    sim.requests().into_iter().find(|request| !request.body.is_empty()).unwrap()
}
