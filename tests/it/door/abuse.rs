//! Abuse: requests that are slow, huge or malformed get a clear error or are closed in time, and others are served.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{authority, chat_with, exchange, status};
use crate::harness::{CHAT, Gateway, Sims, prepared};

/// Idle connections at once. The gateway and this process need a file descriptor for each.
const IDLE: usize = 10_000;

/// Returns the number of files that this process may open, which the gateway inherits.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

async fn start(fb: &Path, sims: &Sims) -> Gateway {
    let limits = "head_timeout = \"1s\"\nbody_timeout = \"1s\"\nmax_body = 100000\nmax_connections = 12000\n";
    Gateway::start(fb, &format!("{limits}{}", sims.config(""))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_huge_and_malformed_requests_end_with_an_error() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = start(&fb, &sims).await;
    let host = "host: localhost\r\n";
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\n{host}");
    let chunked = |body: &str| format!("{head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n{body}");
    let both = format!(
        "{head}content-length: 4\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n"
    );
    let cases = [
        (
            "head of 100 KB",
            format!("GET /livez HTTP/1.1\r\n{host}x: {}\r\n\r\n", "x".repeat(100_000)),
            &["431"][..],
        ),
        ("200 headers", format!("GET /livez HTTP/1.1\r\n{host}{}\r\n", "x: y\r\n".repeat(200)), &["431"]),
        ("body of 200 KB", format!("{head}content-length: 200000\r\n\r\n{}", "x".repeat(200_000)), &["413"]),
        ("chunks of 200 KB", chunked(&format!("30d40\r\n{}\r\n0\r\n\r\n", "x".repeat(200_000))), &["413"]),
        (
            "a body that does not come",
            format!("{head}content-length: 100\r\nconnection: close\r\n\r\n{{"),
            &["408"],
        ),
        ("two lengths", format!("{head}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd"), &["400"]),
        ("a negative length", format!("{head}content-length: -1\r\n\r\n"), &["400"]),
        ("a length and chunks", both, &["400"]),
        ("an unknown coding", format!("{head}transfer-encoding: gzip\r\n\r\nabc"), &["400", "501"]),
        ("a chunk without a size", chunked("zz\r\nabc\r\n0\r\n\r\n"), &["400"]),
        ("a space before a colon", format!("{head}content-length : 4\r\n\r\nabcd"), &["400"]),
        ("a line feed in a header", format!("{head}x: a\rb\r\n\r\n"), &["400"]),
        ("no HTTP", "\u{16}\u{3}\u{1}\u{2}hello\r\n\r\n".to_owned(), &["400"]),
        ("an unknown version", format!("GET /livez HTTP/9.9\r\n{host}\r\n"), &["400", "505"]),
        (
            "invalid UTF-8 in a path",
            format!("GET /v1/models/%ff%fe HTTP/1.1\r\n{host}connection: close\r\n\r\n"),
            &["400"],
        ),
    ];
    for (what, bytes, expected) in cases {
        let answer = exchange(&gateway.url, bytes.as_bytes()).await;
        assert!(
            expected.contains(&status(&answer)),
            "{what}: {:?}",
            answer.chars().take(300).collect::<String>()
        );
        assert!(!answer.contains("livez"), "{what}: a second request was smuggled in");
    }
    let mut invalid = chat_with(host).into_bytes();
    let at = invalid.len() - 4;
    invalid[at] = 0xff;
    assert_eq!(status(&exchange(&gateway.url, &invalid).await), "400", "invalid UTF-8 in a body");
    assert_eq!(sims.calls(), [0, 0, 0]);
    assert_eq!(gateway.post(CHAT).await.status, 200, "others are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_and_half_closed_connections_are_answered_in_order() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = start(&fb, &sims).await;
    let request = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
    let pipelined =
        [request("/livez", ""), request("/nothing", ""), request("/livez", "connection: close\r\n")].concat();
    let answers = exchange(&gateway.url, pipelined.as_bytes()).await;
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200"]);

    // A client that closes its side after the request has left, as far as the gateway can see.
    let mut socket = TcpStream::connect(authority(&gateway.url)).await.unwrap();
    socket.write_all(chat_with("host: localhost\r\n").as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(gateway.post(CHAT).await.status, 200, "others are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_take_little_memory_and_harm_nobody() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = start(&fb, &sims).await;
    assert_eq!(gateway.post(CHAT).await.status, 200);
    let before = gateway.memory_kib("VmRSS").await;
    let count = IDLE.min(descriptors().saturating_sub(500));
    if count < IDLE {
        eprintln!("only {count} of {IDLE} idle connections: the limit on file descriptors allows no more");
    }
    let mut idle = Vec::with_capacity(count);
    for number in 0..count {
        match TcpStream::connect(authority(&gateway.url)).await {
            Ok(socket) => idle.push(socket),
            Err(error) => {
                panic!("connection {number} of {IDLE}: {error}; this test needs file descriptors for them")
            }
        }
        if number % 1_000 == 0 {
            assert_eq!(gateway.post(CHAT).await.status, 200, "with {number} idle connections");
        }
    }
    assert_eq!(gateway.post(CHAT).await.status, 200, "with {count} idle connections");
    let most = gateway.memory_kib("VmHWM").await.saturating_sub(before);
    let each = 1_024 * most / u64::try_from(count).unwrap();
    println!("{each} bytes for each of {count} idle connections");
    assert!(each < 20_000, "{each} bytes for each of {count} idle connections");
    // They are closed when no head comes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut buffer = [0; 1];
    for socket in idle.iter_mut().step_by(997) {
        assert_eq!(socket.read(&mut buffer).await.unwrap(), 0);
    }
}
