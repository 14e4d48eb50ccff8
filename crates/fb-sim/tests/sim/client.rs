//! A raw client that exposes the received bytes and the way the connection ended.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use expect_test::Expect;
use fb_sim::{Dialect, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far longer than any operation of these tests.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn soon<T>(wanted: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wanted).await.unwrap()
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Rst,
}

/// The bytes received over a connection until its end.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

pub(crate) struct Peer {
    stream: TcpStream,
    pub(crate) received: Vec<u8>,
}

impl Peer {
    pub(crate) async fn connect(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(addr).await?, received: Vec::new() })
    }

    pub(crate) async fn send(&mut self, request: &str) -> io::Result<()> {
        self.stream.write_all(request.as_bytes()).await
    }

    /// Reads until `mark` was received.
    pub(crate) async fn read_until(&mut self, mark: &str) {
        while !String::from_utf8_lossy(&self.received).contains(mark) {
            assert!(soon(self.stream.read_buf(&mut self.received)).await.unwrap() > 0, "ended before {mark}");
        }
    }

    pub(crate) async fn read_to_end(mut self) -> Received {
        let end = loop {
            match soon(self.stream.read_buf(&mut self.received)).await {
                Ok(0) => break End::Fin,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                    break End::Rst;
                }
            }
        };
        Received { bytes: self.received, end }
    }
}

impl Received {
    fn head_and_body(&self) -> Option<(&str, &[u8])> {
        let place = self.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        Some((std::str::from_utf8(&self.bytes[..place]).unwrap(), &self.bytes[place + 4..]))
    }

    /// Returns the decoded body, and `true` if it is complete by HTTP framing.
    pub(crate) fn body(&self) -> (String, bool) {
        let Some((head, body)) = self.head_and_body() else {
            return (String::new(), false);
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let (body, whole) = match length {
            Some(length) => (body.to_vec(), body.len() == length.parse::<usize>().unwrap()),
            None => dechunk(body),
        };
        (String::from_utf8_lossy(&body).into_owned(), whole)
    }
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|bytes| bytes == b"\r\n") else {
            assert_eq!(rest, b"", "a chunk was cut");
            return (body, false);
        };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((head, _)) = self.head_and_body() else {
            return writeln!(f, "{:?}\n{:?}", String::from_utf8_lossy(&self.bytes), self.end);
        };
        let (body, whole) = self.body();
        let whole = if whole { "whole" } else { "cut short" };
        writeln!(f, "{}\n\n{body}\n{whole}, {:?}", head.replace("\r\n", "\n"), self.end)
    }
}

pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: sim\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

pub(crate) fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: sim\r\n{headers}connection: close\r\n\r\n")
}

/// A valid request of the dialect.
pub(crate) fn chat(dialect: Dialect, stream: bool) -> String {
    let body = format!(
        r#"{{"model":"m","max_tokens":99,"stream":{stream},"messages":[{{"role":"user","content":"How are you?"}}]}}"#
    );
    match dialect {
        Dialect::OpenAi => post("/v1/chat/completions", OPENAI_KEY, &body),
        Dialect::Anthropic => post("/v1/messages", ANTHROPIC_KEY, &body),
        Dialect::Ollama => post("/api/chat", "connection: close\r\n", &body),
    }
}

pub(crate) const OPENAI_KEY: &str = "authorization: Bearer sk-1\r\nconnection: close\r\n";

pub(crate) const ANTHROPIC_KEY: &str =
    "x-api-key: sk-1\r\nanthropic-version: 2023-06-01\r\nconnection: close\r\n";

/// Sends one request over a new connection.
pub(crate) async fn exchange(sim: &Sim, request: &str) -> Received {
    let mut peer = Peer::connect(sim.addr()).await.unwrap();
    peer.send(request).await.unwrap();
    peer.read_to_end().await
}

/// Sends one request to a new simulator.
pub(crate) async fn check(dialect: Dialect, request: &str, expected: Expect) {
    let sim = Sim::start(dialect).await.unwrap();
    expected.assert_eq(&exchange(&sim, request).await.to_string());
}
