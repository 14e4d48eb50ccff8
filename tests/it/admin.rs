//! The admin listener: what it reports and changes, and its authentication.

use expect_test::expect;
use serde_json::{Value, json};

use crate::harness::{ADMIN, CHAT, Gateway, Sims, client, operator, prepared};

/// Calls the admin listener and returns status and body.
async fn call(url: &str, change: Option<(&str, Value)>) -> (u16, Value) {
    let request = match change {
        Some((token, body)) => client().post(url).bearer_auth(token).body(body.to_string()),
        None => operator().get(url),
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

/// Formats a breaker as `state allows_request override-mode`.
fn summary(circuit: &Value) -> String {
    format!("{} {} {}", circuit["state"], circuit["allows_request"], circuit["override"]["mode"])
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_forces_a_breaker_open_and_closed_and_resets_it() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    let primary = format!("{admin}/v1/circuits/primary/gpt-6.1-sol");
    let change = async |action: &str| {
        let body = json!({ "action": action, "reason": "maintenance", "for": "1h" });
        call(&primary, Some(("sk-test", body))).await
    };

    let (status, forced) = change("force_open").await;
    assert_eq!((status, summary(&forced).as_str()), (200, r#""closed" false "forced_open""#));
    assert_eq!(forced["override"]["reason"], "maintenance");
    assert_eq!(gateway.post(CHAT).await.header("x-fb-served-by"), "backup/claude-sonnet-4-6");
    assert_eq!(sims.calls(), [0, 1, 0]);

    sims.primary.fault(fb_sim::Fault::Refuse);
    assert_eq!(summary(&change("force_closed").await.1), r#""closed" true "forced_closed""#);
    for _ in 0..8 {
        assert_eq!(gateway.post(CHAT).await.status, 200);
    }
    let (_, all) = call(&format!("{admin}/v1/circuits"), None).await;
    let circuits = all["circuits"].as_array().unwrap();
    let primary_now = circuits.iter().find(|circuit| circuit["target"] == "primary/gpt-6.1-sol").unwrap();
    assert_eq!(summary(primary_now), r#""open" true "forced_closed""#, "the breaker itself is open");
    assert_eq!(primary_now["last_failure"]["kind"], "connect");
    assert!(primary_now["failures"]["connect"].as_u64().unwrap() >= 8, "every request still tries it");

    sims.primary.heal();
    assert_eq!(summary(&change("reset").await.1), r#""closed" true null"#);
    assert_eq!(gateway.post(CHAT).await.header("x-fb-served-by"), "primary/gpt-6.1-sol");
    let (_, health) = call(&format!("{admin}/v1/health"), None).await;
    assert_eq!(health["status"], "healthy");
    let row = &health["targets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["target"] == "primary/gpt-6.1-sol")
        .unwrap();
    let shown = [
        &row["model"],
        &row["healthy"],
        &row["available"],
        &row["consecutive_failures"],
        &row["last_failure"]["kind"],
    ];
    assert_eq!(shown.map(ToString::to_string), ["\"gpt-6.1-sol\"", "true", "true", "0", "\"connect\""]);
    assert!(row["p95_latency_ms"].is_u64() && row["mean_latency_ms"].is_u64(), "{row}");
    assert!(row["last_error"]["error"].as_str().unwrap().contains("connect"), "{row}");
    change("force_open").await;
    assert_eq!(call(&format!("{admin}/v1/health"), None).await.1["status"], "degraded");
}

/// The backup is never called, and free probes still find its outage.
#[tokio::test(flavor = "multi_thread")]
async fn probes_detect_the_outage_of_an_uncalled_provider() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    sims.backup.fault(fb_sim::Fault::Refuse);
    let probe = "[health.probe]\ninterval = \"100ms\"\nunhealthy_interval = \"100ms\"\n";
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{probe}{}", sims.config(""))).await;
    let health = format!("{}/v1/health", gateway.admin().await);
    let status_of = async |target: &str| {
        let (_, all) = call(&health, None).await;
        let row =
            all["targets"].as_array().unwrap().iter().find(|row| row["target"] == target).unwrap().clone();
        (all["status"].clone(), row)
    };
    let wait_for = async |endpoint: &str| loop {
        let (status, row) = status_of("backup/claude-sonnet-4-6").await;
        if row["endpoint"] == endpoint {
            break (status, row);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let (status, down) = wait_for("unhealthy").await;
    assert_eq!(
        (status, &down["available"], &down["reasons"]),
        (json!("degraded"), &json!(false), &json!(["unhealthy"]))
    );
    assert_eq!(down["last_check"]["found"], "failed");
    assert!(down["last_check"]["error"].as_str().unwrap().contains("connect"), "{down}");
    sims.backup.heal();
    let (_, up) = wait_for("healthy").await;
    assert_eq!((&up["available"], &up["last_check"]["found"]), (&json!(true), &json!("passed")));
    assert_eq!(sims.calls(), [0, 0, 0], "a probe does not count as a call");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_require_the_token_and_invalid_bodies_are_rejected() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    let mut errors = Vec::new();
    for (target, token, body) in [
        ("primary/gpt-6.1-sol", "sk-tesT", json!({ "action": "force_open" })),
        ("primary/gpt-6.1-sol", "", json!({ "action": "force_open" })),
        ("primary/gpt-7", "sk-test", json!({ "action": "reset" })),
        ("primary/gpt-6.1-sol", "sk-test", json!({ "action": "explode" })),
        ("primary/gpt-6.1-sol", "sk-test", json!({ "action": "lift", "until": 3 })),
        ("primary/gpt-6.1-sol", "sk-test", json!({ "action": "lift", "reason": "x".repeat(501) })),
    ] {
        let (status, body) = call(&format!("{admin}/v1/circuits/{target}"), Some((token, body))).await;
        errors.push(format!("{status} {}", body["error"]["message"].as_str().unwrap()));
    }
    expect![[r#"
        401 expected Authorization: Bearer and the admin token
        401 expected Authorization: Bearer and the admin token
        404 no target is named "primary/gpt-7"; targets: backup/claude-sonnet-4-6, primary/gpt-6.1-sol, third/llama3.2
        400 the body is not what was expected: unknown variant `explode`, expected one of `force_open`, `force_closed`, `metrics_only`, `lift`, `reset` at line 1 column 19; expected {"action": "force_open" | "force_closed" | "metrics_only" | "lift" | "reset", "reason": "…", "for": "10m"}
        400 the body is not what was expected: unknown field `until`, expected one of `action`, `reason`, `for` at line 1 column 24; expected {"action": "force_open" | "force_closed" | "metrics_only" | "lift" | "reset", "reason": "…", "for": "10m"}
        400 the reason has 501 bytes; expected at most 500"#]].assert_eq(&errors.join("\n"));
    let (_, all) = call(&format!("{admin}/v1/circuits"), None).await;
    assert!(all["circuits"].as_array().unwrap().iter().all(|circuit| circuit["override"].is_null()));
    // The listener of the clients has no such path.
    let (status, _) = call(&format!("{}/circuits", gateway.url), None).await;
    assert_eq!(status, 404);

    let locked =
        Gateway::start(&fb, &format!("[admin]\nlisten = \"127.0.0.1:0\"\n{}", sims.config(""))).await;
    let url = format!("{}/v1/circuits/primary/gpt-6.1-sol", locked.admin().await);
    let (status, body) = call(&url, Some(("", json!({ "action": "reset" })))).await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("admin_token_not_configured")));
}
