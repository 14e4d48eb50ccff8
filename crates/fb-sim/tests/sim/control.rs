use expect_test::{Expect, expect};
use fb_sim::Dialect::OpenAi;
use fb_sim::{Fault, Outcome, Sim};

use crate::client::{Peer, chat, exchange, get, post, soon};

async fn check_control(sim: &Sim, request: &str, expected: Expect) {
    expected.assert_eq(&exchange(sim, request).await.to_string());
}

fn fault(order: &str) -> String {
    post("/sim/fault", "connection: close\r\n", order)
}

fn status(heard: &crate::client::Heard) -> String {
    String::from_utf8_lossy(&heard.bytes)[9..12].to_owned()
}

#[tokio::test]
async fn shell_can_break_and_heal() {
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
        content-length: 13

        openai: well

        whole, Fin
    "#]],
    )
    .await;
    assert_eq!(status(&exchange(&sim, &chat(OpenAi, false)).await), "200");
}

#[tokio::test]
async fn shell_is_told_what_was_expected() {
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
        content-length: 1389

        no such control: GET /sim/nothing

        POST /sim/fault    [next=REQUESTS | for=TIME] FAULT    fail so, until changed
        POST /sim/heal                                         be well again
        GET  /sim/counters                                     what arrived, as JSON

        FAULT is one of
          refuse                                      nothing listens (only `for=` brings it back over HTTP)
          reset  reset-on-accept  close-on-accept     RST or FIN instead of an answer
          stall-headers  stall-body  stall-after=2    silence: at once, after the headers, after two events
          drip=50ms                                   the body byte by byte
          cut-at=100  cut-after=2 [reset]             the connection ends after 100 bytes, after two events
          end-early=2                                 a clean end after two events, nothing says it is complete
          status=429 retry-after=2 [body=...]         an error answer; the body is the provider's own by default
          stream-error=2 [body=...]                   an error inside the stream after two events
          quota  context-length                       out of money; prompt too long
          empty  malformed  html  wrong-content-type  200, but not an answer
          block=http-400|finish-reason|refusal|mid-stream
          close-keep-alive  close-on-next             a well answer on a connection that does not live on
          raw=...                                     these bytes instead of HTTP

        whole, Fin
    "#]]).await;
}

#[tokio::test]
async fn queued_faults_end_and_probes_do_not_use_them_up() {
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
async fn requests_are_kept_as_they_came_and_debug_hides_keys() {
    let sim = Sim::start(OpenAi).await.unwrap();
    exchange(&sim, &chat(OpenAi, false).replace("/v1/chat/completions", "/v1/chat/completions?a=b")).await;
    let request = sim.requests().remove(0);
    assert_eq!(request.header("authorization"), Some("Bearer sk-1"));
    assert_eq!(request.json().unwrap()["model"], "m");
    assert_eq!((request.path.as_str(), request.outcome), ("/v1/chat/completions?a=b", Outcome::Completed));
    assert!(!format!("{request:?}").contains("sk-1"));
}

#[tokio::test]
async fn half_a_request_is_not_counted() {
    let sim = Sim::start(OpenAi).await.unwrap();
    let mut peer = Peer::connect(sim.addr()).await.unwrap();
    let request = chat(OpenAi, false);
    peer.send(&request[..request.len() - 9]).await.unwrap();
    drop(peer);
    exchange(&sim, &chat(OpenAi, false)).await;
    assert_eq!((sim.calls(), sim.requests().len()), (1, 1));
}

#[tokio::test]
async fn counters_start_anew_but_for_requests_in_flight() {
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
async fn dropped_simulator_is_gone_though_handles_live() {
    let sim = Sim::start(OpenAi).await.unwrap();
    let (addr, handle) = (sim.addr(), sim.handle());
    let mut stalled = Peer::connect(addr).await.unwrap();
    sim.fault(Fault::StallBody);
    stalled.send(&chat(OpenAi, true)).await.unwrap();
    stalled.hear("\r\n\r\n").await;
    drop(sim);
    handle.heal();
    assert!(Peer::connect(addr).await.is_err());
    assert!(!stalled.hear_all().await.body().1);
    assert_eq!(handle.calls(), 1);
}

/// A handle works where no runtime is.
#[test]
fn refuse_and_heal_from_another_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sim = runtime.block_on(Sim::start(OpenAi)).unwrap();
    sim.fault(Fault::Refuse);
    assert!(std::net::TcpStream::connect(sim.addr()).is_err());
    sim.heal();
    let heard = runtime.block_on(exchange(&sim, &chat(OpenAi, false)));
    assert_eq!(status(&heard), "200");
}
