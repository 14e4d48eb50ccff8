//! An axum server with handlers that answer through a client, plain and streamed. Runs three requests and exits.

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

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

/// Returns the text of an answer, with its source in a header.
async fn plain(State(client): State<Client>, question: String) -> Response {
    match client.chat(ChatRequest::user(question)).await {
        Ok(answer) => (
            [("x-served-by", answer.served_by()), ("x-level", answer.level().to_string())],
            answer.reply.text,
        )
            .into_response(),
        Err(error) => error_response(&error),
    }
}

/// Streams the text of an answer. A broken stream breaks the connection, so that the client cannot mistake it for a
/// complete one.
async fn streamed(State(client): State<Client>, question: String) -> Response {
    let stream = match client.stream(ChatRequest::user(question)).await {
        Ok(stream) => stream,
        Err(error) => return error_response(&error),
    };
    let body = stream.map(|frame| {
        let texts = frame?.events.into_iter().filter_map(|event| match event {
            StreamEvent::Text(text) => Some(text),
            _ => None,
        });
        Ok::<_, Error>(Bytes::from(texts.collect::<String>()))
    });
    Body::from_stream(body).into_response()
}

/// Converts an error to a response. The message of an error never contains a secret.
fn error_response(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, error.to_string()).into_response()
}

/// Sends a request to the server and returns the response, head and body. HTTP/1.0 avoids chunked encoding, so the
/// stream prints as it is.
async fn request(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let head = format!("POST {path} HTTP/1.0\r\ncontent-length: 6\r\n\r\nHello!");
    connection.write_all(head.as_bytes()).await?;
    let mut response = String::new();
    connection.read_to_string(&mut response).await?;
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    let targets =
        [Target::new("openai", "gpt-6.1-sol").max_retries(0), Target::new("anthropic", "claude-sonnet-4-6")];
    let client = Client::builder()
        .provider("openai", provider(&first)?)
        .provider("anthropic", provider(&second)?)
        .route(Route::priority("default", targets))
        .build()?;

    // Cloning a client is cheap; all clones share breakers, cache and statistics.
    let app = Router::new().route("/chat", post(plain)).route("/stream", post(streamed)).with_state(client);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut server = JoinSet::new();
    server.spawn(async { axum::serve(listener, app).await });

    println!("-- plain\n{}\n", request(address, "/chat").await?);
    first.fault(Fault::status(503));
    println!("-- streamed, the first overloaded\n{}\n", request(address, "/stream").await?);
    second.fault(Fault::status(503));
    println!("-- both overloaded\n{}", request(address, "/chat").await?);
    Ok(())
}
