use expect_test::{Expect, expect};
use fb_sim::Dialect::OpenAi;
use fb_sim::{Fault, RequestOutcome, Sim};

use crate::client::{Peer, chat, exchange, get, post, soon};

async fn check_control(sim: &Sim, request: &str, expected: Expect) {
    expected.assert_eq(&exchange(sim, request).await.to_string());
}

fn fault(order: &str) -> String {
    post("/sim/fault", "connection: close\r\n", order)
}

fn status(received: &crate::client::Received) -> String {
    String::from_utf8_lossy(&received.bytes)[9..12].to_owned()
}

#[tokio::test]
async fn faults_are_set_and_removed_over_http() {
    let sim = Sim::start(OpenAi).await.unwrap();
    check_control(
        &sim,
        &fault("status=503\n"),
        expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 19

        openai: status=503

        whole, Fin
    "#]],
    )
    .await;
    assert_eq!(status(&exchange(&sim, &chat(OpenAi, false)).await), "503");
    check_control(&sim, &get("/sim/counters", ""), expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        connection: close
        content-length: 116

        {"dialect":"openai","fault":"status=503","calls":1,"requests":1,"open":0,"completed":0,"faulted":1,"client_left":0}

        whole, Fin
    "#]]).await;
    check_control(
        &sim,
        &post("/sim/heal", "connection: close\r\n", ""),
        expect![[r#"
            HTTP/1.1 200 OK
            content-type: text/plain; charset=utf-8
            connection: close
            content-length: 16

            openai: healthy

            whole, Fin
        "#]],
    )
    .await;
    assert_eq!(status(&exchange(&sim, &chat(OpenAi, false)).await), "200");
}

#[tokio::test]
async fn control_errors_contain_the_expected_syntax() {
    let sim = Sim::start(OpenAi).await.unwrap();
    check_control(&sim, &fault("statsu=503"), expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 298

        unknown fault `statsu`; expected one of refuse, reset, reset-on-accept, close-on-accept, stall-headers, stall-body, stall-after, drip, cut-at, cut-after, end-early, status, stream-error, quota, context-length, empty, malformed, html, wrong-content-type, block, close-keep-alive, close-on-next, raw

        whole, Fin
    "#]]).await;
    check_control(&sim, &get("/sim/nothing", ""), expect![[r#"
        HTTP/1.1 404 Not Found
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 1403

        no such control: GET /sim/nothing

        POST /sim/fault    [next=REQUESTS | for=TIME] FAULT    set a fault, until changed
        POST /sim/heal                                         remove all faults
        GET  /sim/counters                                     counters, as JSON

        FAULT is one of
          refuse                                      listener closed (over HTTP, only `for=` reopens it)
          reset  reset-on-accept  close-on-accept     RST or FIN instead of an answer
          stall-headers  stall-body  stall-after=2    no data: at all, after the headers, after two events
          drip=50ms                                   the body byte by byte
          cut-at=100  cut-after=2 [reset]             the connection ends after 100 bytes, after two events
          end-early=2                                 a clean end after two events, without an end marker
          status=429 retry-after=2 [body=...]         an error response; by default with the provider's own body
          stream-error=2 [body=...]                   an error inside the stream after two events
          quota  context-length                       quota exhausted; prompt too long
          empty  malformed  html  wrong-content-type  status 200, but not a valid answer
          block=http-400|finish-reason|refusal|mid-stream
          close-keep-alive  close-on-next             a healthy answer on a connection that is closed after it
          raw=...                                     these bytes instead of HTTP

        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn queued_faults_end_and_probes_do_not_consume_them() {
    let sim = Sim::start(OpenAi).await.unwrap();
    sim.fault(Fault::status(500));
    exchange(&sim, &fault("next=2 status=429")).await;
    sim.handle().fault_next(1, Fault::status(529));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(status(&exchange(&sim, &get("/v1/models", "api-key: k\r\n")).await));
        seen.push(status(&exchange(&sim, &chat(OpenAi, false)).await));
    }
    assert_eq!(seen, ["500", "429", "500", "429", "500", "529", "500", "500"]);
    assert_eq!(sim.calls(), 4);
    assert_eq!(sim.counters().requests, 8);
}

#[tokio::test]
async fn requests_are_recorded_unchanged_and_debug_hides_keys() {
    let sim = Sim::start(OpenAi).await.unwrap();
    exchange(&sim, &chat(OpenAi, false).replace("/v1/chat/completions", "/v1/chat/completions?a=b")).await;
    let request = sim.requests().remove(0);
    assert_eq!(request.header("authorization"), Some("Bearer sk-1"));
    assert_eq!(request.json().unwrap()["model"], "m");
    assert_eq!(
        (request.path.as_str(), request.outcome),
        ("/v1/chat/completions?a=b", RequestOutcome::Completed)
    );
    assert!(!format!("{request:?}").contains("sk-1"));
}

#[tokio::test]
async fn incomplete_request_is_not_counted() {
    let sim = Sim::start(OpenAi).await.unwrap();
    let mut peer = Peer::connect(sim.addr()).await.unwrap();
    let request = chat(OpenAi, false);
    peer.send(&request[..request.len() - 9]).await.unwrap();
    drop(peer);
    exchange(&sim, &chat(OpenAi, false)).await;
    assert_eq!((sim.calls(), sim.requests().len()), (1, 1));
}

#[tokio::test]
async fn reset_keeps_requests_in_flight() {
    let sim = Sim::start(OpenAi).await.unwrap();
    sim.fault(Fault::StallHeaders);
    let mut peer = Peer::connect(sim.addr()).await.unwrap();
    peer.send(&chat(OpenAi, false)).await.unwrap();
    soon(sim.wait_until(|counters| counters.open == 1)).await;
    sim.reset_counters();
    assert_eq!((sim.calls(), sim.open(), sim.requests().len()), (0, 1, 0));
    drop(peer);
    let counters = soon(sim.wait_until(|counters| counters.open == 0)).await;
    assert_eq!(counters.client_left, 0);
}

#[tokio::test]
async fn dropped_simulator_closes_while_handles_live() {
    let sim = Sim::start(OpenAi).await.unwrap();
    let (addr, handle) = (sim.addr(), sim.handle());
    let mut stalled = Peer::connect(addr).await.unwrap();
    sim.fault(Fault::StallBody);
    stalled.send(&chat(OpenAi, true)).await.unwrap();
    stalled.read_until("\r\n\r\n").await;
    drop(sim);
    handle.heal();
    assert!(Peer::connect(addr).await.is_err());
    assert!(!stalled.read_to_end().await.body().1);
    assert_eq!(handle.calls(), 1);
}

/// A handle works on a thread without a runtime.
#[test]
fn refuse_and_heal_from_another_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sim = runtime.block_on(Sim::start(OpenAi)).unwrap();
    sim.fault(Fault::Refuse);
    assert!(std::net::TcpStream::connect(sim.addr()).is_err());
    sim.heal();
    let received = runtime.block_on(exchange(&sim, &chat(OpenAi, false)));
    assert_eq!(status(&received), "200");
}
