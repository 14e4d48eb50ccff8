//! The least that a gateway on this stack costs, for `cargo xtask cost`: axum before reqwest. It parses the request, sends it
//! with another model, counts the tokens of a plain answer and relays a stream. Runs until it is killed: `floor PORT UPSTREAM`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Context;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::Response,
    routing::post,
    serve::{ListenerExt, serve},
};
use serde_json::Value;
use tokio::net::TcpListener;

struct Floor {
    client: reqwest::Client,
    url: String,
    tokens: AtomicU64,
}

async fn chat(State(floor): State<Arc<Floor>>, body: Bytes) -> Result<Response, StatusCode> {
    let mut request: Value = serde_json::from_slice(&body).map_err(|_error| StatusCode::BAD_REQUEST)?;
    let streams = request["stream"] == true;
    request["model"] = "m".into();
    let call = floor.client.post(&floor.url).header(header::CONTENT_TYPE, "application/json");
    let call = call.bearer_auth("sk-floor").body(request.to_string());
    let answer = call.send().await.map_err(|_error| StatusCode::BAD_GATEWAY)?;
    let mut response = Response::builder().status(answer.status());
    if let Some(media_type) = answer.headers().get(header::CONTENT_TYPE) {
        response = response.header(header::CONTENT_TYPE, media_type);
    }
    let body = if streams {
        Body::from_stream(answer.bytes_stream())
    } else {
        let bytes = answer.bytes().await.map_err(|_error| StatusCode::BAD_GATEWAY)?;
        let reply: Value = serde_json::from_slice(&bytes).map_err(|_error| StatusCode::BAD_GATEWAY)?;
        let tokens = reply["usage"]["total_tokens"].as_u64().unwrap_or_default();
        floor.tokens.fetch_add(tokens, Ordering::Relaxed);
        Body::from(bytes)
    };
    response.body(body).map_err(|_error| StatusCode::BAD_GATEWAY)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: floor PORT UPSTREAM");
    let (port, upstream): (u16, String) = (next()?.parse()?, next()?);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let floor = Floor { client, url: format!("{upstream}/chat/completions"), tokens: AtomicU64::new(0) };
    let router = Router::new().route("/v1/chat/completions", post(chat)).with_state(Arc::new(floor));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?.tap_io(|stream| {
        let _best_effort = stream.set_nodelay(true);
    });
    serve(listener, router).await?;
    Ok(())
}
