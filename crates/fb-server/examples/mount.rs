//! Mounts the gateway in an axum application, beside a route of its own. Requests both and exits.
//!
//! The providers are scripted, so that no key is needed: the first one fails, the second one answers.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{error::Error, io, net::SocketAddr};

use axum::{Router, routing::get};
use fb::{Client, Config, Route, Target};
use fb_server::{ServerConfig, Service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Sends a request to the server and returns the response, head and body. HTTP/1.0 avoids chunked encoding, so the
/// body prints as it is.
async fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let head = format!("{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    connection.write_all(head.as_bytes()).await?;
    let mut response = String::new();
    connection.read_to_string(&mut response).await?;
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let script = fb_testkit::script("openai: 503 / anthropic: 200(\"hi there\") ");
    let mut builder = Client::builder().route(Route::priority(
        "default",
        [Target::new("openai", "gpt-6.1-sol"), Target::new("anthropic", "claude-sonnet-4-6")],
    ));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let gateway = Service::new(builder.build()?, &ServerConfig::default(), &Config::default())?;

    let app = Router::new().route("/hello", get(async || "hello")).fallback_service(gateway);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut server = JoinSet::new();
    server.spawn(async { axum::serve(listener, app).await });

    println!("{}\n", request(address, "GET", "/hello", "").await?);
    let body = r#"{"model": "default", "messages": [{"role": "user", "content": "hi"}]}"#;
    println!("{}", request(address, "POST", "/v1/chat/completions", body).await?);
    Ok(())
}
