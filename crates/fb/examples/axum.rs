//! A handler of axum that answers through a client, plain and streamed; asked once each, then it ends.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use fb::{ChatRequest, Client, Error, Provider, Route, StreamEvent, Target, providers::ProviderConfig};
use fb_sim::{Dialect, Fault, Sim};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A simulator as a provider: only the address differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(ProviderConfig { base_url: Some(sim.base_url()), ..config }.build()?)
}

/// The text of an answer, with who gave it.
async fn plain(State(client): State<Client>, question: String) -> Response {
    match client.chat(ChatRequest::user(question)).await {
        Ok(answer) => (
            [("x-served-by", answer.served_by()), ("x-level", answer.level().to_string())],
            answer.reply.text,
        )
            .into_response(),
        Err(error) => refuse(&error),
    }
}

/// The same as it is written. A stream that breaks breaks the connection, so nobody takes it for a complete one.
async fn streamed(State(client): State<Client>, question: String) -> Response {
    let stream = match client.stream(ChatRequest::user(question)).await {
        Ok(stream) => stream,
        Err(error) => return refuse(&error),
    };
    let texts = stream.map(|frame| {
        let words = frame?.events.into_iter().filter_map(|event| match event {
            StreamEvent::Text(text) => Some(text),
            _ => None,
        });
        Ok::<_, Error>(Bytes::from(words.collect::<String>()))
    });
    Body::from_stream(texts).into_response()
}

/// The status says whose fault it was; the text names no secret.
fn refuse(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, error.to_string()).into_response()
}

/// What a client of the server gets, head and body. HTTP/1.0: a stream then comes as it is, not in chunks.
async fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("POST {path} HTTP/1.0\r\ncontent-length: 6\r\n\r\nHello!");
    connection.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    connection.read_to_string(&mut response).await?;
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    let targets =
        [Target::new("openai", "gpt-6.1-sol").max_retries(0), Target::new("anthropic", "claude-sonnet-4-6")];
    let client = Client::builder()
        .provider("openai", provider(&first)?)
        .provider("anthropic", provider(&second)?)
        .route(Route::priority("default", targets))
        .build()?;

    // A client is cheap to clone, and all clones share breakers, cache and counts.
    let app = Router::new().route("/ask", post(plain)).route("/stream", post(streamed)).with_state(client);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut server = JoinSet::new();
    server.spawn(async { axum::serve(listener, app).await });

    println!("-- plain\n{}\n", ask(address, "/ask").await?);
    first.fault(Fault::status(503));
    println!("-- streamed, the first overloaded\n{}\n", ask(address, "/stream").await?);
    second.fault(Fault::status(503));
    println!("-- both overloaded\n{}", ask(address, "/ask").await?);
    Ok(())
}
