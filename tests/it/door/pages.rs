//! Web pages: none uses a listener from another origin, or under a name of its own.

use tokio::process::Command;

use super::{chat_with, exchange, status};
use crate::harness::{ADMIN, CHAT, Gateway, Sims, TempDir, prepared};

#[tokio::test(flavor = "multi_thread")]
async fn page_of_another_origin_is_refused_unless_it_is_listed() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway =
        Gateway::start(&fb, &format!("cors = [\"https://app.example.com\"]\n{}", sims.config(""))).await;
    let host = format!("host: {}\r\n", super::authority(&gateway.url));
    let send =
        async |headers: &str| exchange(&gateway.url, chat_with(&format!("{host}{headers}")).as_bytes()).await;
    // A request without CORS: the browser sends it without permission, and the page cannot read the answer.
    for origin in ["https://evil.test", "null", "http://127.0.0.1:1"] {
        let answer = send(&format!("content-type: text/plain\r\norigin: {origin}\r\n")).await;
        assert_eq!(status(&answer), "403", "{answer}");
        assert!(answer.contains("forbidden_origin") && !answer.contains("access-control"), "{answer}");
    }
    assert_eq!(sims.calls(), [0, 0, 0]);
    let own = send(&format!("origin: http://{}\r\n", super::authority(&gateway.url))).await;
    assert_eq!(status(&own), "200");
    let listed = send("origin: https://app.example.com\r\n").await;
    assert_eq!(status(&listed), "200");
    assert!(listed.contains("access-control-allow-origin: https://app.example.com"), "{listed}");
    let preflight = format!(
        "OPTIONS /v1/chat/completions HTTP/1.1\r\n{host}connection: close\r\norigin: https://app.example.com\r\n\
         access-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n\r\n"
    );
    let answer = exchange(&gateway.url, preflight.as_bytes()).await;
    assert_eq!(status(&answer), "204");
    assert!(answer.contains("access-control-allow-headers: authorization"), "{answer}");
    assert_eq!(gateway.post(CHAT).await.status, 200, "no browser");
    assert_eq!(sims.calls(), [3, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn name_that_resolves_to_this_machine_is_refused() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!("hosts = [\"fb.internal\"]\n{ADMIN}{}", sims.config(""));
    let gateway = Gateway::start(&fb, &config).await;
    let admin = gateway.admin().await;
    for (host, expected) in
        [("evil.test", "403"), ("fb.internal:8080", "200"), ("localhost", "200"), ("[::1]:80", "200")]
    {
        let answer = exchange(&gateway.url, chat_with(&format!("host: {host}\r\n")).as_bytes()).await;
        assert_eq!(status(&answer), expected, "{host}: {answer}");
    }
    for path in ["/v1/traces", "/metrics", "/v1/providers"] {
        let read = |host: &str, more: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Bearer sk-test\r\n{more}\r\n"
            )
        };
        let foreign = exchange(&admin, read("evil.test:9090", "").as_bytes()).await;
        assert_eq!(status(&foreign), "403", "{path}: {foreign}");
        let page = exchange(&admin, read("127.0.0.1", "origin: https://evil.test\r\n").as_bytes()).await;
        assert_eq!(status(&page), "403", "{path}: {page}");
        assert_eq!(status(&exchange(&admin, read("127.0.0.1", "").as_bytes()).await), "200", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn name_of_a_stranger_is_refused_on_every_listener() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    // For each host: a request of no browser, and one of a page of that host.
    let any = [("evil.test", ["200", "403"]), ("10.0.0.1:80", ["200", "200"]), ("gateway", ["200", "200"])];
    let named = [("evil.test", ["403", "403"]), ("10.0.0.1:80", ["200", "200"]), ("fb.test", ["200", "200"])];
    for (hosts, expected) in [("", any), ("hosts = [\"fb.test\"]\n", named)] {
        let dir = TempDir::new();
        let admin = ADMIN.replace("127.0.0.1", "0.0.0.0");
        let config = format!("[server]\nlisten = \"0.0.0.0:0\"\n{hosts}{admin}{hosts}{}", sims.config(""));
        let mut command = Command::new(&fb);
        command.args(["serve", "--config"]).arg(dir.write("fb.toml", &config)).env("FB_TEST_KEY", "sk-test");
        let gateway = Gateway::spawn(command, dir).await;
        let admin = gateway.admin().await;
        for (host, statuses) in expected {
            let own = [format!("host: {host}\r\n"), format!("host: {host}\r\norigin: http://{host}\r\n")];
            for (headers, expected) in own.iter().zip(statuses) {
                let answer = exchange(&gateway.url, chat_with(headers).as_bytes()).await;
                assert_eq!(status(&answer), expected, "{hosts}{headers}: {answer}");
                let read = format!(
                    "GET /v1/traces HTTP/1.1\r\nconnection: close\r\nauthorization: Bearer sk-test\r\n{headers}\r\n"
                );
                let answer = exchange(&admin, read.as_bytes()).await;
                assert_eq!(status(&answer), expected, "admin, {hosts}{headers}: {answer}");
            }
        }
    }
}
