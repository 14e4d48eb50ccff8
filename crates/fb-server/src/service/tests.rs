use std::{fmt::Write, pin::Pin, time::Duration};

use expect_test::expect;
use fb::{Client, Config, Route, Target};
use fb_testkit::script;
use futures_util::stream;
use http::{Method, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tower_service::Service as _;

use super::*;

/// Creates the service of a client over scripted providers, one target each.
fn service(providers: &str) -> Service {
    let script = script(providers);
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m"));
    let mut builder = Client::builder().seed(7).route(Route::priority("default", targets));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    Service::new(builder.build().unwrap(), &ServerConfig::default(), &Config::default()).unwrap()
}

fn chat(stream: bool) -> Request<Full<Bytes>> {
    let body = format!(
        r#"{{"model": "default", "messages": [{{"role": "user", "content": "hi"}}], "stream": {stream}}}"#
    );
    Request::post("/v1/chat/completions").body(Full::from(body)).unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Prints the text of every chunk of a stream, and what else is in it.
fn deltas(events: &str) -> String {
    let data = events.lines().filter_map(|line| line.strip_prefix("data: "));
    let delta = |data: &str| match serde_json::from_str::<serde_json::Value>(data) {
        Ok(chunk) => match chunk["choices"][0]["delta"]["content"].as_str() {
            Some(text) => text.to_owned(),
            None => {
                chunk["choices"][0]["finish_reason"].as_str().map_or(String::new(), |it| format!("[{it}]"))
            }
        },
        Err(_) => data.to_owned(),
    };
    data.map(delta).collect()
}

#[tokio::test(start_paused = true)]
async fn plain_chat_is_served_without_a_socket() {
    let response = service("a: 503 / b: 200(\"hi there\")").call(chat(false)).await.unwrap();
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!((header("x-fb-served-by"), header("x-fb-level")), ("b/m".to_owned(), "full".to_owned()));
    let body: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "hi there");
}

#[tokio::test(start_paused = true)]
async fn streamed_chat_is_served_without_a_socket() {
    let response = service("a: 503 / b: 200(\"hi there\") gap 1s").call(chat(true)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(response.headers()["x-fb-served-by"], "b/m");
    assert_eq!(deltas(&text(response).await), "hi there[stop][DONE]");
}

/// Prints the response to a streamed chat with a head that is sent after 10 s, with the time of each line.
async fn early(spec: &str) -> String {
    let server = ServerConfig {
        heartbeat: Duration::from_secs(20),
        early_headers: Some(Duration::from_secs(10)),
        ..ServerConfig::default()
    };
    let began = tokio::time::Instant::now();
    let script = script(spec);
    let mut builder = Client::builder();
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let target = |name: &String| Target::new(name, "m").timeout(Duration::from_secs(50)).max_retries(0);
    let targets: Vec<Target> = script.providers().iter().map(|(name, _)| target(name)).collect();
    let client = builder.route(Route::priority("default", targets)).build().unwrap();
    let mut service = Service::new(client, &server, &Config::default()).unwrap();
    let response = service.call(chat(true)).await.unwrap();
    let mut shown = format!("{} after {:?}\n", response.status().as_u16(), began.elapsed());
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let at = began.elapsed().as_secs();
        match frame {
            Ok(frame) => {
                for line in std::str::from_utf8(frame.data_ref().unwrap()).unwrap().lines() {
                    let text = if line.contains("error\":") { line.to_owned() } else { deltas(line) };
                    let shown_line = if line.starts_with(": ") { line } else { &text };
                    if !shown_line.is_empty() && !line.starts_with(": x-request-id") {
                        let start: String = shown_line.chars().take(96).collect();
                        writeln!(shown, "{at:>3} s  {start}").unwrap();
                    }
                }
            }
            Err(error) => writeln!(shown, "{at:>3} s  {error}").unwrap(),
        }
    }
    shown
}

#[tokio::test(start_paused = true)]
async fn early_head_is_followed_by_comments_and_the_answer_of_a_fallback() {
    expect![[r#"
        200 after 10s
         10 s  : heartbeat
         30 s  : heartbeat
         50 s  : heartbeat
         70 s  : heartbeat
         77 s  : x-fb-attempts: 2
         77 s  : x-fb-level: full
         77 s  : x-fb-served-by: b/m
         77 s  : x-fb-trace: a/m 1 server_error (503) 45000ms; b/m 1 running 0ms
         77 s  hi 
         97 s  : heartbeat
        107 s  there
        127 s  : heartbeat
        137 s  [stop]
        157 s  : heartbeat
        167 s  [DONE]
    "#]]
    .assert_eq(&early("a: 503 in 45s / b: 200(\"hi there\") in 2s gap 30s").await);
}

#[tokio::test(start_paused = true)]
async fn failure_after_an_early_head_is_an_event_and_a_block_is_an_answer() {
    expect![[r#"
        200 after 10s
         10 s  : heartbeat
         15 s  : x-fb-attempts: 1
         15 s  : x-fb-level: full
         15 s  : x-fb-trace: a/m 1 server_error (503) 15000ms
         15 s  data: {"error":{"message":"no target could answer: a/m: server_error (503): Service Unavailable;
         15 s  the upstream stream broke off
    "#]]
    .assert_eq(&early("a: 503 in 15s").await);
    expect![[r#"
        200 after 10s
         10 s  : heartbeat
         15 s  : x-fb-attempts: 1
         15 s  : x-fb-level: full
         15 s  : x-fb-served-by: a/m
         15 s  : x-fb-trace: a/m 1 blocked (input filtered) 15000ms
         15 s  data: {"error":{"message":"blocked: the prompt was filtered","type":"invalid_request_error","par
         15 s  the upstream stream broke off
    "#]]
    .assert_eq(&early("a: block(400) in 15s").await);
    expect![[r#"
        502 after 5s
          5 s  {"error":{"message":"no target could answer: a/m: server_error (503): Service Unavailable; max_r
    "#]].assert_eq(&early("a: 503 in 5s").await);
}

#[tokio::test(start_paused = true)]
async fn broken_stream_ends_with_an_error_event_and_an_error() {
    let mut body = service("a: cut(1)").call(chat(true)).await.unwrap().into_body();
    let mut events = String::new();
    let error = loop {
        match body.frame().await.expect("an error before the end") {
            Ok(frame) => events.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
            Err(error) => break error,
        }
    };
    assert!(events.contains(r#""type":"upstream_error""#), "{events}");
    assert_eq!(error.to_string(), "the upstream stream broke off");
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn failed_request_reports_status_code_and_retry_headers() {
    let mut service = service("a: 429(retry-after 20s)");
    let response = service.call(chat(false)).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!((response.status().as_u16(), header("retry-after").as_deref()), (429, Some("20")));
    assert_eq!((header("retry-after-ms").as_deref(), header("x-should-retry")), (Some("20000"), None));
    let body: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(
        (&body["error"]["type"], &body["error"]["code"]),
        (&"rate_limit_error".into(), &"rate_limit_exceeded".into())
    );
}

#[tokio::test(start_paused = true)]
async fn request_body_may_be_of_any_type() {
    // Neither Unpin nor of a known length.
    let body = chat(false).into_body().collect().await.unwrap().to_bytes();
    let chunks = body.chunks(7).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    let frames = stream::unfold(chunks.into_iter(), async |mut chunks| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, BoxError>(Frame::data(chunks.next()?)), chunks))
    });
    let request = Request::post("/v1/chat/completions").body(StreamBody::new(frames)).unwrap();
    let response = service("a: 200").call(request).await.unwrap();
    assert_eq!(response.status(), 200);

    let broken = stream::iter([Err::<Frame<Bytes>, BoxError>("gone".into())]);
    let request = Request::post("/v1/chat/completions").body(StreamBody::new(broken)).unwrap();
    let response = service("a: 200").call(request).await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn dropped_stream_cancels_the_call() {
    let script = script("a: stall(1)");
    let client = Client::builder()
        .provider("a", script.provider("a"))
        .route(Route::priority("default", [Target::new("a", "m")]))
        .build()
        .unwrap();
    let mut service = Service::new(client, &ServerConfig::default(), &Config::default()).unwrap();
    let mut body = service.call(chat(true)).await.unwrap().into_body();
    assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
    assert_eq!(script.provider("a").in_flight(), 1);
    drop(body);
    assert_eq!(script.provider("a").in_flight(), 0);
}

/// Prints status, `Allow`, `Content-Length` and the start of the body.
async fn summary(service: &mut Service, method: Method, path: &str) -> String {
    let request = Request::builder().method(method.clone()).uri(path).body(Full::<Bytes>::default()).unwrap();
    let response = service.call(request).await.unwrap();
    let status = response.status();
    let header = |name| response.headers().get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
    let (allow, length) = (header(header::ALLOW), header(header::CONTENT_LENGTH));
    let body: String = text(response).await.chars().take(60).collect();
    format!("{method} {path}: {} {allow} {length} {body}\n", status.as_u16())
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods_are_matched() {
    let mut service = service("a: 200");
    let mut table = String::new();
    for (method, path) in [
        (Method::GET, "/livez"),
        (Method::HEAD, "/livez"),
        (Method::POST, "/livez"),
        (Method::GET, "/livez/"),
        (Method::GET, "/readyz"),
        (Method::GET, "/v1/models"),
        (Method::GET, "/v1/models/"),
        (Method::GET, "/v1/models/a/m"),
        (Method::GET, "/v1/models/a%2Fm"),
        (Method::GET, "/v1/models/b"),
        (Method::GET, "/v1/models/%ff"),
        (Method::GET, "/v1/chat/completions"),
        (Method::POST, "/v1/completions"),
        (Method::POST, "/v1/completions/circuit"),
        (Method::POST, "/v1/completions/other"),
    ] {
        table += &summary(&mut service, method, path).await;
    }
    expect![[r#"
        GET /livez: 200 - - ok
        HEAD /livez: 200 - 2 
        POST /livez: 405 GET,HEAD - {"error":{"message":"POST is not allowed for /livez","type":
        GET /livez/: 404 - - {"error":{"message":"no such path: GET /livez/","type":"inva
        GET /readyz: 200 - - {"ready":true}
        GET /v1/models: 200 - - {"data":[{"created":0,"id":"default","object":"model","owned
        GET /v1/models/: 404 - - {"error":{"message":"no such path: GET /v1/models/","type":"
        GET /v1/models/a/m: 200 - - {"created":0,"id":"a/m","object":"model","owned_by":"fb"}
        GET /v1/models/a%2Fm: 200 - - {"created":0,"id":"a/m","object":"model","owned_by":"fb"}
        GET /v1/models/b: 404 - - {"error":{"message":"no model is named \"b\"; models: defaul
        GET /v1/models/%ff: 400 - - {"error":{"message":"the path is not valid UTF-8: invalid ut
        GET /v1/chat/completions: 405 POST - {"error":{"message":"GET is not allowed for /v1/chat/complet
        POST /v1/completions: 400 - - {"error":{"message":"the body is not a JSON object: EOF whil
        POST /v1/completions/circuit: 400 - - {"error":{"message":"the body is not a JSON object: EOF whil
        POST /v1/completions/other: 404 - - {"error":{"message":"no such path: POST /v1/completions/othe
    "#]]
    .assert_eq(&table);
}

/// Compiles only if the service satisfies the bounds of routers and servers.
#[test]
fn service_is_clone_send_and_sync() {
    fn check<S, B>(_: &S)
    where
        S: tower_service::Service<Request<B>, Error = Infallible, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
    }
    type Boxed = Pin<Box<Full<Bytes>>>;
    let service = service("a: 200");
    check::<_, Full<Bytes>>(&service);
    check::<_, Boxed>(&service);
    check::<_, axum::body::Body>(&service);
    check::<_, hyper::body::Incoming>(&service);
}
