//! Authentication: API keys of tenants, the admin token, and what each may see.

use serde_json::{Value, json};

use crate::harness::{ADMIN, CHAT, Gateway, Sims, client, operator, prepared};

/// A tenant with a key, which may call the backup only.
const ACME: &str = "[tenants.acme]\nkey = { env = \"FB_TEST_KEY\" }\nallowed = [\"backup\"]\n";

async fn get(url: String, token: Option<&str>) -> (u16, Value) {
    let request = client().get(url);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_missing_keys_are_rejected_once_a_tenant_has_one() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let anonymous = "[tenants.default]\nanonymous = true\n";
    for (more, missing, wrong) in
        [("", 200, 200), (ACME, 401, 401), (&format!("{ACME}{anonymous}"), 200, 401)]
    {
        let gateway = Gateway::start(&fb, &sims.config(more)).await;
        assert_eq!(gateway.post(CHAT).await.status, missing, "no key, {more}");
        let response = gateway.post_with("authorization", "Bearer sk-other", CHAT).await;
        assert_eq!(response.status, wrong, "wrong key, {more}");
        if wrong == 401 {
            assert_eq!(response.json()["error"]["code"], "invalid_api_key");
            assert_eq!(response.header("x-should-retry"), "false");
            assert!(!response.body.contains("sk-"), "{}", response.body);
        }
        for (name, value) in [("authorization", "Bearer sk-test"), ("x-api-key", "sk-test")] {
            assert_eq!(gateway.post_with(name, value, CHAT).await.status, 200, "{name}, {more}");
        }
        assert_eq!(get(format!("{}/models", gateway.url), None).await.0, missing, "models, {more}");
    }
    // The body of a rejected request is not even read.
    let gateway = Gateway::start(&fb, &sims.config(ACME)).await;
    sims.reset();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n";
    let mut socket = tokio::net::TcpStream::connect(super::authority(&gateway.url)).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut socket, &mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    assert_eq!(sims.calls(), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_nothing_without_the_admin_token() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(ACME))).await;
    let root = gateway.url.trim_end_matches("/v1");
    assert_eq!(client().get(format!("{root}/livez")).send().await.unwrap().text().await.unwrap(), "ok");
    let ready = format!("{root}/readyz");
    assert_eq!(get(ready.clone(), None).await, (200, json!({ "ready": true })));
    assert_eq!(get(ready.clone(), Some("sk-wrong")).await, (200, json!({ "ready": true })));
    let (_, details) = get(ready, Some("sk-test")).await;
    assert_eq!(details["targets"]["primary/gpt-6.1-sol"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_the_admin_api_needs_its_token() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let paths = ["/v1/health", "/v1/stats", "/v1/traces", "/v1/tenants", "/v1/providers", "/metrics"];
    for (more, metrics) in [("", 401), ("open_metrics = true\n", 200)] {
        let gateway = Gateway::start(&fb, &format!("{ADMIN}{more}{}", sims.config(""))).await;
        let admin = gateway.admin().await;
        for path in paths {
            let expected = if path == "/metrics" { metrics } else { 401 };
            assert_eq!(get(format!("{admin}{path}"), None).await.0, expected, "{path}, {more}");
            assert_eq!(
                operator().get(format!("{admin}{path}")).send().await.unwrap().status(),
                200,
                "{path}"
            );
        }
    }
    let gateway =
        Gateway::start(&fb, &format!("[admin]\nlisten = \"127.0.0.1:0\"\n{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    assert_eq!(get(format!("{admin}/v1/stats"), None).await.0, 200, "no token is set");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_sees_and_calls_its_own_models() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let names = async |gateway: &Gateway| {
        let (_, models) = get(format!("{}/models", gateway.url), Some("sk-test")).await;
        let ids =
            models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let direct = CHAT.replace("\"default\"", "\"backup/claude-sonnet-4-6\"");
    assert_ne!(direct, CHAT);
    let closed = format!(
        "{}[routes.other]\ntargets = [{{ provider = \"primary\", model = \"m\" }}]\n",
        sims.config(ACME)
    );
    let gateway = Gateway::start(&fb, &closed).await;
    assert_eq!(names(&gateway).await, ["default", "gpt-4o"], "no route without a target for it");
    let denied = gateway.post_with("authorization", "Bearer sk-test", direct.clone()).await;
    assert_eq!((denied.status, denied.json()["error"]["code"].as_str()), (404, Some("model_not_found")));

    let gateway = Gateway::start(&fb, &format!("direct_targets = \"allow\"\n{closed}")).await;
    assert_eq!(names(&gateway).await, ["default", "gpt-4o", "backup/claude-sonnet-4-6"]);
    assert_eq!(gateway.post_with("authorization", "Bearer sk-test", direct.clone()).await.status, 200);
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    assert_eq!(gateway.post(direct.clone()).await.status, 200, "allowed without keys");
    let gateway = Gateway::start(&fb, &format!("direct_targets = \"deny\"\n{}", sims.config(""))).await;
    assert_eq!(gateway.post(direct).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn trace_and_costs_can_be_hidden() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let stream = CHAT.replace("{\"model\"", "{\"stream\":true,\"model\"");
    for (settings, has_trace, has_cost) in
        [("", true, true), ("expose_costs = false\n", true, false), ("expose_trace = false\n", false, false)]
    {
        let config = format!(
            "{settings}{}[prices.\"primary/gpt-6.1-sol\"]\ninput = 1000.0\noutput = 1000.0\n",
            sims.config("")
        );
        let gateway = Gateway::start(&fb, &config).await;
        for body in [CHAT.to_owned(), stream.clone()] {
            let answer = gateway.post(body).await;
            assert_eq!(answer.headers.contains_key("x-fb-trace"), has_trace, "{settings}");
        }
        let trace = gateway.post(CHAT).await.header("x-fb-trace").to_owned();
        assert_eq!(trace.contains('$'), has_cost, "{settings}: {trace}");
        sims.primary.fault(fb_sim::Fault::status(404));
        let error = gateway.post(CHAT.replace("\"default\"", "\"primary/gpt-6.1-sol\"")).await;
        assert_eq!(error.headers.contains_key("x-fb-trace"), has_trace, "{settings}");
        assert!(has_trace || !error.body.contains("primary/"), "{settings}: {}", error.body);
        sims.primary.heal();
    }
}

/// A preference reaches no target of another route where targets may not be named directly.
#[tokio::test(flavor = "multi_thread")]
async fn preference_for_another_route_is_unknown_where_direct_targets_are_denied() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!(
        "{}[routes.other]\ntargets = [{{ provider = \"third\", model = \"other\" }}]\n",
        sims.config(&ACME.replace("\"backup\"", "\"primary\", \"backup\""))
    );
    for (direct, expected) in [("", 400), ("direct_targets = \"allow\"\n", 200)] {
        let gateway = Gateway::start(&fb, &format!("{direct}{config}")).await;
        let field = CHAT.replace("{\"model\"", "{\"preferred_provider\":\"third/other\",\"model\"");
        for (path, header, body) in [
            ("chat/completions", "third/other", CHAT),
            ("chat/completions", "backup", &*field),
            ("completions", "third/other", CHAT),
            ("completions", "backup", &*field),
        ] {
            let request = client().post(format!("{}/{path}", gateway.url)).bearer_auth("sk-test");
            let response = request.header("x-fb-prefer", header).body(body.to_owned()).send().await.unwrap();
            let (status, text) = (response.status(), response.text().await.unwrap());
            assert_eq!(status, expected, "{path} {header} {direct}: {text}");
            let names_route = text.contains("a provider of the route: backup, primary\"");
            assert_eq!(names_route, expected == 400, "{path} {header} {direct}: {text}");
        }
        let gateway_answer =
            gateway.post_with("x-api-key", "sk-test", CHAT.replace("\"default\"", "\"gone\"")).await;
        let error = gateway_answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(error, "no route or target is named \"gone\"; routes: default");
    }
}
