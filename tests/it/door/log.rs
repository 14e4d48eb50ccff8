//! The log and the metrics: requests, refusals and changes by operators, without any text of a prompt or a key.

use std::{fs, path::Path, process::Stdio};

use expect_test::expect;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{chat_with, exchange, status};
use crate::harness::{ADMIN, CHAT, Gateway, Sims, TempDir, client, operator, prepared};

const LIMITS: &str =
    "head_timeout = \"1s\"\nbody_timeout = \"1s\"\nmax_body = 100000\ndrain_delay = \"0s\"\n";
/// A tenant with a key.
const ACME: &str = "[tenants.acme]\nkey = { env = \"FB_TEST_KEY\" }\n";

/// Starts a gateway that writes its log to the file `log` in this directory.
async fn start(fb: &Path, config: &str, dir: &TempDir) -> Gateway {
    let own = TempDir::new();
    let file = own.write("fb.toml", &format!("[server]\nlisten = \"127.0.0.1:0\"\n{config}"));
    let log = fs::File::create(dir.0.join("log")).unwrap();
    let mut command = Command::new(fb);
    command.args(["serve", "--config"]).arg(file).stderr(Stdio::from(log));
    command.env("FB_TEST_KEY", "sk-test").env("RUST_LOG", "warn,fb::rejected=info,fb_server::log=info");
    Gateway::spawn(command, own).await
}

