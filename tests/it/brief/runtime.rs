//! Providers and routes that are added, replaced and removed while requests are served.

use std::{path::Path, time::Duration};

use fb_sim::{Dialect, Fault, Sim, SimReply};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::service::{TOKEN, chat, get, post, send};
use crate::harness::{ADMIN, Gateway, Sims, TempDir, client, prepared};

/// Sends a chat and returns its status and the target that answered.
async fn ask(gateway: &Gateway, model: &str) -> (u16, String) {
    let request = client().post(format!("{}/chat/completions", gateway.url));
    let response = request.body(chat("model", json!(model)).to_string()).send().await.unwrap();
    let served = response.headers().get("x-fb-served-by").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), served.unwrap_or_default())
}

async fn change(method: Method, url: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(client().request(method, url).body(body), TOKEN).await
}

fn provider(name: &str, sim: &Sim, key: impl AsRef<Path>) -> Value {
    json!({ "name": name, "kind": "openai", "base_url": sim.base_url(), "api_key": { "file": key.as_ref() } })
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_is_added_used_and_removed_while_requests_are_served() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, added) = (Sims::start().await, Sim::start(Dialect::OpenAi).await.unwrap());
    let dir = TempDir::new();
    let key = dir.write("key", "sk-new");
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    let (providers, routes) = (format!("{admin}/v1/providers"), format!("{admin}/v1/routes"));

    // The breaker and the counts of a target that stays are kept by every change below.
    sims.primary.fault_next(1, Fault::status(500));
    assert_eq!(ask(&gateway, "default").await, (200, "backup/claude-sonnet-4-6".to_owned()));
    let kept = async || {
        let (_, circuits) = get(&format!("{admin}/v1/circuits"), TOKEN).await;
        let (_, stats) = get(&format!("{admin}/v1/stats"), TOKEN).await;
        (
            circuits["primary/gpt-6.1-sol"]["failure_count"].clone(),
            stats["by_provider"]["primary"]["total"].clone(),
        )
    };
    assert_eq!(kept().await, (json!(1), json!(1)));

    let (status, body) = post(&providers, TOKEN, &provider("fourth", &added, &key)).await;
    assert_eq!((status, body), (200, json!({ "providers": ["backup", "fourth", "primary", "third"] })));
    let route = json!({ "targets": [{ "provider": "fourth", "model": "gpt-4.1" }, { "provider": "primary", "model": "gpt-6.1-sol" }] });
    let (status, body) = change(Method::PUT, &format!("{routes}/default"), route.clone()).await;
    assert_eq!((status, body), (200, json!({ "routes": ["default"] })));
    assert_eq!(ask(&gateway, "default").await, (200, "fourth/gpt-4.1".to_owned()));
    assert_eq!(added.requests().last().unwrap().header("authorization"), Some("Bearer sk-new"));
    assert_eq!(kept().await, (json!(1), json!(1)));

    // In use: refused as a whole, and named.
    let (status, body) = change(Method::DELETE, &format!("{providers}/fourth"), json!(null)).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("provider_in_use")));
    assert_eq!(ask(&gateway, "default").await, (200, "fourth/gpt-4.1".to_owned()));

    // A request in flight ends with the provider it began with.
    added.reply(SimReply { latency: Duration::from_millis(400), ..SimReply::default() });
    let mut in_flight = JoinSet::new();
    in_flight.spawn({
        let url = format!("{}/chat/completions", gateway.url);
        async move { post(&url, None, &chat("model", json!("default"))).await.0 }
    });
    added.wait_until(|counters| counters.calls == 3).await;
    let replaced =
        json!({ "routes": { "default": { "targets": [{ "provider": "third", "model": "llama3.2" }] } } });
    let (status, body) = change(Method::DELETE, &format!("{providers}/fourth"), replaced).await;
    assert_eq!((status, body), (200, json!({ "providers": ["backup", "primary", "third"] })));
    assert_eq!(ask(&gateway, "default").await, (200, "third/llama3.2".to_owned()));
    assert_eq!(in_flight.join_next().await.unwrap().unwrap(), 200);
    assert_eq!(added.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_provider_begins_without_the_rejected_key() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    let dir = TempDir::new();
    let key = dir.write("key", "sk-new");
    sims.primary.fault_next(1, Fault::status(401));
    for _ in 0..2 {
        assert_eq!(ask(&gateway, "default").await, (200, "backup/claude-sonnet-4-6".to_owned()));
    }
    assert_eq!(sims.primary.requests().len(), 1);
    let (status, _) =
        post(&format!("{admin}/v1/providers"), TOKEN, &provider("primary", &sims.primary, &key)).await;
    assert_eq!(status, 200);
    assert_eq!(ask(&gateway, "default").await, (200, "primary/gpt-6.1-sol".to_owned()));
    assert_eq!(sims.primary.requests().last().unwrap().header("authorization"), Some("Bearer sk-new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_change_is_refused_with_its_field_and_changes_nothing() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    let (providers, route) = (format!("{admin}/v1/providers"), format!("{admin}/v1/routes/default"));
    let target = |fields: Value| json!({ "targets": [fields] });
    let cases = [
        (Method::POST, &providers, json!({ "kind": "openai" }), 400, "name"),
        (Method::POST, &providers, json!({ "name": 7, "kind": "openai" }), 400, "name"),
        (Method::POST, &providers, json!({ "name": "a/b", "kind": "ollama" }), 400, "providers.a/b"),
        (Method::POST, &providers, json!({ "name": "new", "kind": "opanai" }), 400, "providers.new.kind"),
        (
            Method::POST,
            &providers,
            json!({ "name": "new", "kind": "openai", "kee": "sk-y" }),
            400,
            "providers.new.kee",
        ),
        (Method::PUT, &route, json!({ "targets": [] }), 400, "routes.default.targets"),
        (
            Method::PUT,
            &route,
            target(json!({ "provider": "none", "model": "m" })),
            400,
            "routes.default.targets[0].provider",
        ),
        (
            Method::PUT,
            &route,
            target(json!({ "provider": "third", "model": "m", "weight": "x" })),
            400,
            "routes.default.targets[0].weight",
        ),
        (Method::DELETE, &format!("{providers}/none"), json!(null), 404, "providers.none"),
        (Method::DELETE, &format!("{admin}/v1/routes/none"), json!(null), 404, "routes.none"),
    ];
    for (method, url, body, status, param) in cases {
        let (actual, error) = change(method, url, body).await;
        assert_eq!((actual, &error["error"]["param"]), (status, &json!(param)), "{error}");
        assert!(!error.to_string().contains("sk-"), "{error}");
    }
    let refused = [
        client().post(&providers).body(provider("x", &sims.primary, "key").to_string()),
        client().put(&route).body(target(json!({ "provider": "third", "model": "m" })).to_string()),
        client().delete(format!("{providers}/third")),
        client().delete(&route),
    ];
    for request in refused {
        assert_eq!(send(request, None).await.0, 401);
    }
    assert_eq!(get(&providers, TOKEN).await.1, json!({ "providers": ["backup", "primary", "third"] }));
    assert_eq!(ask(&gateway, "default").await, (200, "primary/gpt-6.1-sol".to_owned()));
}
