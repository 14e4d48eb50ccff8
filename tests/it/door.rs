//! The door: authentication, limits on requests, and what callers can see, over real sockets.

mod abuse;
mod bodies;
mod callers;
mod connections;
mod limits;
mod log;
mod media;
mod pages;
mod private;
mod slow;

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::CHAT;

/// Longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns `HOST:PORT` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split('/').next().unwrap()
}

/// Sends bytes on a connection of their own and returns everything that comes back until the server closes it.
async fn exchange(url: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(authority(url)).await.unwrap();
    // The server may answer and close before it has read everything.
    drop(socket.write_all(bytes).await);
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "not closed: {:?}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns a request to the chat endpoint with these headers, after which the connection is closed.
fn chat_with(headers: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{CHAT}",
        CHAT.len()
    )
}

/// Returns the status of an answer.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}
