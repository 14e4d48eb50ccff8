//! Request headers, levels forced by operators, metrics and short completions.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{ADMIN, CHAT, Gateway, Sims, TempDir, client, operator, prepared};

const LADDER: &str = r#"
    [routes.default.ladder.reduced]
    max_tokens = 50
    targets = [{ provider = "third", model = "llama3.2" }]
    [routes.default.ladder.offline]
"#;
async fn set_level(admin: &str, body: Value) -> (u16, Value) {
    let url = format!("{admin}/v1/degradation/level");
    let response = client().post(url).bearer_auth("sk-test").body(body.to_string()).send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_forces_a_level_and_releases_it() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(LADDER))).await;
    let admin = gateway.admin().await;
    let served = async || {
        let response = gateway.post(CHAT).await;
        format!(
            "{} {} by {}",
            response.status,
            response.header("x-fb-level"),
            response.header("x-fb-served-by")
        )
    };
    assert_eq!(served().await, "200 full by primary/gpt-6.1-sol");
    let (status, levels) =
        set_level(&admin, json!({ "level": "reduced", "route": "default", "for": "1h" })).await;
    assert_eq!((status, &levels["routes"][0]["level"]), (200, &json!("reduced")));
    assert!(levels["routes"][0]["left_ms"].as_u64().unwrap() > 3_500_000, "{levels}");
    assert_eq!(served().await, "200 reduced by third/llama3.2");
    set_level(&admin, json!({ "level": "offline" })).await;
    assert_eq!(served().await, "200 offline by static");
    set_level(&admin, json!({ "level": "auto" })).await;
    assert_eq!(served().await, "200 full by primary/gpt-6.1-sol");

    let (status, unknown) = set_level(&admin, json!({ "level": "lowest" })).await;
    let message = unknown["error"]["message"].as_str().unwrap();
    assert_eq!((status, &unknown["error"]["param"]), (400, &json!("level")));
    assert!(message.contains("full, reduced, minimal, cached, offline"), "{message}");
    let (status, unknown) = set_level(&admin, json!({ "level": "full", "route": "other" })).await;
    assert_eq!((status, &unknown["error"]["code"]), (404, &json!("route_not_found")));
    let shown =
        operator().get(format!("{admin}/v1/degradation/level")).send().await.unwrap().text().await.unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        shown["routes"],
        json!([{ "route": "default", "level": "full", "forced": false, "left_ms": null }])
    );
    let url = format!("{admin}/v1/degradation/level");
    let unauthorized = client().post(url).body(r#"{"level":"offline"}"#).send().await.unwrap();
    assert_eq!(unauthorized.status().as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn short_completion_reports_its_source_in_the_body() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let more = format!("{LADDER}[routes.default.cache]\nfresh = true\nany_temperature = true\n");
    let gateway = Gateway::start(&fb, &sims.config(&more)).await;
    let send = async |path: &str, body: Value| {
        let request = client().post(format!("{}/{path}", gateway.url)).body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    let hi = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let fresh = json!({
        "content": "Hello from openai.", "provider": "primary", "model": "gpt-6.1-sol", "level": "full",
        "from_cache": false,
    });
    assert_eq!(send("completions", hi.clone()).await, (200, fresh.clone()));
    let kept = json!({ "from_cache": true });
    let (_, again) = send("completions/circuit", hi).await;
    assert_eq!((&again["from_cache"], &again["content"]), (&kept["from_cache"], &fresh["content"]));
    for sim in [&sims.primary, &sims.backup, &sims.third] {
        sim.fault(fb_sim::Fault::status(503));
    }
    let other = json!({ "model": "default", "messages": [{ "role": "user", "content": "Hello!" }] });
    let (status, fixed) = send("completions", other).await;
    assert_eq!((status, &fixed["provider"], &fixed["level"]), (200, &Value::Null, &json!("offline")));
    assert!(fixed["reason"].as_str().unwrap().contains("no target could answer"), "{fixed}");
    let (status, old) = send("completions", json!({ "prompt": "hi" })).await;
    assert_eq!((status, &old["error"]["param"]), (400, &json!("messages")));
    let streamed = json!({ "messages": [{ "role": "user", "content": "hi" }], "stream": true });
    assert_eq!(send("completions", streamed).await.1["error"]["param"], json!("stream"));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_match_the_calls_counted_by_the_providers() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    gateway.post(CHAT).await;
    sims.primary.fault(fb_sim::Fault::status(503));
    for _ in 0..6 {
        assert_eq!(gateway.post(CHAT).await.status, 200);
    }
    let metrics = operator().get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    let sum = |name: &str, label: &str| -> u64 {
        let of = |line: &&str| line.starts_with(name) && line.contains(label);
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        metrics.lines().filter(of).map(value).sum()
    };
    let attempts = ["primary/gpt-6.1-sol", "backup/claude-sonnet-4-6", "third/llama3.2"]
        .map(|target| sum("fb_attempts_total{", &format!("target=\"{target}\"")));
    assert_eq!(attempts, sims.calls());
    assert_eq!(sum("fb_requests_total{", r#"outcome="answered""#), 7);
    assert_eq!(
        sum("fb_hops_total{", r#"reason="overloaded""#) + sum("fb_hops_total{", r#"reason="server_error""#),
        5
    );
    assert_eq!(sum("fb_breaker_state{", r#"target="primary/gpt-6.1-sol",state="open""#), 1);
    assert_eq!(sum("fb_skips_total{", r#"reason="breaker_open""#), 1);
}

/// Returns a config with prices for every target, a tenant, a quality gate with repair, a ledger and records.
fn accounting_config(dir: &TempDir) -> String {
    let price = |target: &str| format!("[prices.{target:?}]\ninput = 1000.0\noutput = 1000.0\n");
    let prices = ["primary/gpt-6.1-sol", "backup/claude-sonnet-4-6", "third/llama3.2"].map(price).concat();
    let [ledger, record] =
        ["spend.redb", "requests.jsonl"].map(|name| dir.0.join(name).display().to_string());
    format!(
        r#"
        {prices}
        [tenants.acme]
        key = {{ env = "FB_TEST_KEY" }}
        usd_per_day = 1.0
        [tenants.default]
        anonymous = true
        [routes.default.quality]
        schema = true
        repair = true
        [ledger]
        path = {ledger:?}
        [record]
        file = {record:?}
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_cover_tenant_spending_quality_gates_and_records() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(&accounting_config(&dir)))).await;
    let admin = gateway.admin().await;

    // A token costs a tenth of a cent, so half a dollar is reserved, then two.
    let send_as_acme = async |most: u32| {
        let body = json!({ "model": "default", "max_tokens": most, "messages": [{ "role": "user", "content": "hi" }] });
        gateway.post_with("authorization", "Bearer sk-test", body.to_string()).await
    };
    let tokens: u32 = send_as_acme(500).await.json()["usage"]["total_tokens"].to_string().parse().unwrap();
    assert_eq!(send_as_acme(2_000).await.status, 402);
    sims.primary.reply(fb_sim::SimReply::text("no JSON"));
    let schema = json!({ "name": "city", "schema": { "type": "object" } });
    let with_schema = json!({
        "model": "default",
        "messages": [{ "role": "user", "content": "hi" }],
        "response_format": { "type": "json_schema", "json_schema": schema },
    });
    let response = gateway.post(with_schema.to_string()).await;
    assert_eq!(response.header("x-fb-served-by"), "third/llama3.2");

    // A background thread writes the records.
    let written = async {
        loop {
            let response = operator().get(format!("{admin}/metrics")).send().await.unwrap();
            let metrics = response.text().await.unwrap();
            if metrics.contains("fb_records_total{result=\"written\"} 3\n") {
                return metrics;
            }
        }
    };
    let all = tokio::time::timeout(Duration::from_secs(10), written).await.expect("three lines are written");
    let mut shown: Vec<&str> = all
        .lines()
        .filter(|line| {
            let of_acme = line.starts_with("fb_tenant_") && line.contains("acme");
            let names = ["fb_tenant_requests", "fb_gate", "fb_repairs", "fb_records", "fb_ledger"];
            of_acme || names.iter().any(|name| line.starts_with(name))
        })
        .collect();
    shown.sort_unstable();
    let cost = f64::from(tokens) / 1000.0;
    assert_eq!(
        shown.join("\n"),
        format!(
            r#"fb_gate_defects_total{{route="default",target="primary/gpt-6.1-sol",gate="schema"}} 2
fb_ledger_failing 0
fb_records_total{{result="lost"}} 0
fb_records_total{{result="written"}} 3
fb_repairs_total{{route="default",target="primary/gpt-6.1-sol",outcome="quality"}} 1
fb_tenant_cost_usd_total{{tenant="acme"}} {cost:?}
fb_tenant_limit_usd{{tenant="acme",window="day"}} 1.0
fb_tenant_refused_total{{tenant="acme",limit="usd_per_day"}} 3
fb_tenant_requests_total{{tenant="acme",outcome="answered"}} 1
fb_tenant_requests_total{{tenant="acme",outcome="over_budget"}} 1
fb_tenant_requests_total{{tenant="default",outcome="answered"}} 1
fb_tenant_reserved_usd{{tenant="acme"}} 0.0
fb_tenant_spent_usd{{tenant="acme",window="day"}} {cost:?}
fb_tenant_spent_usd{{tenant="acme",window="month"}} {cost:?}
fb_tenant_tokens_total{{tenant="acme"}} {tokens}"#
        )
    );
    let score = |target: &str| -> f64 {
        let start = format!("fb_quality_score{{target=\"{target}\"}} ");
        all.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    };
    // One good answer and two bad ones, after a prior of five good ones; an answer weighs less by the second.
    assert!((score("primary/gpt-6.1-sol") - 0.75).abs() < 0.01, "{all}");
    assert_eq!(score("third/llama3.2").to_bits(), 1.0_f64.to_bits());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_select_a_target_and_invalid_ones_are_rejected() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config(LADDER)).await;
    let response = gateway.post_with("x-fb-prefer", "third", CHAT).await;
    assert_eq!(response.header("x-fb-served-by"), "third/llama3.2");
    for (name, value) in
        [("x-fb-prefer", "fourth/m"), ("x-fb-timeout", "soon"), ("x-fb-allow-degraded", "perhaps")]
    {
        let response = gateway.post_with(name, value, CHAT).await;
        let message = response.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(response.status, 400);
        assert!(message.contains(value), "{message}");
    }
    for sim in [&sims.primary, &sims.backup, &sims.third] {
        sim.fault(fb_sim::Fault::StallHeaders);
    }
    let response = gateway.post_with("x-fb-timeout", "300ms", CHAT).await;
    assert_eq!((response.status, response.header("x-fb-served-by")), (200, "static"));
    assert!(response.header("x-fb-reason").contains("timeout"), "{:?}", response.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_is_explained_by_its_id() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    sims.primary.fault(fb_sim::Fault::status(503));
    let secret = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"my secret plan"}]}"#;
    let id = gateway.post(secret).await.header("x-request-id").to_owned();
    let explain = async |id: &str| {
        let mut command = tokio::process::Command::new(&fb);
        let output = command
            .args(["explain", id, "--admin", &admin])
            .env("FB_ADMIN_TOKEN", "sk-test")
            .output()
            .await
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(printed).unwrap())
    };
    let (code, printed) = explain(&id).await;
    assert_eq!(code, Some(0), "{printed}");
    for part in [
        format!("{id}  route default (asked for gpt-4o)\n").as_str(),
        "served by backup/claude-sonnet-4-6 at level full",
        "1  primary/gpt-6.1-sol       priority 0",
        "primary/gpt-6.1-sol       1  overloaded (503",
    ] {
        assert!(printed.contains(part), "{part:?} is not in {printed}");
    }
    assert!(!printed.contains("secret"), "{printed}");
    let url = format!("{admin}/v1/traces");
    let get = async |url: String| {
        let text = operator().get(url).send().await.unwrap().text().await.unwrap();
        assert!(!text.contains("secret"), "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let one = get(format!("{url}/{id}")).await;
    assert_eq!(one["plan"]["order"][1]["target"], "backup/claude-sonnet-4-6");
    assert_eq!(one["attempts"][0]["failure"], "overloaded");
    let all = get(format!("{url}?limit=5")).await;
    assert_eq!(all["traces"][0]["id"], json!(id));
    assert_eq!(get(format!("{url}?limit=many")).await["error"]["param"], "limit");
    let (code, printed) = explain("req_00000000000000000000000000000000").await;
    assert_eq!(code, Some(1));
    assert!(printed.contains("is remembered"), "{printed}");
}
