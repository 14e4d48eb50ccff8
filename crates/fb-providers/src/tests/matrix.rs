//! The result of every fault through reqwest, which an upgrade of reqwest may change.

use std::fmt::Write;

use expect_test::{Expect, expect};
use fb_core::{CallError, ChatRequest, FailureKind, Phase};
use fb_sim::{Dialect, Fault};
use tokio::net::TcpListener;

use super::{chat, provider, provider_of, show_error, show_reply, show_stream, sim, stream};
use crate::ProviderConfig;

/// Shows the result of each fault for plain and streamed calls.
async fn check(dialect: Dialect, faults: &[&str], expected: &Expect) {
    let sim = sim(dialect).await;
    let provider = provider_of(&sim);
    let request = ChatRequest::user("hi");
    let mut table = String::new();
    for fault in faults {
        sim.heal();
        sim.fault(fault.parse().unwrap());
        let plain = show_reply(&chat(&*provider, &request).await);
        let streamed = show_stream(stream(&*provider, &request).await).await;
        writeln!(table, "{fault}\n    {plain}\n    {streamed}").unwrap();
    }
    expected.assert_eq(&table);
}

/// Faults of a response body.
const BODY: &[&str] = &[
    "cut-at=10",
    "cut-after=1",
    "cut-after=2 reset",
    "end-early=2",
    "empty",
    "malformed",
    "html",
    "wrong-content-type",
    "stream-error=0",
    "stream-error=2",
];

/// Errors that a provider reports.
const SAID: &[&str] = &[
    "status=302 location=http://127.0.0.1:1/",
    "status=400",
    "status=401",
    "status=403",
    "status=404",
    "status=413",
    "status=429 retry-after=2",
    "status=500",
    "status=503",
    "status=529",
    "status=503 body=<html>",
    "quota",
    "context-length",
    "block=http-400",
    "block=finish-reason",
    "block=refusal",
    "block=mid-stream",
];

#[tokio::test]
async fn connection_faults() {
    for (fault, kinds) in [
        ("refuse", ["connect", "connect"]),
        ("reset", ["network", "network"]),
        // The reset may arrive before or after the connect has completed.
        ("reset-on-accept", ["network", "connect"]),
        ("close-on-accept", ["stale_connection", "stale_connection"]),
        ("raw=SSH-2.0-OpenSSH_9.2", ["malformed", "malformed"]),
        ("raw=HTTP/1.1 200 OK", ["stale_connection", "stale_connection"]),
    ] {
        let sim = sim(Dialect::OpenAi).await;
        let provider = provider_of(&sim);
        sim.fault(fault.parse().unwrap());
        let request = ChatRequest::user("hi");
        let errors = [chat(&*provider, &request).await.err(), stream(&*provider, &request).await.err()];
        for error in errors {
            let Some(CallError::Failed(failure)) = error else { panic!("{fault}: {error:?}") };
            assert!(kinds.contains(&failure.kind().name()), "{fault}: {failure}");
            assert!(std::error::Error::source(&failure).is_some(), "{fault}");
        }
    }
}

