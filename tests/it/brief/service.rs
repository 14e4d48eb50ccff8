//! The service: `POST /v1/completions` and `/v1/completions/circuit`, `GET /v1/health`, `GET /v1/circuits` and
//! `POST /v1/degradation/level`.

use fb_sim::{BlockForm, Fault, RecordedRequest};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Gateway, Sims, client, prepared};

pub(super) const TOKEN: Option<&str> = Some("sk-test");

/// Sends a request and returns its status and its JSON body.
pub(super) async fn send(request: reqwest::RequestBuilder, token: Option<&str>) -> (u16, Value) {
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

pub(super) async fn get(url: &str, token: Option<&str>) -> (u16, Value) {
    send(client().get(url), token).await
}

pub(super) async fn post(url: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(client().post(url).body(body), token).await
}

pub(super) fn chat(field: &str, value: Value) -> Value {
    let mut body = json!({ "model": "default", "messages": [{ "role": "user", "content": "hi" }] });
    body[field] = value;
    body
}

/// Returns the body of the latest chat that a simulator received.
fn latest(requests: &[RecordedRequest]) -> Value {
    requests.last().unwrap().json().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn preferred_provider_goes_first_and_is_never_sent_on() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    for path in ["completions", "completions/circuit", "chat/completions"] {
        let url = format!("{}/{path}", gateway.url);
        let ask = async |value: Value| {
            let response = client().post(&url).body(chat("preferred_provider", value).to_string());
            let response = response.send().await.unwrap();
            (response.status().as_u16(), response.headers()["x-fb-served-by"].to_str().unwrap().to_owned())
        };
        assert_eq!(ask(json!("backup")).await, (200, "backup/claude-sonnet-4-6".to_owned()));
        assert_eq!(ask(json!("third/llama3.2")).await, (200, "third/llama3.2".to_owned()));
        assert_eq!(ask(json!(null)).await, (200, "primary/gpt-6.1-sol".to_owned()));
        for sent in [
            latest(&sims.primary.requests()),
            latest(&sims.backup.requests()),
            latest(&sims.third.requests()),
        ] {
            assert_eq!(sent.get("preferred_provider"), None, "{path}: {sent}");
        }
        sims.backup.fault_next(2, Fault::status(500));
        assert_eq!(ask(json!("backup")).await, (200, "primary/gpt-6.1-sol".to_owned()), "the others follow");

        let (status, body) = post(&url, None, &chat("preferred_provider", json!("unheard-of"))).await;
        let expected = "preferred_provider: no target is named \"unheard-of\"; expected PROVIDER/MODEL, or a provider \
                        of the route: backup, primary, third";
        assert_eq!((status, &body["error"]["param"]), (400, &json!("preferred_provider")), "{path}");
        assert_eq!(body["error"]["message"], expected);
        let (status, body) = post(&url, None, &chat("preferred_provider", json!(7))).await;
        let expected = "preferred_provider: 7; expected the name of a provider, or null";
        assert_eq!((status, &body["error"]["message"]), (400, &json!(expected)), "{path}");
        sims.reset();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn temperature_is_0_7_where_the_model_takes_one() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let plain = "[[routes.plain.targets]]\nprovider = \"primary\"\nmodel = \"gpt-4.1\"\n";
    let gateway = Gateway::start(&fb, &sims.config(plain)).await;
    let url = format!("{}/completions", gateway.url);
    let ask = async |field: &str, value: &str| {
        let response = client().post(&url).body(chat(field, json!(value)).to_string()).send().await.unwrap();
        let changed = response.headers().get("x-fb-degraded").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), changed)
    };
    assert_eq!(ask("preferred_provider", "backup").await, (200, None));
    assert_eq!(latest(&sims.backup.requests())["temperature"], 0.7);
    assert_eq!(ask("preferred_provider", "third").await, (200, None));
    assert_eq!(latest(&sims.third.requests())["options"]["temperature"], 0.7);
    assert_eq!(ask("model", "plain").await, (200, None));
    assert_eq!(latest(&sims.primary.requests())["temperature"], 0.7);
    assert_eq!(ask("model", "default").await, (200, None));
    assert_eq!(latest(&sims.primary.requests()).get("temperature"), None, "gpt-6 rejects it");

    // A model that is not known to reject it, and does.
    let rejected = r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.7 with this model.",
        "type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#;
    sims.reset();
    sims.primary.fault_next(1, Fault::status(400).with_body(rejected));
    assert_eq!(ask("model", "plain").await, (200, None));
    let sent: Vec<_> =
        sims.primary.requests().iter().map(|sent| sent.json().unwrap()["temperature"].clone()).collect();
    assert_eq!(sent, [json!(0.7), json!(null)]);
    // The caller's own temperature is the caller's mistake.
    sims.primary.fault_next(1, Fault::status(400).with_body(rejected));
    let mut own = chat("temperature", json!(0.7));
    own["model"] = json!("plain");
    assert_eq!(post(&url, None, &own).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_down_is_503_with_the_error_of_every_target() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    for (faults, errors) in [
        (
            [Fault::status(429), Fault::status(429), Fault::status(429)],
            [
                "rate_limited (429 rate_limit_exceeded): ",
                "rate_limited (429 rate_limit_error): ",
                "rate_limited (429): ",
            ],
        ),
        (
            [Fault::status(401), Fault::status(500), Fault::status(404)],
            ["auth (401 invalid_api_key): ", "server_error (500 api_error): ", "model_not_found (404): "],
        ),
        (
            [Fault::status(500), Fault::MalformedJson, Fault::Refuse],
            [
                "server_error (500 server_error): ",
                "malformed (the answer is JSON cut short)",
                "connect (Connection refused",
            ],
        ),
    ] {
        for (sim, fault) in [&sims.primary, &sims.backup, &sims.third].into_iter().zip(&faults) {
            sim.fault(fault.clone());
        }
        for path in ["completions", "completions/circuit"] {
            // A gateway of its own: the cool-downs of the targets hold beyond a request.
            let gateway = Gateway::start(&fb, &sims.config("")).await;
            let (status, body) =
                post(&format!("{}/{path}", gateway.url), None, &chat("max_tokens", json!(9))).await;
            let message = body["error"]["message"].as_str().unwrap();
            assert_eq!(
                (status, &body["error"]["code"]),
                (503, &json!("all_targets_unavailable")),
                "{message}"
            );
            for (target, error) in
                ["primary/gpt-6.1-sol", "backup/claude-sonnet-4-6", "third/llama3.2"].iter().zip(errors)
            {
                assert!(message.contains(&format!("{target}: {error}")), "{faults:?}: {message}");
            }
        }
        sims.reset();
    }

    let gateway = Gateway::start(&fb, &sims.config("")).await;
    let url = format!("{}/completions", gateway.url);
    let status = async |body: &Value| post(&url, None, body).await.0;
    sims.primary.fault_next(1, Fault::status(400));
    assert_eq!(status(&chat("max_tokens", json!(9))).await, 400, "a mistake of the caller");
    sims.primary.fault_next(1, Fault::Block(BlockForm::Http400));
    assert_eq!(status(&chat("max_tokens", json!(9))).await, 400, "a block");
    assert_eq!(status(&chat("model", json!("gpt-3"))).await, 404);
}

/// Returns true for `2026-11-30T09:00:00.000Z`.
fn is_iso_time(value: &Value) -> bool {
    let shape: String = value.as_str().unwrap_or_default().replace(|c: char| c.is_ascii_digit(), "0");
    shape == "0000-00-00T00:00:00.000Z"
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_circuits_list_the_providers() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    sims.primary.fault_next(1, Fault::status(500));
    assert_eq!(
        post(&format!("{}/completions", gateway.url), None, &chat("max_tokens", json!(9))).await.0,
        200
    );

    let (_, health) = get(&format!("{admin}/v1/health"), TOKEN).await;
    assert_eq!(health["status"], "healthy");
    let mut primary = health["providers"][1].clone();
    assert!(is_iso_time(&primary["last_failure"]), "{primary}");
    primary["last_failure"] = json!("then");
    let expected = json!({
        "name": "primary", "model": "gpt-6.1-sol", "is_healthy": true, "consecutive_failures": 1, "last_failure": "then",
    });
    assert_eq!(primary, expected);
    let expected = json!({
        "name": "third", "model": "llama3.2", "is_healthy": true, "consecutive_failures": 0, "last_failure": null,
    });
    assert_eq!(health["providers"][2], expected);

    let (_, circuits) = get(&format!("{admin}/v1/circuits"), TOKEN).await;
    let mut primary = circuits["primary/gpt-6.1-sol"].clone();
    assert!(is_iso_time(&primary["last_failure"]), "{primary}");
    primary["last_failure"] = json!("then");
    assert_eq!(primary, json!({ "state": "closed", "failure_count": 1, "last_failure": "then" }));
    let expected = json!({ "state": "closed", "failure_count": 0, "last_failure": null });
    assert_eq!(circuits["third/llama3.2"], expected);
    assert_eq!(circuits["circuits"].as_array().map(Vec::len), Some(3), "the list is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn level_is_set_by_query_or_body() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let url = format!("{}/v1/degradation/level", gateway.admin().await);
    let by_query = post(&format!("{url}?level=reduced"), TOKEN, &json!(null)).await;
    let by_body = post(&url, TOKEN, &json!({ "level": "minimal" })).await;
    for ((status, body), level) in [(by_query, "reduced"), (by_body, "minimal")] {
        assert_eq!((status, &body["level"], &body["status"]), (200, &json!(level), &json!("updated")));
        assert_eq!(body["routes"][0]["route"], "default");
    }
    for (url, body) in [(format!("{url}?level=none"), json!(null)), (url.clone(), json!({ "level": "none" }))]
    {
        let (status, body) = post(&url, TOKEN, &body).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("unknown_level")));
    }
    let (status, body) = post(&url, TOKEN, &json!(null)).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("level")));
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_routes_need_the_token_on_the_main_listener() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let closed = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let open = Gateway::start(&fb, &format!("operator_routes = true\n{ADMIN}{}", sims.config(""))).await;
    for path in ["health", "circuits", "degradation/level?level=full"] {
        let call = async |gateway: &Gateway, token| {
            let url = format!("{}/{path}", gateway.url);
            if path.contains('?') {
                post(&url, token, &json!(null)).await.0
            } else {
                get(&url, token).await.0
            }
        };
        assert_eq!(call(&closed, TOKEN).await, 404, "{path}");
        let statuses =
            [call(&open, None).await, call(&open, Some("sk-tesT")).await, call(&open, TOKEN).await];
        assert_eq!(statuses, [401, 401, 200], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_does_not_end_the_gateway() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    let url = format!("{}/completions", gateway.url);
    for _ in 0..3 {
        gateway.signal("-HUP").await;
        assert_eq!(post(&url, None, &chat("max_tokens", json!(9))).await.0, 200);
    }
    gateway.stop().await;
}