/// Stops the gateway and returns the lines of its log, each an object.
async fn stop(gateway: Gateway, dir: &TempDir) -> Vec<Value> {
    gateway.stop().await;
    let log = fs::read_to_string(dir.0.join("log")).unwrap();
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

/// Prints these fields of a line.
fn print(line: &Value, fields: &[&str]) -> String {
    let print = |field: &&str| line.get(*field).map_or_else(|| "-".to_owned(), Value::to_string);
    fields.iter().map(print).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_are_in_the_log_and_in_the_metrics() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let config = format!("log = \"json\"\n{LIMITS}{ADMIN}open_metrics = true\n{ACME}{}", sims.config(""));
    let gateway = start(&fb, &config, &dir).await;
    let (url, admin) = (gateway.url.clone(), gateway.admin().await);
    let key = "host: localhost\r\nauthorization: Bearer sk-test\r\n";
    let post = |body: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\n{key}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let secret = r#"{"model":"default","messages":"secret of the prompt"}"#;
    let get =
        |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
    let cases = [
        (post(secret), "400"),
        (post(&CHAT.replace("default", "unknown")), "404"),
        (post(&"x".repeat(200_000)), "413"),
        (post("{").replace("length: 1", "length: 9"), "408"),
        (chat_with("host: localhost\r\nauthorization: Bearer sk-other\r\n"), "401"),
        (get("/v1/unknown?secret=1", key), "404"),
        (get("/v1/models", &format!("{key}origin: https://evil.example\r\n")), "403"),
        (get("/v1/models", &format!("{key}x: {}\r\n", "y".repeat(70_000))), "431"),
        ("GET /livez HTTP/9\r\n\r\n".to_owned(), "400"),
    ];
    // The head that does not end is not answered.
    assert_eq!(exchange(&url, b"GET /livez HT").await, "");
    for (request, expected) in &cases {
        let answer = exchange(&url, request.as_bytes()).await;
        assert_eq!(status(&answer), *expected, "{answer}");
    }
    let refused = client().post(format!("{admin}/v1/cache/purge")).body("{}").send().await.unwrap();
    assert_eq!(refused.status(), 401);

    let metrics = client().get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    let mut counts: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("fb_rejected_requests_total")).collect();
    counts.sort_unstable();
    expect![[r#"
        fb_rejected_requests_total{listener="admin",code="invalid_admin_token"} 1
        fb_rejected_requests_total{listener="gateway",code="forbidden_origin"} 1
        fb_rejected_requests_total{listener="gateway",code="head_too_large"} 1
        fb_rejected_requests_total{listener="gateway",code="invalid_api_key"} 1
        fb_rejected_requests_total{listener="gateway",code="invalid_request"} 1
        fb_rejected_requests_total{listener="gateway",code="malformed_head"} 1
        fb_rejected_requests_total{listener="gateway",code="model_not_found"} 1
        fb_rejected_requests_total{listener="gateway",code="request_timeout"} 2
        fb_rejected_requests_total{listener="gateway",code="request_too_large"} 1
        fb_rejected_requests_total{listener="gateway",code="unknown_url"} 1"#]]
    .assert_eq(&counts.join("\n"));
    let lines = stop(gateway, &dir).await;
    let fields = ["listener", "status", "code", "param", "tenant", "method", "path"];
    let printed: Vec<String> = lines.iter().map(|line| print(line, &fields)).collect();
    expect![[r#"
        "gateway" 408 "request_timeout" - - - -
        "gateway" 400 "invalid_request" "messages" "acme" "POST" "/v1/chat/completions"
        "gateway" 404 "model_not_found" "model" "acme" "POST" "/v1/chat/completions"
        "gateway" 413 "request_too_large" - "acme" "POST" "/v1/chat/completions"
        "gateway" 408 "request_timeout" - "acme" "POST" "/v1/chat/completions"
        "gateway" 401 "invalid_api_key" - - "POST" "/v1/chat/completions"
        "gateway" 404 "unknown_url" - - "GET" "/v1/unknown"
        "gateway" 403 "forbidden_origin" "origin" - "GET" "/v1/models"
        "gateway" 431 "head_too_large" - - "GET" "/v1/models"
        "gateway" 400 "malformed_head" - - - -
        "admin" 401 "invalid_admin_token" - - "POST" "/v1/cache/purge""#]]
    .assert_eq(&printed.join("\n"));
    for line in &lines {
        assert_eq!(
            (&line["target"], &line["message"]),
            (&json!("fb::rejected"), &json!("request refused")),
            "{line}"
        );
        assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
        let is_known = line["code"] == "malformed_head" || line["code"] == "request_timeout";
        assert!(is_known || line["id"].as_str().unwrap().starts_with("req_"), "{line}");
        assert!(!line.to_string().contains("secret"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_line_has_id_tenant_status_tokens_and_cost() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let config = format!("log = \"json\"\n{LIMITS}{ACME}{}", sims.config(""));
    let gateway = start(&fb, &config, &dir).await;
    let answer = gateway.post_with("x-api-key", "sk-test", CHAT).await;
    let id = answer.header("x-request-id").to_owned();
    for sim in [&sims.primary, &sims.backup, &sims.third] {
        sim.fault(fb_sim::Fault::status(500));
    }
    let failed = gateway.post_with("x-api-key", "sk-test", CHAT).await;
    let lines = stop(gateway, &dir).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["id"], *id);
    let fields = ["message", "route", "tenant", "status", "error", "served_by", "attempts", "service_level"];
    expect![[r#""request" "default" "acme" 200 - "primary/gpt-6.1-sol" 1 "full""#]]
        .assert_eq(&print(&lines[0], &fields));
    expect![[r#""request" "default" "acme" 502 "upstream_error" "none" 6 "full""#]]
        .assert_eq(&print(&lines[1], &fields));
    assert_eq!(lines[1]["status"], failed.status);
    assert!(lines[0]["input_tokens"].is_u64() && lines[0]["output_tokens"].is_u64(), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_operators_are_in_the_audit_log_at_any_level() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let gateway = start(&fb, &format!("log = \"json\"\n{LIMITS}{ADMIN}{}", sims.config("")), &dir).await;
    let admin = gateway.admin().await;
    let url = |path: &str| format!("{admin}/v1/{path}");
    let key = json!({ "env": "FB_TEST_KEY" });
    let provider =
        json!({ "name": "new", "kind": "openai", "base_url": sims.primary.base_url(), "api_key": key });
    let route = json!({ "targets": [{ "provider": "new", "model": "m" }] });
    let operator = operator();
    let forced = json!({ "action": "force_open", "reason": "drill" });
    let replaced = json!({ "targets": [{ "provider": "backup", "model": "claude-sonnet-4-6" }] });
    let changes = [
        (operator.post(url("circuits/primary/gpt-6.1-sol")), forced),
        (operator.post(url("degradation/level")), json!({ "level": "reduced" })),
        (operator.post(url("cache/purge")), json!({})),
        (operator.post(url("providers")), provider),
        (operator.put(url("routes/default")), route),
        (operator.delete(url("providers/new")), json!({ "routes": { "default": replaced } })),
    ];
    for (change, body) in changes {
        let response = change.body(body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    }
    let lines = stop(gateway, &dir).await;
    let lines = lines.iter().filter(|line| line["target"] == "fb::audit");
    let print = |line: &Value| {
        assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
        format!("{} {}: {} -> {}", line["action"], line["subject"], line["before"], line["after"])
    };
    expect![[r#"
        "circuit.force_open" "primary/gpt-6.1-sol": "{\"left_ms\":null,\"override\":null,\"state\":\"closed\"}" -> "{\"left_ms\":null,\"override\":\"forced_open\",\"reason\":\"drill\",\"state\":\"closed\"}"
        "level.set" "all routes": "[{\"forced\":false,\"left_ms\":null,\"level\":\"full\",\"route\":\"default\"}]" -> "[{\"forced\":true,\"left_ms\":null,\"level\":\"reduced\",\"route\":\"default\"}]"
        "cache.purge" "Purge { tenant: None, route: None, provider: None, age: None }": "{\"entries\":0}" -> "{\"entries\":0,\"purged\":0}"
        "provider.set" "new": "null" -> "{\"kind\":\"openai\"}"
        "route.set" "default": "{\"strategy\":\"priority\",\"targets\":[\"primary/gpt-6.1-sol\",\"backup/claude-sonnet-4-6\",\"third/llama3.2\"]}" -> "{\"targets\":[{\"model\":\"m\",\"provider\":\"new\"}]}"
        "provider.remove" "new": "{\"present\":true}" -> "null"
        "route.set" "default": "{\"strategy\":\"priority\",\"targets\":[\"new/m\"]}" -> "{\"targets\":[{\"model\":\"claude-sonnet-4-6\",\"provider\":\"backup\"}]}""#]].assert_eq(&lines.map(print).collect::<Vec<_>>().join("\n"));
}