#[tokio::test]
async fn body_faults_in_openai() {
    check(
        Dialect::OpenAi,
        BODY,
        &expect![[r#"
        cut-at=10
            interrupted (end of file before message length reached)
            "" interrupted (unexpected EOF during chunk size line)
        cut-after=1
            interrupted (end of file before message length reached)
            "" interrupted (unexpected EOF during chunk size line)
        cut-after=2 reset
            interrupted (Connection reset by peer (os error 104))
            "Hello " interrupted (Connection reset by peer (os error 104))
        end-early=2
            malformed (the body is JSON cut short)
            "Hello " 
        empty
            malformed (the body is empty)
            "" 
        malformed
            malformed (the body is JSON cut short)
            "" malformed (a chunk is JSON cut short)
        html
            malformed (the body is HTML, not JSON)
            at once: malformed (a page of HTML instead of a stream)
        wrong-content-type
            "Hello from openai." Stop
            "Hello from openai." Stop, done
        stream-error=0
            overloaded (server_is_overloaded)
            "" overloaded (server_is_overloaded)
        stream-error=2
            overloaded (server_is_overloaded)
            "Hello " overloaded (server_is_overloaded)
    "#]],
    )
    .await;
}

#[tokio::test]
async fn body_faults_in_anthropic() {
    check(
        Dialect::Anthropic,
        BODY,
        &expect![[r#"
        cut-at=10
            interrupted (end of file before message length reached)
            "" interrupted (unexpected EOF during chunk size line)
        cut-after=1
            interrupted (end of file before message length reached)
            "" interrupted (unexpected EOF during chunk size line)
        cut-after=2 reset
            interrupted (Connection reset by peer (os error 104))
            "" interrupted (Connection reset by peer (os error 104))
        end-early=2
            malformed (the answer is JSON cut short)
            "" 
        empty
            malformed (the answer is JSON cut short)
            "" 
        malformed
            malformed (the answer is JSON cut short)
            "" malformed (an event is JSON cut short)
        html
            malformed (the answer is not JSON: line 1 column 1)
            at once: malformed (a page of HTML instead of a stream)
        wrong-content-type
            "Hello from anthropic." Stop
            "Hello from anthropic." Stop, done
        stream-error=0
            overloaded (overloaded_error)
            "" overloaded (overloaded_error)
        stream-error=2
            overloaded (overloaded_error)
            "" overloaded (overloaded_error)
    "#]],
    )
    .await;
}

#[tokio::test]
async fn body_faults_in_ollama() {
    check(
        Dialect::Ollama,
        BODY,
        &expect![[r#"
        cut-at=10
            interrupted (end of file before message length reached)
            "" interrupted (unexpected EOF during chunk size line)
        cut-after=1
            interrupted (end of file before message length reached)
            "Hello " interrupted (unexpected EOF during chunk size line)
        cut-after=2 reset
            interrupted (Connection reset by peer (os error 104))
            "Hello from o" interrupted (Connection reset by peer (os error 104))
        end-early=2
            malformed (the body is JSON cut short: line 1 column 142)
            "Hello from o" 
        empty
            malformed (the body is empty)
            "" 
        malformed
            malformed (the body is JSON cut short: line 1 column 284)
            "Hello " malformed (a line is JSON cut short: line 1 column 111)
        html
            malformed (the body is HTML, not JSON)
            at once: malformed (a page of HTML instead of a stream)
        wrong-content-type
            "Hello from ollama." Stop
            "Hello from ollama." Stop, done
        stream-error=0
            server_error (llama runner process has terminated: exit status 2)
            "" server_error (llama runner process has terminated: exit status 2)
        stream-error=2
            server_error (llama runner process has terminated: exit status 2)
            "Hello from o" server_error (llama runner process has terminated: exit status 2)
    "#]],
    )
    .await;
}

#[tokio::test]
async fn errors_of_openai() {
    check(Dialect::OpenAi, SAID, &expect![[r#"
        status=302 location=http://127.0.0.1:1/
            malformed (302 invalid_request_error)
            at once: malformed (302 invalid_request_error)
        status=400
            invalid_request (400 invalid_request_error)
            at once: invalid_request (400 invalid_request_error)
        status=401
            auth (401 invalid_api_key)
            at once: auth (401 invalid_api_key)
        status=403
            region (403 unsupported_country_region_territory)
            at once: region (403 unsupported_country_region_territory)
        status=404
            model_not_found (404 model_not_found)
            at once: model_not_found (404 model_not_found)
        status=413
            too_large (413 invalid_request_error)
            at once: too_large (413 invalid_request_error)
        status=429 retry-after=2
            rate_limited (429 rate_limit_exceeded)
            at once: rate_limited (429 rate_limit_exceeded)
        status=500
            server_error (500 server_error)
            at once: server_error (500 server_error)
        status=503
            overloaded (503 server_is_overloaded)
            at once: overloaded (503 server_is_overloaded)
        status=529
            overloaded (529 server_error)
            at once: overloaded (529 server_error)
        status=503 body=<html>
            server_error (503)
            at once: server_error (503)
        quota
            quota_exhausted (429 credit_balance_exhausted)
            at once: quota_exhausted (429 credit_balance_exhausted)
        context-length
            context_length (400 context_length_exceeded)
            at once: context_length (400 context_length_exceeded)
        block=http-400
            blocked: input filtered: Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.
            at once: blocked: input filtered: Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.
        block=finish-reason
            blocked: output filtered: content_filter
            "" blocked: output filtered: content_filter, ContentFilter, done
        block=refusal
            blocked: refused: I can't help with that.
            "" blocked: refused: I can't , refusal "I can't ", refusal "help wit", refusal "h that.", Refusal, done
        block=mid-stream
            blocked: output filtered: content_filter
            "Hello fro" blocked: output filtered: content_filter, ContentFilter, done
    "#]]).await;
}

#[tokio::test]
async fn errors_of_anthropic() {
    check(
        Dialect::Anthropic,
        SAID,
        &expect![[r#"
        status=302 location=http://127.0.0.1:1/
            malformed (302 invalid_request_error)
            at once: malformed (302 invalid_request_error)
        status=400
            invalid_request (400 invalid_request_error)
            at once: invalid_request (400 invalid_request_error)
        status=401
            auth (401 authentication_error)
            at once: auth (401 authentication_error)
        status=403
            permission (403 permission_error)
            at once: permission (403 permission_error)
        status=404
            model_not_found (404 not_found_error)
            at once: model_not_found (404 not_found_error)
        status=413
            too_large (413 request_too_large)
            at once: too_large (413 request_too_large)
        status=429 retry-after=2
            rate_limited (429 rate_limit_error)
            at once: rate_limited (429 rate_limit_error)
        status=500
            server_error (500 api_error)
            at once: server_error (500 api_error)
        status=503
            server_error (503 api_error)
            at once: server_error (503 api_error)
        status=529
            overloaded (529 overloaded_error)
            at once: overloaded (529 overloaded_error)
        status=503 body=<html>
            server_error (503)
            at once: server_error (503)
        quota
            quota_exhausted (429 enforced_spend_limit_reached)
            at once: quota_exhausted (429 enforced_spend_limit_reached)
        context-length
            context_length (400 invalid_request_error)
            at once: context_length (400 invalid_request_error)
        block=http-400
            blocked: output filtered: Output blocked by content filtering policy
            at once: blocked: output filtered: Output blocked by content filtering policy
        block=finish-reason
            blocked: refused: general_harms
            "" blocked: refused: general_harms, Refusal, done
        block=refusal
            blocked: refused: general_harms
            "I can't help with that." blocked: refused: general_harms, Refusal, done
        block=mid-stream
            blocked: refused: general_harms
            "Hello from" blocked: refused: general_harms, Refusal, done
    "#]],
    )
    .await;
}

#[tokio::test]
async fn errors_of_ollama() {
    check(
        Dialect::Ollama,
        SAID,
        &expect![[r#"
            status=302 location=http://127.0.0.1:1/
                malformed (302)
                at once: malformed (302)
            status=400
                invalid_request (400)
                at once: invalid_request (400)
            status=401
                auth (401)
                at once: auth (401)
            status=403
                permission (403)
                at once: permission (403)
            status=404
                model_not_found (404)
                at once: model_not_found (404)
            status=413
                too_large (413)
                at once: too_large (413)
            status=429 retry-after=2
                rate_limited (429)
                at once: rate_limited (429)
            status=500
                server_error (500)
                at once: server_error (500)
            status=503
                overloaded (503)
                at once: overloaded (503)
            status=529
                overloaded (529)
                at once: overloaded (529)
            status=503 body=<html>
                overloaded (503)
                at once: overloaded (503)
            quota
                quota_exhausted (429)
                at once: quota_exhausted (429)
            context-length
                context_length (400)
                at once: context_length (400)
            block=http-400
                "I can't help with that." Stop
                "I can't help with that." Stop, done
            block=finish-reason
                "I can't help with that." Stop
                "I can't help with that." Stop, done
            block=refusal
                "I can't help with that." Stop
                "I can't help with that." Stop, done
            block=mid-stream
                "I can't help with that." Stop
                "I can't help with that." Stop, done
        "#]],
    )
    .await;
}

#[tokio::test]
async fn closed_kept_alive_connection_is_stale() {
    let sim = sim(Dialect::OpenAi).await;
    let provider = provider_of(&sim);
    let request = ChatRequest::user("hi");
    sim.fault(Fault::CloseOnNext);
    assert_eq!(show_reply(&chat(&*provider, &request).await), "\"Hello from openai.\" Stop");
    assert_eq!(
        show_reply(&chat(&*provider, &request).await),
        "stale_connection (connection closed before message completed)"
    );
}

#[tokio::test]
async fn unknown_hosts_and_tls_to_a_plain_server_do_not_connect() {
    let plain = sim(Dialect::OpenAi).await;
    let request = ChatRequest::user("hi");
    for url in ["http://no-such-host.invalid/v1".to_owned(), format!("https://{}/v1", plain.addr())] {
        let error = chat(&*provider("openai", &url), &request).await.unwrap_err();
        assert!(show_error(&error).starts_with("connect ("), "{url}: {}", show_error(&error));
    }
}

#[tokio::test]
async fn slow_connect_is_a_connect_timeout() {
    // TLS to a server that accepts and stays silent.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ProviderConfig {
        base_url: Some(format!("https://{}/v1", silent.local_addr().unwrap())),
        connect_timeout: Some(std::time::Duration::from_millis(50)),
        ..ProviderConfig::with_key("openai", "sk-test")
    };
    let error = chat(&*config.build().unwrap(), &ChatRequest::user("hi")).await.unwrap_err();
    let CallError::Failed(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.kind(), FailureKind::Timeout(Phase::Connect));
}

#[tokio::test]
async fn body_that_ends_with_its_connection_has_no_end_signal() {
    // For reqwest the cut is the end of the body; only the missing end signal of the dialect reveals it.
    let sim = sim(Dialect::OpenAi).await;
    let provider = provider_of(&sim);
    sim.fault(Fault::Raw(bytes::Bytes::from_static(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
          data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n",
    )));
    let shown = show_stream(stream(&*provider, &ChatRequest::user("hi")).await).await;
    assert_eq!(shown, "\"Hel\" ");
}
