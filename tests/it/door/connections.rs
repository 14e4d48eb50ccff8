//! Connections: how long an idle one stays open, and how a gateway stops.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::authority;
use crate::harness::{CHAT, Gateway, Sims, client, prepared};

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
    assert!((2.8..5.5).contains(&took.as_secs_f64()), "the drain counts from the signal: {took:?}");
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
