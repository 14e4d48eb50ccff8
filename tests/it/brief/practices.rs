//! The practices (row 28): drills, alerts, typed errors, timeouts and load shedding.

use std::time::Duration;

use fb::{AttemptEnd, ChatRequest, Error, Route, Skip, Target};
use fb_sim::Fault;
use serde_json::Value;

use crate::{
    brief::scripted,
    eval,
    harness::{CHAT, Gateway, Sims, TempDir, operator, prepared},
};

#[tokio::test(flavor = "multi_thread")]
async fn failover_is_tested_regularly_by_a_command() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    dir.write("fb.toml", &sims.config(""));
    let (code, stdout, stderr) = eval::run(&fb, &dir, &["drill", "--config", "fb.toml"], "sk-test").await;
    let survived = "one target down: 15 outages, 15 survived, 0 with errors";
    assert!(code == Some(0) && stdout.contains(survived), "{stdout}{stderr}");
    assert_eq!(sims.calls(), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn degradation_is_in_the_answer_the_metrics_and_the_health_of_every_dependency() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let more = "[routes.default.ladder]\noffline = {}\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let gateway =
        Gateway::start(&fb, &sims.config(more).replace("timeout = \"5s\"", "max_retries = 0")).await;
    let admin = gateway.admin().await;
    let get = async |path: &str| {
        operator().get(format!("{admin}{path}")).send().await.unwrap().text().await.unwrap()
    };
    for sim in [&sims.primary, &sims.backup, &sims.third] {
        sim.fault(Fault::status(500));
    }
    let answer = gateway.post(CHAT).await;
    assert_eq!((answer.status, answer.header("x-fb-level")), (200, "offline"));
    let metrics = get("/metrics").await;
    for line in [
        r#"fb_requests_total{route="default",outcome="answered",level="offline",cache="none"} 1"#,
        r#"fb_attempts_total{route="default",target="third/llama3.2",outcome="server_error"} 1"#,
    ] {
        assert!(metrics.lines().any(|known| known == line), "no {line} in {metrics}");
    }
    let health: Value = serde_json::from_str(&get("/v1/health").await).unwrap();
    let targets = health["targets"].as_array().unwrap();
    let failures = targets.iter().map(|row| format!("{} {}", row["target"], row["last_failure"]["kind"]));
    let expected = ["backup/claude-sonnet-4-6", "primary/gpt-6.1-sol", "third/llama3.2"];
    assert_eq!(failures.collect::<Vec<_>>(), expected.map(|name| format!("\"{name}\" \"server_error\"")));
}

#[tokio::test(start_paused = true)]
async fn errors_are_typed_and_every_call_has_a_timeout() {
    let error = |step: &'static str| async move {
        let client =
            scripted(step).1.route(Route::priority("default", [Target::new("a", "m")])).build().unwrap();
        client.chat(ChatRequest::user("Hello!")).await.unwrap_err()
    };
    assert!(matches!(error("a: block").await, Error::Blocked(_)));
    assert!(matches!(error("a: 400").await, Error::Surfaced(_)));
    let hung = error("a: hang").await;
    assert!(matches!(hung, Error::Exhausted(_)));
    assert_eq!((hung.status(), hung.report().unwrap().trace.rows()[0].took), (504, Duration::from_secs(120)));
}

#[tokio::test(start_paused = true)]
async fn load_beyond_a_targets_limit_goes_to_the_next_and_is_shed_when_all_are_full() {
    let (script, builder) = scripted("a: 200 in 10s / b: 200 in 10s");
    let target = |name| Target::new(name, "m").max_in_flight(1);
    let route =
        Route { last_resort_wait: Duration::ZERO, ..Route::priority("default", ["a", "b"].map(target)) };
    let client = builder.route(route).build().unwrap();
    let send = || client.chat(ChatRequest::user("Hello!"));
    let (first, second, third) = tokio::join!(send(), send(), send());
    assert_eq!(first.unwrap().served_by(), "a/m");
    assert_eq!(second.unwrap().served_by(), "b/m");
    let shed = third.unwrap_err();
    assert_eq!((shed.status(), shed.code()), (503, "all_targets_unavailable"));
    let is_full = |end: &AttemptEnd| matches!(end, AttemptEnd::Skipped { why: Skip::AtCapacity, .. });
    assert!(shed.report().unwrap().trace.rows().iter().all(|row| is_full(&row.end)));
    assert_eq!((script.provider("a").calls(), script.provider("b").calls()), (1, 1));
}
