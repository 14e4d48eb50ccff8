//! The names of failure kinds and the numbers of the example chain, in a config.

use std::path::Path;

use fb_sim::Fault;
use serde_json::json;
use tokio::{process::Command, task::JoinSet};

use crate::harness::{CHAT, Gateway, Sims, TempDir, client, prepared};

/// Returns a config of one route with these settings of its targets.
fn config(sims: &Sims, targets: [&str; 3]) -> String {
    let models = [("primary", "gpt-4.1"), ("backup", "claude-sonnet-4-6"), ("third", "llama3.2")];
    let targets = models.iter().zip(targets).map(|((provider, model), settings)| {
        format!("[[routes.default.targets]]\nprovider = \"{provider}\"\nmodel = \"{model}\"\n{settings}\n")
    });
    format!("{}\n{}", sims.providers(), targets.collect::<String>())
}

/// Runs `fb check` and returns its output without the name of the file.
async fn check(fb: &Path, config: &str) -> String {
    let dir = TempDir::new();
    let file = dir.write("fb.toml", config);
    let output =
        Command::new(fb).arg("check").arg(&file).env("FB_TEST_KEY", "sk-test").output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().replace(&format!("{}:", file.display()), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn trigger_on_takes_the_names_of_the_brief() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let triggers = r#"max_retries = 0
        trigger_on = ["timeout", "rate_limit", "server_error", "network_error"]"#;
    for (fault, status) in [
        (Fault::status(429), 200),
        (Fault::status(500), 200),
        (Fault::status(503), 200),
        (Fault::status(529), 200),
        (Fault::Reset, 200),
        (Fault::Refuse, 200),
        (Fault::status(401), 502),
    ] {
        let gateway = Gateway::start(&fb, &config(&sims, [triggers; 3])).await;
        sims.primary.fault(fault.clone());
        assert_eq!(gateway.post(CHAT).await.status, status, "{fault}");
        sims.reset();
    }
    let auth_too = "max_retries = 0\ntrigger_on = [\"auth_error\", \"unknown\"]";
    let gateway = Gateway::start(&fb, &config(&sims, [auth_too; 3])).await;
    sims.primary.fault(Fault::status(401));
    assert_eq!(gateway.post(CHAT).await.status, 200);

    let blocks = config(&sims, ["trigger_on = [\"content_filter\"]", "", ""]);
    let refused = check(&fb, &blocks).await;
    let reason = "a content-policy block is surfaced and never sent to another target";
    assert!(refused.contains("trigger_on[0] = \"content_filter\"") && refused.contains(reason), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_the_retries_that_max_attempts_cuts() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let tries = config(&sims, ["max_retries = 2", "max_retries = 1", "max_retries = 0"]);
    let checked = check(&fb, &tries).await;
    assert!(
        checked.starts_with(" ok, ") && !checked.contains("max_attempts"),
        "3 + 2 + 1 tries are six: {checked}"
    );
    let retries = config(&sims, ["max_retries = 3", "max_retries = 2", "max_retries = 1"]);
    let warning = " warning: routes.default.max_attempts = 6: the targets allow 4 + 3 + 2 = 9 calls; 3 of them will not be made";
    let checked = check(&fb, &retries).await;
    assert!(checked.lines().any(|line| line == warning), "{checked}");

    // All six are made.
    let gateway = Gateway::start(&fb, &format!("{tries}\n[retry]\nbase = \"1ms\"\n")).await;
    for sim in [&sims.primary, &sims.backup, &sims.third] {
        sim.fault(Fault::status(500));
    }
    assert_eq!(gateway.post(CHAT).await.status, 502);
    assert_eq!(sims.calls(), [3, 2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_for_capacity_has_retry_after() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &config(&sims, ["max_in_flight = 1"; 3])).await;
    let sims = [&sims.primary, &sims.backup, &sims.third];
    for sim in sims {
        sim.fault(Fault::StallHeaders);
    }
    let url = format!("{}/chat/completions", gateway.url);
    let occupy = |model: &str| {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }] });
        client().post(&url).body(body.to_string()).send()
    };
    let mut occupied = JoinSet::new();
    for model in ["primary/gpt-4.1", "backup/claude-sonnet-4-6", "third/llama3.2"] {
        occupied.spawn(occupy(model));
    }
    for sim in sims {
        sim.wait_until(|seen| seen.open == 1).await;
    }
    let refused = gateway.post(CHAT).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.body);
}
