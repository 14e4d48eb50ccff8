use expect_test::expect;
use fb::{Client, Route, Target, providers::Secret};
use fb_telemetry::{Metrics, Names};
use fb_testkit::script;
use http::header;
use http_body_util::{BodyExt, Full};
use tower_service::Service as _;

use super::*;

/// Creates the admin service of a client with one target, `a/m`.
fn service(token: Option<&str>) -> AdminService {
    let script = script("a: 200");
    let route = Route::priority("default", [Target::new("a", "m")]);
    let client = Client::builder().provider("a", script.provider("a")).route(route).build().unwrap();
    let metrics = Arc::new(Metrics::new(&Names::default()));
    let listen = ([127, 0, 0, 1], 0).into();
    let config = AdminConfig { token: token.map(Secret::value), ..AdminConfig::new(listen) };
    AdminService::new(client, Scrape::new(metrics), &config).unwrap()
}

/// Prints status, `Allow` and the start of the body.
async fn summary(
    service: &mut AdminService,
    request: &str,
    token: Option<&str>,
    body: &'static str,
) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = service.call(builder.body(Full::from(body)).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let allow = response.headers().get(header::ALLOW).map_or("-", |value| value.to_str().unwrap()).to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: String = String::from_utf8_lossy(&body).lines().next().unwrap_or("").chars().take(60).collect();
    format!("{request}: {status} {allow} {body}\n")
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods_are_matched() {
    let mut service = service(None);
    let mut table = String::new();
    for request in [
        "GET /v1/health",
        "HEAD /v1/health",
        "POST /v1/health",
        "GET /v1/stats",
        "POST /v1/stats",
        "GET /v1/circuits",
        "GET /v1/circuits/",
        "GET /v1/circuits/a/m",
        "GET /v1/cache",
        "GET /v1/degradation/level",
        "PUT /v1/degradation/level",
        "GET /v1/tenants",
        "GET /v1/traces",
        "GET /v1/traces?limit=0",
        "GET /v1/traces/",
        "GET /v1/traces/x",
        "GET /v1/traces/x/y",
        "GET /metrics",
        "GET /v1/models",
    ] {
        table += &summary(&mut service, request, None, "").await;
    }
    expect![[r#"
        GET /v1/health: 200 - {"providers":[{"consecutive_failures":0,"is_healthy":true,"l
        HEAD /v1/health: 200 - 
        POST /v1/health: 405 GET,HEAD {"error":{"message":"POST is not allowed for /v1/health","ty
        GET /v1/stats: 200 - {"by_provider":{"a":{"avg_latency_ms":null,"blocked":0,"canc
        POST /v1/stats: 405 GET,HEAD {"error":{"message":"POST is not allowed for /v1/stats","typ
        GET /v1/circuits: 200 - {"a/m":{"failure_count":0,"last_failure":null,"state":"close
        GET /v1/circuits/: 404 - {"error":{"message":"no such path: GET /v1/circuits/","type"
        GET /v1/circuits/a/m: 405 POST {"error":{"message":"GET is not allowed for /v1/circuits/a/m
        GET /v1/cache: 200 - {"bytes":0,"entries":0,"evicted":0,"expired":0,"hits":0,"mis
        GET /v1/degradation/level: 200 - {"levels":["full","reduced","minimal","cached","offline"],"r
        PUT /v1/degradation/level: 405 GET,HEAD,POST {"error":{"message":"PUT is not allowed for /v1/degradation/
        GET /v1/tenants: 200 - {"ledger_failure":null,"tenants":[]}
        GET /v1/traces: 200 - {"traces":[]}
        GET /v1/traces?limit=0: 400 - {"error":{"message":"limit: \"0\"; expected 1 to 1000","type
        GET /v1/traces/: 404 - {"error":{"message":"no such path: GET /v1/traces/","type":"
        GET /v1/traces/x: 400 - {"error":{"message":"id: \"x\" is not a request id; expected
        GET /v1/traces/x/y: 404 - {"error":{"message":"no such path: GET /v1/traces/x/y","type
        GET /metrics: 200 - # HELP fb_request_duration_seconds Time from a request to th
        GET /v1/models: 404 - {"error":{"message":"no such path: GET /v1/models","type":"i
    "#]].assert_eq(&table);
}

#[tokio::test(start_paused = true)]
async fn changes_require_the_token() {
    let force = r#"{"action": "force_open", "reason": "maintenance"}"#;
    let mut table = summary(&mut service(None), "POST /v1/circuits/a/m", Some("t"), force).await;
    let mut service = service(Some("t"));
    for (request, token, body) in [
        ("POST /v1/circuits/a/m", None, force),
        ("POST /v1/circuits/a/m", Some("other"), force),
        ("POST /v1/circuits/a%2Fm", Some("t"), force),
        ("POST /v1/circuits/b/m", Some("t"), force),
        ("POST /v1/circuits/a/m", Some("t"), "{}"),
        ("POST /v1/cache/purge", None, "{}"),
        ("POST /v1/cache/purge", Some("t"), "{}"),
        ("POST /v1/degradation/level", None, "{}"),
        ("POST /v1/degradation/level", Some("t"), r#"{"level": "none"}"#),
        ("POST /v1/degradation/level", Some("t"), r#"{"level": "full", "route": "other"}"#),
        ("POST /v1/degradation/level", Some("t"), r#"{"level": "minimal", "for": "10m"}"#),
    ] {
        table += &summary(&mut service, request, token, body).await;
    }
    expect![[r#"
        POST /v1/circuits/a/m: 403 - {"error":{"message":"nothing can be changed here: no admin.t
        POST /v1/circuits/a/m: 401 - {"error":{"message":"expected Authorization: Bearer and the 
        POST /v1/circuits/a/m: 401 - {"error":{"message":"expected Authorization: Bearer and the 
        POST /v1/circuits/a%2Fm: 200 - {"allows_request":false,"calls":0,"consecutive_failures":0,"
        POST /v1/circuits/b/m: 404 - {"error":{"message":"no target is named \"b/m\"; targets: a/
        POST /v1/circuits/a/m: 400 - {"error":{"message":"the body is not what was expected: miss
        POST /v1/cache/purge: 401 - {"error":{"message":"expected Authorization: Bearer and the 
        POST /v1/cache/purge: 200 - {"purged":0}
        POST /v1/degradation/level: 401 - {"error":{"message":"expected Authorization: Bearer and the 
        POST /v1/degradation/level: 400 - {"error":{"message":"level: \"none\" is not a level; expecte
        POST /v1/degradation/level: 404 - {"error":{"message":"no route is named \"other\"; routes: de
        POST /v1/degradation/level: 200 - {"level":"minimal","levels":["full","reduced","minimal","cac
    "#]]
    .assert_eq(&table);
}
