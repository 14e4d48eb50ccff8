//! A breaker as a layer around `reqwest::Client`, in an axum server with a failing upstream. Runs six requests and exits.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use fb_breaker::{Breaker, BreakerConfig, CallError, CallLayer, CallService, Verdict, Weight};
use tokio::{net::TcpListener, task::JoinSet};
use tower_layer::Layer;
use tower_service::Service;

type Classify = fn(Result<&reqwest::Response, &reqwest::Error>) -> Verdict;

/// A server error is a failure of the upstream, a client error is none.
fn classify(result: Result<&reqwest::Response, &reqwest::Error>) -> Verdict {
    match result {
        Ok(response) if response.status().is_server_error() => Verdict::Failure(Weight::FULL),
        Ok(response) if response.status().is_client_error() => Verdict::Neutral,
        Ok(_) => Verdict::Success,
        Err(_) => Verdict::Failure(Weight::FULL),
    }
}

#[derive(Clone)]
struct App {
    client: CallService<reqwest::Client, Classify>,
    upstream: String,
}

/// Calls the upstream, unless its breaker is open.
async fn page(State(mut app): State<App>) -> (StatusCode, String) {
    let request = match app.upstream.parse() {
        Ok(url) => reqwest::Request::new(reqwest::Method::GET, url),
        Err(_) => return (StatusCode::INTERNAL_SERVER_ERROR, "the address is wrong".to_owned()),
    };
    match app.client.call(request).await {
        Ok(response) => (StatusCode::BAD_GATEWAY, format!("upstream answered {}", response.status())),
        Err(CallError::Rejected(rejected)) => (StatusCode::SERVICE_UNAVAILABLE, rejected.to_string()),
        Err(CallError::Failed(error)) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// Serves until the tasks are dropped.
async fn serve(app: Router, tasks: &mut JoinSet<std::io::Result<()>>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tasks.spawn(axum::serve(listener, app).into_future());
    Ok(address)
}

#[expect(clippy::disallowed_methods, reason = "a program needs one clock")]
fn clock() -> Instant {
    Instant::now()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let fail = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { StatusCode::INTERNAL_SERVER_ERROR }
    };
    let mut tasks = JoinSet::new();
    let upstream = serve(Router::new().route("/", get(fail)), &mut tasks).await?;

    let breaker = Breaker::new(BreakerConfig::with(|config| config.consecutive = Some(3)), clock)?;
    let client = CallLayer::new(breaker, classify as Classify).layer(reqwest::Client::new());
    let app = App { client, upstream: format!("http://{upstream}/") };
    let gateway = serve(Router::new().route("/", get(page)).with_state(app), &mut tasks).await?;

    for _ in 0..6 {
        let answer = reqwest::get(format!("http://{gateway}/")).await?;
        println!("{}: {}", answer.status(), answer.text().await?);
    }
    let calls = calls.load(Ordering::Relaxed);
    println!("the upstream received {calls} of 6 calls");
    assert_eq!(calls, 3, "the breaker is open after three failures");
    Ok(())
}
