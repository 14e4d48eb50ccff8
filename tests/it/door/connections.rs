//! Connections: how long an idle one stays open, and how a gateway stops.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{authority, chat_with};
use crate::harness::{ADMIN, CHAT, Gateway, Sims, client, prepared};

#[tokio::test(flavor = "multi_thread")]
async fn idle_connection_outlives_the_time_for_a_head() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!("head_timeout = \"300ms\"\nkeep_alive = \"2s\"\n{}", sims.config(""));
    let gateway = Gateway::start(&fb, &config).await;
    let mut socket = TcpStream::connect(authority(&gateway.url)).await.unwrap();
    let request = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut buffer = [0; 1024];
    for pause in [0, 1_000] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        socket.write_all(request.as_bytes()).await.unwrap();
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"), "after {pause} ms");
    }
    let begin = Instant::now();
    assert_eq!(socket.read(&mut buffer).await.unwrap(), 0, "closed after its time");
    let idle = begin.elapsed().as_secs_f64();
    assert!((1.5..4.0).contains(&idle), "{idle} s");

    // Half a head is closed in time, and so is a connection that sends nothing.
    for half in ["GET /livez HTT", ""] {
        let mut socket = TcpStream::connect(authority(&gateway.url)).await.unwrap();
        socket.write_all(half.as_bytes()).await.unwrap();
        let begin = Instant::now();
        assert_eq!(socket.read(&mut buffer).await.unwrap(), 0);
        assert!(begin.elapsed() < Duration::from_millis(1_500), "{half:?}: {:?}", begin.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_is_announced_before_the_listener_closes_and_ends_streams_honestly() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!("drain_delay = \"1s\"\ndrain = \"3s\"\n{}", sims.config(""))
        .replace("timeout = \"5s\"", "timeout = \"30s\"");
    let gateway = Gateway::start_with_delay(&fb, &config).await;
    sims.primary.fault(fb_sim::Fault::StallMid { after_events: 3 });
    let stream = CHAT.replace("{\"model\"", "{\"stream\":true,\"model\"");
    let begin = Instant::now();
    let open = async { (gateway.post(stream).await, begin.elapsed()) };
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sims.primary.heal();
        gateway.signal("-TERM").await;
        let root = gateway.url.trim_end_matches("/v1");
        let ready = async || {
            let sent = client().get(format!("{root}/readyz")).send().await;
            sent.map(|response| response.status().as_u16()).ok()
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!((ready().await, gateway.post(CHAT).await.status), (Some(503), 200), "in the delay");
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        assert_eq!(ready().await, None, "after the delay no connection is accepted");
    };
    let ((answer, took), ()) =
        timeout(Duration::from_secs(20), async { tokio::join!(open, stop) }).await.unwrap();
    assert!((2.6..4.2).contains(&took.as_secs_f64()), "the drain counts from the signal: {took:?}");
    assert!(answer.body.contains("shutting down") && !answer.body.contains("[DONE]"), "{}", answer.body);
    assert!(!answer.clean_end, "an error ends the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_signal_and_interrupts_skip_the_delay() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!("drain_delay = \"20s\"\n{}", sims.config(""));
    for signals in [&["-INT"][..], &["-TERM", "-TERM"]] {
        let gateway = Gateway::start_with_delay(&fb, &config).await;
        let begin = Instant::now();
        for signal in signals {
            gateway.signal(signal).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        gateway.ended().await;
        assert!(begin.elapsed() < Duration::from_secs(5), "{signals:?}: {:?}", begin.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_reader_gets_the_whole_of_a_large_answer() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!("keep_alive = \"500ms\"\n{}", sims.config(""));
    let gateway = Gateway::start(&fb, &config).await;
    let text = "x".repeat(12 << 20);
    sims.primary.reply(fb_sim::SimReply { text: Some(text.clone()), ..fb_sim::SimReply::default() });
    let address = authority(&gateway.url).parse().unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let request = chat_with("host: localhost\r\n").replace("connection: close\r\n", "");
    socket.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 512 << 10]);
    while answer.len() < text.len() {
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "cut after {} bytes", answer.len());
        answer.extend_from_slice(&buffer[..read]);
        // Faster than the write timeout, and the whole takes longer than `keep_alive`.
        tokio::time::sleep(Duration::from_micros(u64::try_from(read).unwrap() / 4)).await;
    }
    // The rest of the answer, and then the end of the idle connection.
    timeout(Duration::from_secs(10), socket.read_to_end(&mut answer)).await.expect("closed").unwrap();
    assert!(answer.ends_with(b"}"), "complete");
}

/// Opens a connection with a request to the admin listener that has sent half of its body.
async fn half_a_change(admin: &str) -> TcpStream {
    let mut socket = TcpStream::connect(authority(admin)).await.unwrap();
    let head = "POST /v1/degradation/level HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-test\r\n";
    socket.write_all(format!("{head}content-length: 100\r\n\r\n{{").as_bytes()).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_listener_ends_within_the_drain_time() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    // An idle gateway ends a second after the signal at the latest.
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let _open = half_a_change(&gateway.admin().await).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begin = Instant::now();
    gateway.signal("-TERM").await;
    gateway.ended().await;
    assert!(begin.elapsed() < Duration::from_secs(4), "idle: {:?}", begin.elapsed());

    // A busy one at its drain time, with what is in flight on both listeners.
    let config = format!("drain = \"3s\"\n{ADMIN}{}", sims.config(""));
    let gateway = Gateway::start(&fb, &config.replace("timeout = \"5s\"", "timeout = \"30s\"")).await;
    sims.primary.fault(fb_sim::Fault::StallMid { after_events: 3 });
    let stream = chat_with("host: localhost\r\n").replace("{\"model\"", "{\"stream\":true,\"model\"");
    let stream = stream.replace(&CHAT.len().to_string(), &(CHAT.len() + 14).to_string());
    let mut socket = TcpStream::connect(authority(&gateway.url)).await.unwrap();
    socket.write_all(stream.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let _open = half_a_change(&gateway.admin().await).await;
    let begin = Instant::now();
    gateway.signal("-TERM").await;
    let mut rest = String::new();
    drop(socket.read_to_string(&mut rest).await);
    assert!(rest.contains("shutting down"), "{rest}");
    gateway.ended().await;
    assert!((2.5..5.0).contains(&begin.elapsed().as_secs_f64()), "busy: {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_unauthorized_connections_do_not_hold_the_admin_listener() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{ADMIN}{}", sims.config(""))).await;
    let admin = gateway.admin().await;
    let request = |token: &str| {
        format!("GET /v1/stats HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n")
    };
    // As many as the listener accepts.
    let fill = async |token: &str, expected: &[u8]| {
        let mut open = Vec::new();
        for _ in 0..64 {
            let mut socket = TcpStream::connect(authority(&admin)).await.unwrap();
            socket.write_all(request(token).as_bytes()).await.unwrap();
            let mut status = [0; 12];
            socket.read_exact(&mut status).await.unwrap();
            assert_eq!(status, expected);
            open.push(socket);
        }
        open
    };
    let next = async || {
        let begin = Instant::now();
        let mut socket = TcpStream::connect(authority(&admin)).await.unwrap();
        socket.write_all(request("sk-test").as_bytes()).await.unwrap();
        let mut status = [0; 12];
        timeout(Duration::from_secs(40), socket.read_exact(&mut status)).await.expect("an answer").unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        begin.elapsed().as_secs_f64()
    };
    let unauthorized = fill("sk-wrong", b"HTTP/1.1 401").await;
    let waited = next().await;
    assert!(waited < 8.0, "a connection is closed after a 401: {waited} s");
    drop(unauthorized);
    let idle = fill("sk-test", b"HTTP/1.1 200").await;
    let waited = next().await;
    assert!((10.0..20.0).contains(&waited), "idle connections are closed after 15 s: {waited} s");
    drop(idle);
}
