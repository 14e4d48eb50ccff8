//! Whole requests in virtual time: a script of each provider's behavior, and the printed outcome with its trace.
//!
//! Behaviors of other libraries covered here, by number: 12, 61, 71, 78 (committed streams, pushback), 87.

use std::{fmt::Write, sync::Arc, time::Duration};

use expect_test::{Expect, expect};
use fb_breaker::{BreakerConfig, HalfOpenConfig, RampConfig};
use fb_core::{Capabilities, ChatRequest, FailureKind, Options, StreamEvent};
use fb_retry::BudgetConfig;
use fb_testkit::{Script, script};
use futures_util::StreamExt;

use crate::{Client, Error, Route, SuccessCounts, Target, UnavailablePolicy};

mod again;
mod budget;
mod cache;
mod events;
mod health;
mod invariants;
mod keys;
mod ladder;
mod outage;
mod quality;
mod reconfigure;
mod reload;
mod rest;
mod resume;
mod routing;
mod settings;
mod time;

/// Builds a client over the script's providers, with one route and one target each, all with the model `m`.
fn client(script: &Script, route: impl FnOnce(Route) -> Route) -> Client {
    let targets = script.providers().into_iter().map(|(name, _)| Target::new(name, "m"));
    let route = route(Route::priority("default", targets));
    let mut builder = Client::builder().seed(7).route(route);
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    builder.build().unwrap()
}

fn outcome(result: &Result<crate::Answer, Error>) -> String {
    let (head, report) = match result {
        Ok(answer) => (format!("ok {:?} by {}", answer.text(), answer.served_by()), Some(&answer.report)),
        Err(error) => {
            let after = error.retry_after().map(|wait| format!(", retry after {wait:?}")).unwrap_or_default();
            (format!("{} {} ({error}){after}", error.status(), error.code()), error.report())
        }
    };
    format!("{head}\n{}", report.map(|report| report.trace.to_string()).unwrap_or_default())
}

/// Creates a request for a route or target by name.
fn named(model: &str) -> ChatRequest {
    ChatRequest::from_chat(model, ChatRequest::user("hi").chat().unwrap().clone())
}

async fn plain(client: &Client) -> String {
    outcome(&client.chat(ChatRequest::user("hi")).await)
}

async fn streamed(client: &Client) -> String {
    let mut text = String::new();
    let mut stream = match client.stream(ChatRequest::user("hi")).await {
        Ok(stream) => stream,
        Err(error) => return outcome(&Err(error)),
    };
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(frame) => {
                for event in frame.events {
                    match event {
                        StreamEvent::Text(piece) => text.push_str(&piece),
                        StreamEvent::Done => text.push_str(" [done]"),
                        StreamEvent::Blocked(_) => text.push_str(" [blocked]"),
                        _ => {}
                    }
                }
            }
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return format!("{text:?} then {}", outcome(&Err(error)));
            }
        }
    }
    format!("{text:?}\n{}", stream.report().trace)
}

/// Runs one request on fresh providers and checks that nothing is left outstanding.
async fn run(text: &str, route: impl Fn(Route) -> Route, stream: bool) -> String {
    let script = script(text);
    let client = client(&script, route);
    let mut printed = if stream { streamed(&client).await } else { plain(&client).await };
    assert_eq!(client.outstanding_permits(), 0, "a permit is still out");
    for (name, provider) in script.providers() {
        assert_eq!(provider.in_flight(), 0, "{name} still runs");
        write!(printed, "{name}: {} calls  ", provider.calls()).unwrap();
    }
    printed.trim_end().to_owned()
}

/// Sets one retry at each target, which is made before the next target is called.
fn retry_once(mut route: Route) -> Route {
    for target in &mut route.targets {
        target.max_retries = Some(1);
    }
    route
}

async fn check(text: &str, expected: Expect) {
    expected.assert_eq(&run(text, |route| route, false).await);
}

async fn check_stream(text: &str, expected: Expect) {
    expected.assert_eq(&run(text, |route| route, true).await);
}

#[tokio::test(start_paused = true)]
async fn healthy_primary_answers_at_once() {
    check(
        "a: 200 in 300ms / b: 200",
        expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m  1  ok  15 tokens    300 ms
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
    check_stream(
        "a: 200 in 300ms / b: 200",
        expect![[r#"
        "hello from a [done]"
        0.000s  a/m  1  ok  15 tokens    300 ms
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn failing_primary_is_left_at_once_or_after_its_retries() {
    check(
        "a: 503 / b: 200",
        expect![[r#"
            ok "hello from b" by b/m
            0.000s  a/m  1  server_error (503)      0 ms  hop
            0.000s  b/m  1  ok  15 tokens           0 ms
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
    check(
        "a: 503, 200 / b: 200",
        expect![[r#"
            ok "hello from b" by b/m
            0.000s  a/m  1  server_error (503)      0 ms  hop
            0.000s  b/m  1  ok  15 tokens           0 ms
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
    check(
        "a: 529 / b: refused / c: 200",
        expect![[r#"
            ok "hello from c" by c/m
            0.000s  a/m  1  overloaded (529 overloaded_error)      0 ms  hop
            0.000s  b/m  1  connect (connection refused)           0 ms  retry at once
            0.000s  b/m  2  connect (connection refused)           0 ms  hop
            0.000s  c/m  1  ok  15 tokens                          0 ms
            a: 1 calls  b: 2 calls  c: 1 calls"#]],
    )
    .await;
    check_stream(
        "a: 503 / b: 200",
        expect![[r#"
            "hello from b [done]"
            0.000s  a/m  1  server_error (503)      0 ms  hop
            0.000s  b/m  1  ok  15 tokens           0 ms
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_a_short_rate_limit_is_waited_for() {
    check(
        "a: 429(retry-after 1s), 200 / b: 200",
        expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)      0 ms  retry in 1.08 s
        1.078s  a/m  2  ok  15 tokens                               0 ms
        a: 2 calls  b: 0 calls"#]],
    )
    .await;
    check(
        "a: 429(retry-after 9s), 200 / b: 200",
        expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)      0 ms  hop
        0.000s  b/m  1  ok  15 tokens                               0 ms
        a: 1 calls  b: 1 calls"#]],
    )
    .await;
    check(
        "a: 429 / b: 200",
        expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)      0 ms  retry in 773 ms
        0.774s  a/m  2  rate_limited (429 rate_limit_exceeded)      0 ms  hop
        0.774s  b/m  1  ok  15 tokens                               0 ms
        a: 2 calls  b: 1 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn timeout_is_not_retried_at_the_same_target() {
    check(
        "a: hang / b: 200",
        expect![[r#"
            ok "hello from b" by b/m
            0.000s  a/m  1  timeout (no answer in 60 s)    60.0 s  hop
            60.00s  b/m  1  ok  15 tokens                    0 ms
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
    check_stream(
        "a: pings / b: 200",
        expect![[r#"
            "hello from b [done]"
            0.000s  a/m  1  timeout (no answer in 15 s)    15.0 s  hop
            15.00s  b/m  1  ok  15 tokens                    0 ms
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn stale_connection_is_retried_once_for_free() {
    check(
        "a: stale, 200 / b: 200",
        expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m  1  stale_connection (kept-alive connection was closed)      0 ms  retry at once
        0.000s  a/m  2  ok  15 tokens                                            0 ms
        a: 2 calls  b: 0 calls"#]],
    )
    .await;
    check(
        "a: stale, 503, 200 / b: 200",
        expect![[r#"
            ok "hello from b" by b/m
            0.000s  a/m  1  stale_connection (kept-alive connection was closed)      0 ms  retry at once
            0.000s  a/m  2  server_error (503)                                       0 ms  hop
            0.000s  b/m  1  ok  15 tokens                                            0 ms
            a: 2 calls  b: 1 calls"#]],
    )
    .await;
    check(
        "a: stale, stale, 200 / b: 200",
        expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  stale_connection (kept-alive connection was closed)      0 ms  retry at once
        0.000s  a/m  2  stale_connection (kept-alive connection was closed)      0 ms  hop
        0.000s  b/m  1  ok  15 tokens                                            0 ms
        a: 2 calls  b: 1 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn caller_mistake_is_surfaced_at_once() {
    check(
        "a: 400 / b: 200",
        expect![[r#"
        400 invalid_request (invalid_request (400 invalid_request_error): Invalid request)
        0.000s  a/m  1  invalid_request (400 invalid_request_error)      0 ms  surface
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
    check(
        "a: 422 / b: 200",
        expect![[r#"
        400 invalid_request (invalid_request (422 invalid_request_error): Unprocessable request)
        0.000s  a/m  1  invalid_request (422 invalid_request_error)      0 ms  surface
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn broken_accounts_and_missing_models_hop() {
    check(
        "a: 401 / b: 402 / c: 403 / d: 404 / e: 200",
        expect![[r#"
        ok "hello from e" by e/m
        0.000s  a/m  1  auth (401 invalid_api_key)                 0 ms  hop
        0.000s  b/m  1  quota_exhausted (402 billing_error)        0 ms  hop
        0.000s  c/m  1  permission (403 permission_error)          0 ms  hop
        0.000s  d/m  1  model_not_found (404 model_not_found)      0 ms  hop
        0.000s  e/m  1  ok  15 tokens                              0 ms
        a: 1 calls  b: 1 calls  c: 1 calls  d: 1 calls  e: 1 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn block_is_never_followed_by_a_call() {
    check(
        "a: block / b: 200",
        expect![[r#"
        400 content_filter (blocked: I can't help with that.)
        0.000s  a/m  1  blocked (refused)      0 ms  surface
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
    check(
        "a: block(400) / b: 200",
        expect![[r#"
        400 content_filter (blocked: the prompt was filtered)
        0.000s  a/m  1  blocked (input filtered)      0 ms  surface
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
    check_stream(
        "a: block / b: 200",
        expect![[r#"
        " [blocked] [done]" then 400 content_filter (blocked: I can't help with that.)
        0.000s  a/m  1  blocked (refused)      0 ms
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
    check_stream(
        "a: block(mid 1) / b: 200",
        expect![[r#"
        "hello  [blocked] [done]" then 400 content_filter (blocked: the answer was filtered)
        0.000s  a/m  1  blocked (output filtered)      0 ms
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn stream_fails_over_only_before_its_first_output() {
    check_stream(
        "a: cut(0) / b: 200",
        expect![[r#"
            "hello from b [done]"
            0.000s  a/m  1  interrupted (the stream ended before its first output)      0 ms  hop
            0.000s  b/m  1  ok  15 tokens                                               0 ms
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
    check_stream(
        "a: error(0 overloaded) / b: 200",
        expect![[r#"
            "hello from b [done]"
            0.000s  a/m  1  overloaded (overloaded_error)      0 ms  hop
            0.000s  b/m  1  ok  15 tokens                      0 ms
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
    check_stream(
        "a: stall(0) / b: 200",
        expect![[r#"
            "hello from b [done]"
            0.000s  a/m  1  timeout (no answer in 15 s)    15.0 s  hop
            15.00s  b/m  1  ok  15 tokens                    0 ms
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
    check_stream("a: cut(1) / b: 200", expect![[r#"
        "hello " then 502 upstream_interrupted (the stream broke off: interrupted (the stream ended without its provider's end signal))
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  surface
        a: 1 calls  b: 0 calls"#]]).await;
    check_stream("a: error(1 overloaded) / b: 200", expect![[r#"
        "hello " then 503 upstream_overloaded (the stream broke off: overloaded (overloaded_error): Overloaded)
        0.000s  a/m  1  overloaded (overloaded_error)      0 ms  surface
        a: 1 calls  b: 0 calls"#]]).await;
    check_stream(
        "a: stall(1) / b: 200",
        expect![[r#"
        "hello " then 504 upstream_timeout (the stream broke off: timeout (the stream fell silent))
        0.000s  a/m  1  timeout (the stream fell silent)    30.0 s  surface
        a: 1 calls  b: 0 calls"#]],
    )
    .await;
    check_stream("a: nodone / b: 200", expect![[r#"
        "hello from a" then 502 upstream_interrupted (the stream broke off: interrupted (the stream ended without its provider's end signal))
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  surface
        a: 1 calls  b: 0 calls"#]]).await;
}

#[tokio::test(start_paused = true)]
async fn exhaustion_reports_the_primary_cause_unless_another_is_repairable() {
    check(
        "a: 503 / b: 529",
        expect![[r#"
            502 upstream_error (no target could answer: a/m: server_error (503): Service Unavailable; b/m: overloaded (529 overloaded_error): Overloaded; max_attempts is reached)
            0.000s  a/m  1  server_error (503)                     0 ms  retry in 193 ms
            0.000s  b/m  1  overloaded (529 overloaded_error)      0 ms  retry in 28 ms
            0.194s  a/m  2  server_error (503)                     0 ms  retry in 330 ms
            0.223s  b/m  2  overloaded (529 overloaded_error)      0 ms  retry in 631 ms
            0.554s  a/m  3  server_error (503)                     0 ms  hop
            1.186s  b/m  3  overloaded (529 overloaded_error)      0 ms  hop
            a: 3 calls  b: 3 calls"#]],
    )
    .await;
    check(
        "a: 503 / b: 400",
        expect![[r#"
            400 invalid_request (invalid_request (400 invalid_request_error): Invalid request)
            0.000s  a/m  1  server_error (503)                               0 ms  hop
            0.000s  b/m  1  invalid_request (400 invalid_request_error)      0 ms  surface
            a: 1 calls  b: 1 calls"#]],
    )
    .await;
    check("a: 404 / b: 500", expect![[r#"
        502 upstream_error (no target could answer: a/m: model_not_found (404 model_not_found): The model does not exist; b/m: server_error (500): Internal Server Error; the retry budget is empty), retry after 299.102s
        0.000s  a/m  1  model_not_found (404 model_not_found)      0 ms  hop
        0.000s  b/m  1  server_error (500)                         0 ms  retry in 56 ms
        0.056s  b/m  2  server_error (500)                         0 ms  retry in 359 ms
        0.416s  b/m  3  server_error (500)                         0 ms  retry in 481 ms
        0.898s  b/m  4  server_error (500)                         0 ms
        a: 1 calls  b: 4 calls"#]]).await;
}

#[tokio::test(start_paused = true)]
async fn long_prompt_moves_to_larger_windows_and_then_to_unknown_ones() {
    let with_windows = |text: &str| {
        let script = script(text);
        let sizes = [Some(8_000), None, Some(128_000), Some(4_000)];
        for ((_, provider), context) in script.providers().iter().zip(sizes) {
            provider.with_capabilities(Capabilities { context, ..Capabilities::default() });
        }
        client(&script, |route| route)
    };
    expect![[r#"
        ok "hello from c" by c/m
        0.000s  a/m  1  context_length (400 context_length_exceeded)      0 ms  hop
        0.000s  c/m  1  ok  15 tokens                                     0 ms
    "#]]
    .assert_eq(&plain(&with_windows("a: context / b: 200 / c: 200 / d: 200")).await);
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  context_length (400 context_length_exceeded)                                                       0 ms  hop
        0.000s  c/m  1  context_length (400 context_length_exceeded)                                                       0 ms  hop
        0.000s  d/m     skipped: inadmissible: messages: too long for an earlier target, and this window is no larger            hop
        0.000s  b/m  1  ok  15 tokens                                                                                      0 ms
    "#]]
    .assert_eq(&plain(&with_windows("a: context / b: 200 / c: context / d: 200")).await);
    expect![[r#"
        400 context_length_exceeded (no target could answer: a/m: context_length (400 context_length_exceeded): The prompt is too long; c/m: context_length (400 context_length_exceeded): The prompt is too long; d/m: skipped: inadmissible: messages: too long for an earlier target, and this window is no larger; b/m: context_length (400 context_length_exceeded): The prompt is too long)
        0.000s  a/m  1  context_length (400 context_length_exceeded)                                                       0 ms  hop
        0.000s  c/m  1  context_length (400 context_length_exceeded)                                                       0 ms  hop
        0.000s  d/m     skipped: inadmissible: messages: too long for an earlier target, and this window is no larger            hop
        0.000s  b/m  1  context_length (400 context_length_exceeded)                                                       0 ms
    "#]]
    .assert_eq(&plain(&with_windows("a: context / b: context / c: context / d: 200")).await);
}

#[tokio::test(start_paused = true)]
async fn unsupported_request_is_refused_before_the_call() {
    let script = script("a: 200 / b: 200");
    script.provider("a").refuse("logit_bias", "has no place in this dialect");
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: inadmissible: logit_bias: has no place in this dialect            hop
        0.000s  b/m  1  ok  15 tokens                                                        0 ms
    "#]]
    .assert_eq(&plain(&client(&script, |route| route)).await);
    script.provider("b").refuse("n", "only one answer");
    expect![[r#"
        400 unsupported_parameter (no target could answer: a/m: skipped: inadmissible: logit_bias: has no place in this dialect; b/m: skipped: inadmissible: n: only one answer)
        0.000s  a/m     skipped: inadmissible: logit_bias: has no place in this dialect            hop
        0.000s  b/m     skipped: inadmissible: n: only one answer
    "#]]
    .assert_eq(&plain(&client(&script, |route| route)).await);
}

#[tokio::test(start_paused = true)]
async fn trigger_on_restricts_which_failures_hop() {
    let only_timeouts = |mut route: Route| {
        route.targets[0] = route.targets[0].clone().trigger_on([FailureKind::RateLimited]);
        route
    };
    expect![[r#"
        502 upstream_error (server_error (503): Service Unavailable)
        0.000s  a/m  1  server_error (503)      0 ms  retry in 193 ms
        0.194s  a/m  2  server_error (503)      0 ms  retry in 111 ms
        0.306s  a/m  3  server_error (503)      0 ms  retry in 718 ms
        1.025s  a/m  4  server_error (503)      0 ms  surface
        a: 4 calls  b: 0 calls"#]]
    .assert_eq(&run("a: 503 / b: 200", only_timeouts, false).await);
    let opted_in = |mut route: Route| {
        route.targets[0] = route.targets[0].clone().trigger_on([FailureKind::InvalidRequest]);
        route
    };
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  invalid_request (400 invalid_request_error)      0 ms  hop
        0.000s  b/m  1  ok  15 tokens                                    0 ms
        a: 1 calls  b: 1 calls"#]]
    .assert_eq(&run("a: 400 / b: 200", opted_in, false).await);
}

#[tokio::test(start_paused = true)]
async fn group_in_trigger_on_stands_for_its_kinds() {
    let groups = ["timeout", "rate_limit", "server_error", "network_error"];
    let named = |mut route: Route| {
        route.targets[0].trigger_on = Some(groups.map(str::to_owned).to_vec());
        route.targets[0].max_retries = Some(0);
        route
    };
    let mut statuses = Vec::new();
    for failure in ["hang", "429", "quota", "500", "503", "529", "refused", "reset", "cut(0)", "401", "403"] {
        let script = script(&format!("a: {failure} / b: 200"));
        let result = client(&script, named).chat(ChatRequest::user("hi")).await;
        statuses.push(format!("{failure} {}", result.map_or_else(|error| error.status(), |_| 200)));
    }
    expect![[r#"
        hang 200
        429 200
        quota 200
        500 200
        503 200
        529 200
        refused 200
        reset 200
        cut(0) 200
        401 502
        403 502"#]]
    .assert_eq(&statuses.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn refusal_for_capacity_has_a_retry_after() {
    let script = script("a: hang");
    let client = client(&script, |mut route| {
        route.targets[0] = route.targets[0].clone().max_in_flight(1);
        route
    });
    let error = tokio::select! {
        biased;
        first = client.chat(ChatRequest::user("hi")) => panic!("{first:?}"),
        second = client.chat(ChatRequest::user("hi")) => second.unwrap_err(),
    };
    assert_eq!(
        (error.code(), error.http().retry_after),
        ("all_targets_unavailable", Some(Duration::from_secs(1)))
    );
}

#[tokio::test(start_paused = true)]
async fn denied_retry_surfaces_instead_of_hopping() {
    let script = script("a: 503 / b: 200");
    let opens = BreakerConfig::with(|config| config.consecutive = Some(2));
    let client = client(&script, |mut route| {
        let target = route.targets[0].clone();
        route.targets[0] = target.trigger_on([FailureKind::RateLimited]).breaker(&opens);
        route
    });
    // The second request opens the breaker while the first waits for its retry.
    let (first, _second) = tokio::join!(plain(&client), plain(&client));
    expect![[r#"
        502 upstream_error (server_error (503): Service Unavailable)
        0.000s  a/m  1  server_error (503)                            0 ms  retry in 193 ms
        0.194s  a/m     skipped: breaker open, reopens in 4.24 s            surface
    "#]]
    .assert_eq(&first);
}

#[tokio::test(start_paused = true)]
async fn priority_and_enabled_are_respected() {
    let route = |mut route: Route| {
        route.targets[0] = route.targets[0].clone().priority(5);
        route.targets[1] = route.targets[1].clone().enabled(false);
        route
    };
    expect![[r#"
        ok "hello from a" by a/m
        0.000s  c/m  1  server_error (503)      0 ms  hop
        0.000s  a/m  1  ok  15 tokens           0 ms
        a: 1 calls  b: 0 calls  c: 1 calls"#]]
    .assert_eq(&run("a: 200 / b: 200 / c: 503", route, false).await);
}

#[tokio::test(start_paused = true)]
async fn attempts_stay_within_the_envelope_and_reserve_later_targets() {
    let eager = |mut route: Route| {
        for target in &mut route.targets {
            *target = target.clone().max_retries(9);
        }
        route
    };
    expect![[r#"
        ok "hello from c" by c/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)      0 ms  retry in 773 ms
        0.774s  a/m  2  rate_limited (429 rate_limit_exceeded)      0 ms  retry in 445 ms
        1.219s  a/m  3  rate_limited (429 rate_limit_exceeded)      0 ms  retry in 2.87 s
        4.093s  a/m  4  rate_limited (429 rate_limit_exceeded)      0 ms  hop
        4.093s  b/m  1  rate_limited (429 rate_limit_exceeded)      0 ms  hop
        4.093s  c/m  1  ok  15 tokens                               0 ms
        a: 4 calls  b: 1 calls  c: 1 calls"#]]
    .assert_eq(&run("a: 429 / b: 429 / c: 200", eager, false).await);
    let two = |mut route: Route| {
        route.max_attempts = 2;
        route
    };
    expect![[r#"
        502 upstream_credentials (no target could answer: a/m: auth (401 invalid_api_key): Incorrect API key provided; b/m: permission (403 permission_error): The key may not use this model; c/m: skipped: no attempts left), retry after 30s
        0.000s  a/m  1  auth (401 invalid_api_key)             0 ms  hop
        0.000s  b/m  1  permission (403 permission_error)      0 ms  hop
        0.000s  c/m     skipped: no attempts left
        a: 1 calls  b: 1 calls  c: 0 calls"#]].assert_eq(&run("a: 401 / b: 403 / c: 200", two, false).await);
}

#[tokio::test(start_paused = true)]
async fn deadline_is_shared_by_all_targets() {
    let short = |route: Route| route.deadline(Duration::from_secs(9));
    expect![[r#"
        ok "hello from c" by c/m
        0.000s  a/m  1  timeout (no answer in 3 s)    3.00 s  hop
        3.000s  b/m  1  timeout (no answer in 3 s)    3.00 s  hop
        6.000s  c/m  1  ok  15 tokens                 1.00 s
        a: 1 calls  b: 1 calls  c: 1 calls"#]]
    .assert_eq(&run("a: hang / b: hang / c: 200 in 1s", short, false).await);
    expect![[r#"
        504 upstream_timeout (no target could answer: a/m: timeout (no answer in 3 s); b/m: timeout (no answer in 3 s); c/m: timeout (no answer in 3 s))
        0.000s  a/m  1  timeout (no answer in 3 s)    3.00 s  hop
        3.000s  b/m  1  timeout (no answer in 3 s)    3.00 s  hop
        6.000s  c/m  1  timeout (no answer in 3 s)    3.00 s
        a: 1 calls  b: 1 calls  c: 1 calls"#]]
    .assert_eq(&run("a: hang / b: hang / c: hang", short, false).await);
}

#[tokio::test(start_paused = true)]
async fn no_retry_waits_past_the_deadline() {
    let script = script("a: 429(retry-after 2s) in 500ms, 200 / b: 200");
    let client = client(&script, |route| route.deadline(Duration::from_secs(4)));
    // 3.5 s are left: a wait of 2 s plus a slice of 2 s for each of two targets does not fit.
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)    500 ms  hop
        0.500s  b/m  1  ok  15 tokens                               0 ms
    "#]]
    .assert_eq(&plain(&client).await);
}

#[tokio::test(start_paused = true)]
async fn short_caller_deadline_leaves_attempts_and_trips_no_breaker() {
    let script = script("a: hang / b: 200");
    let client = client(&script, |route| route);
    let options = Options { timeout: Some(Duration::from_secs(3)), ..Options::default() };
    for _ in 0..6 {
        let request = ChatRequest::user("hi").with_options(options.clone());
        let answer = client.chat(request).await.unwrap();
        assert_eq!(answer.served_by(), "b/m");
    }
    assert_eq!(script.provider("a").calls(), 6, "a caller's own timeout opens no breaker");
}

#[tokio::test(start_paused = true)]
async fn open_breaker_is_skipped_and_probed_again() {
    let script = script("a: 503x5, 200 / b: 200");
    let client = client(&script, retry_once);
    for _ in 0..3 {
        plain(&client).await;
    }
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: breaker open, reopens in 4.43 s            hop
        0.000s  b/m  1  ok  15 tokens                                 0 ms
    "#]]
    .assert_eq(&plain(&client).await);
    tokio::time::sleep(Duration::from_secs(30)).await;
    expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m  1  ok  15 tokens      0 ms
    "#]]
    .assert_eq(&plain(&client).await);
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn last_resort_waits_for_the_first_target_to_reopen() {
    check(
        "a: 429(retry-after 4s), 200 / b: 429(retry-after 8s), 200",
        expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)      0 ms  wait 4.85 s
        0.000s  b/m  1  rate_limited (429 rate_limit_exceeded)      0 ms
        4.848s  a/m  1  ok  15 tokens                               0 ms
        a: 2 calls  b: 1 calls"#]],
    )
    .await;
    check("a: 429(retry-after 40s), 200", expect![[r#"
        429 rate_limit_exceeded (no target could answer: a/m: rate_limited (429 rate_limit_exceeded): Rate limit reached), retry after 40s
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)      0 ms
        a: 1 calls"#]]).await;
}

#[tokio::test(start_paused = true)]
async fn last_resort_returns_to_a_target_that_reopened() {
    let script = script("a: 503x5, 200 / b: 200x3, 529 in 3s");
    let client = client(&script, retry_once);
    for _ in 0..3 {
        plain(&client).await;
    }
    expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m     skipped: breaker open, reopens in 4.43 s            wait 0 ms
        0.000s  b/m  1  overloaded (529 overloaded_error)           3.00 s  retry in 166 ms
        3.166s  b/m  2  overloaded (529 overloaded_error)           3.00 s  hop
        6.166s  a/m  1  ok  15 tokens                                 0 ms
    "#]]
    .assert_eq(&plain(&client).await);
    // A target that failed without a retry-after is not tried again.
    check(
        "a: 503 / b: 503",
        expect![[r#"
            502 upstream_error (no target could answer: a/m: server_error (503): Service Unavailable; b/m: server_error (503): Service Unavailable; max_attempts is reached)
            0.000s  a/m  1  server_error (503)      0 ms  retry in 137 ms
            0.000s  b/m  1  server_error (503)      0 ms  retry in 56 ms
            0.056s  b/m  2  server_error (503)      0 ms  retry in 221 ms
            0.194s  a/m  2  server_error (503)      0 ms  retry in 19 ms
            0.416s  b/m  3  server_error (503)      0 ms  hop
            0.435s  a/m  3  server_error (503)      0 ms  hop
            a: 3 calls  b: 3 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn last_resort_lets_one_call_through_if_nothing_reopens_soon() {
    let script = script("a: 402, 200");
    let tried = client(&script, |route| route);
    plain(&tried).await;
    expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m     skipped: cooling, reopens in 300 s
        0.000s  a/m  1  ok  15 tokens                           0 ms
    "#]]
    .assert_eq(&plain(&tried).await);

    let script = fb_testkit::script("a: 402, 200");
    let strict = client(&script, |mut route| {
        route.when_all_unavailable = UnavailablePolicy::Fail;
        route
    });
    plain(&strict).await;
    expect![[r#"
        429 insufficient_quota (no target could answer: a/m: skipped: cooling, reopens in 300 s; quota_exhausted (402 billing_error): Insufficient balance), retry after 300s
        0.000s  a/m     skipped: cooling, reopens in 300 s
    "#]]
    .assert_eq(&plain(&strict).await);
}

#[tokio::test(start_paused = true)]
async fn rejected_key_rests_and_is_tried_by_one_call_after_growing_pauses() {
    let script = script("a: 401, 401 in 1s, 503 in 1s, 200 in 1s");
    let client = client(&script, |mut route| {
        route.targets[0] = Target::new("a", "m").max_retries(0);
        route.last_resort_wait = Duration::ZERO;
        route
    });
    plain(&client).await;
    let calls = || script.provider("a").calls();
    let after = async |seconds: u64| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let both = tokio::join!(Box::pin(plain(&client)), Box::pin(plain(&client)));
        let shown = [both.0, both.1].map(|shown| shown.lines().next().unwrap_or_default().to_owned());
        format!("{} calls\n{}\n", calls(), shown.join("\n"))
    };
    let mut shown = after(29).await;
    for seconds in [1, 59, 1, 0, 0] {
        shown.push_str(&after(seconds).await);
    }
    expect![[r#"
        1 calls
        502 upstream_credentials (no target could answer: a/m: skipped: key rejected before, reopens in 1.00 s), retry after 1s
        502 upstream_credentials (no target could answer: a/m: skipped: key rejected before, reopens in 1.00 s), retry after 1s
        2 calls
        502 upstream_credentials (no target could answer: a/m: auth (401 invalid_api_key): Incorrect API key provided), retry after 60s
        502 upstream_credentials (no target could answer: a/m: skipped: key rejected before, reopens in 1.00 s), retry after 1s
        2 calls
        502 upstream_credentials (no target could answer: a/m: skipped: key rejected before, reopens in 1.00 s), retry after 1s
        502 upstream_credentials (no target could answer: a/m: skipped: key rejected before, reopens in 1.00 s), retry after 1s
        3 calls
        502 upstream_error (no target could answer: a/m: server_error (503): Service Unavailable; max_retries is reached)
        502 upstream_credentials (no target could answer: a/m: skipped: key rejected before, reopens in 1.00 s), retry after 1s
        5 calls
        ok "hello from a" by a/m
        ok "hello from a" by a/m
        7 calls
        ok "hello from a" by a/m
        ok "hello from a" by a/m
    "#]]
    .assert_eq(&shown);
    expect![[r#"
        502 upstream_credentials (no target could answer: a/m: skipped: key rejected before, reopens in 30.0 s), retry after 30s
        0.000s  a/m     skipped: key rejected before, reopens in 30.0 s
    "#]]
    .assert_eq(&{
        let script = fb_testkit::script("a: 401, 200");
        let client = self::client(&script, |route| route);
        plain(&client).await;
        plain(&client).await
    });
}

#[tokio::test(start_paused = true)]
async fn reset_ends_the_rest_of_a_key_and_every_cool_down() {
    for failure in ["401", "402", "403"] {
        let script = script(&format!("a: {failure}, 200"));
        let client = client(&script, |mut route| {
            route.when_all_unavailable = UnavailablePolicy::Fail;
            route
        });
        plain(&client).await;
        let expected = if failure == "402" { "429" } else { "502" };
        assert!(plain(&client).await.starts_with(expected), "{failure}");
        assert!(client.reset(&client.targets()[0].0).await, "{failure}");
        assert!(plain(&client).await.starts_with("ok"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_request_cancels_calls_and_frees_permits() {
    let script = script("a: hang / b: 200");
    let client = client(&script, |route| route);
    let left = tokio::time::timeout(Duration::from_secs(1), client.chat(ChatRequest::user("hi"))).await;
    assert!(left.is_err());
    let a = script.provider("a");
    assert_eq!((a.calls(), a.in_flight(), a.cancelled(), client.outstanding_permits()), (1, 0, 1, 0));

    let script = fb_testkit::script("a: 200 gap 1s");
    let client = self::client(&script, |route| route);
    let mut stream = client.stream(ChatRequest::user("hi")).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let report = stream.report();
    drop(stream);
    let a = script.provider("a");
    assert_eq!((a.in_flight(), a.cancelled(), client.outstanding_permits()), (0, 1, 0));
    expect![[r#"
        0.000s  a/m  1  running      0 ms
    "#]]
    .assert_eq(&report.trace.to_string());
}

#[tokio::test(start_paused = true)]
async fn statistics_count_fallbacks_per_target() {
    let script = script("a: 503, 503, 200, block / b: 200");
    let client = client(&script, retry_once);
    for _ in 0..3 {
        plain(&client).await;
    }
    let stats = client.stats();
    let a = &stats.targets[&"a/m".parse().unwrap()];
    assert_eq!((stats.requests, stats.answered), (3, 3));
    assert_eq!(stats.per_attempt, SuccessCounts { total: 5, by_primary: 1, by_fallback: 1 });
    assert_eq!(stats.per_request, SuccessCounts { total: 3, by_primary: 2, by_fallback: 1 });
    assert_eq!((a.calls, a.successes, a.blocked), (4, 1, 1));
    assert_eq!(a.failures.iter().collect::<Vec<_>>(), [(&"server_error", &2)]);
    assert_eq!((a.primary_requests, a.primary_success_rate.map(|r| (r * 3.0).round())), (3, Some(2.0)));
    assert_eq!(a.fallback_rate.map(|r| (r * 3.0).round()), Some(1.0));
    assert_eq!(stats.targets[&"b/m".parse().unwrap()].successes, 1);
}

#[tokio::test(start_paused = true)]
async fn names_resolve_to_routes_aliases_targets_and_listed_models() {
    let script = script("a: 200 / b: 200");
    let targets = [Target::new("a", "m"), Target::new("b", "org/m2")];
    let mut builder = Client::builder().route(Route::priority("default", targets).alias("gpt-4"));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.models("b", ["bare".to_owned()]).build().unwrap();
    let send = async |model: &str| {
        let chat = fb_core::Chat::default();
        match client.chat(ChatRequest::from_chat(model, chat)).await {
            Ok(answer) => answer.served_by(),
            Err(error) => format!("{} {error}", error.status()),
        }
    };
    let mut table = String::new();
    for model in ["default", "gpt-4", "a/m", "b/org/m2", "bare", "b/bare", "m", "a/other", "nobody"] {
        writeln!(table, "{model}: {}", send(model).await).unwrap();
    }
    expect![[r#"
        default: a/m
        gpt-4: a/m
        a/m: a/m
        b/org/m2: b/org/m2
        bare: b/bare
        b/bare: b/bare
        m: 404 no route or target is named "m"; routes: default
        a/other: 404 no route or target is named "a/other"; routes: default
        nobody: 404 no route or target is named "nobody"; routes: default
    "#]]
    .assert_eq(&table);
}

#[test]
fn invalid_setup_reports_every_problem() {
    let script = script("a: 200");
    let mut target = Target::new("aa", "");
    target.trigger_on = Some(vec!["content_filter".to_owned(), "slow".to_owned()]);
    target.max_retries = Some(50);
    let builder = Client::builder()
        .provider("a", script.provider("a"))
        .breaker(BreakerConfig::with(|config| config.failure_rate = 7.0))
        .route(Route::priority("default", [target]));
    let problems: Vec<String> =
        builder.build().unwrap_err().problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        breaker.failure_rate = 7.0: expected above 0 and at most 1
        routes.default.targets[0].provider = "aa": no such provider; did you mean "a"?
        routes.default.targets[0].model = "": expected the name of a model
        routes.default.targets[0].max_retries = 50: expected 0 to 20
        routes.default.targets[0].trigger_on[0] = "content_filter": a content-policy block is surfaced and never sent to another target; remove it
        routes.default.targets[0].trigger_on[1] = "slow": "slow" is not a failure kind; expected one of connect, timeout, network, stale_connection, interrupted, overloaded, server_error, rate_limited, quota_exhausted, auth, permission, region, model_not_found, context_length, invalid_request, too_large, malformed, quality, unknown; or a group: rate_limit, auth_error, network_error"#]].assert_eq(&problems.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn observer_receives_every_step() {
    #[derive(Default)]
    struct Events(parking_lot::Mutex<Vec<String>>);
    impl fb_core::Observer for Events {
        fn on_event(&self, event: &fb_core::Event<'_>) {
            self.0.lock().push(match event {
                fb_core::Event::Started { target, number, .. } => format!("started {target} {number}"),
                fb_core::Event::Ended { attempt, .. } => format!("ended {} {}", attempt.target, attempt.end),
                fb_core::Event::Finished { report, .. } => format!("finished {} calls", report.attempts()),
                fb_core::Event::Hop { from, to, reason, .. } => format!("hop {from} to {to}: {reason}"),
                _ => String::new(),
            });
        }
    }
    let events = Arc::new(Events::default());
    let script = script("a: 401 / b: 200");
    let mut builder = Client::builder().observer(Arc::clone(&events) as _).route(Route::priority(
        "default",
        script.providers().into_iter().map(|(name, _)| Target::new(name, "m")),
    ));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    client.chat(ChatRequest::user("hi")).await.unwrap();
    drop(client.stream(ChatRequest::user("hi")).await.unwrap());
    expect![[r#"
        started a/m 1
        ended a/m auth (401 invalid_api_key)
        hop a/m to b/m: auth (401 invalid_api_key)
        started b/m 1
        ended b/m ok  15 tokens
        finished 2 calls
        ended a/m skipped: key rejected before, reopens in 30.0 s
        hop a/m to b/m: skipped: key rejected before, reopens in 30.0 s
        started b/m 1

        ended b/m cancelled
        finished 1 calls"#]]
    .assert_eq(&events.0.lock().join("\n"));
}

#[tokio::test(start_paused = true)]
async fn targets_of_a_provider_share_its_retry_budget() {
    let script = script("a: 503 / b: 200");
    let targets = |names: [&str; 2]| names.map(|name| Target::new(name, "m").max_retries(1));
    let mut builder = Client::builder()
        .seed(7)
        .retry_budget(BudgetConfig::with(|config| {
            config.ratio = 0.0;
            config.per_second = 0.2;
            config.burst = 1;
        }))
        .route(Route::priority("default", targets(["a", "b"])));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let mut calls = Vec::new();
    // One retry is saved up, then one accrues in five seconds.
    for pause in [0, 0, 4_000, 900, 200] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let before = script.providers()[0].1.calls();
        client.chat(ChatRequest::user("hi")).await.unwrap();
        calls.push(script.providers()[0].1.calls() - before);
    }
    assert_eq!(calls, [2, 1, 1, 1, 0], "the last finds the breaker open");
}

#[tokio::test(start_paused = true)]
async fn traffic_returns_to_a_recovered_target_in_growing_shares() {
    let script = script("a: 503, 200 / b: 200");
    let half_open = HalfOpenConfig::with(|config| config.successes = 1);
    let breaker = BreakerConfig::with(|config| {
        config.consecutive = Some(1);
        config.half_open = half_open;
    });
    let mut builder = Client::builder()
        .seed(7)
        .breaker(breaker)
        .route(Route::priority("default", ["a", "b"].map(|name| Target::new(name, "m"))));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let send = async || client.chat(ChatRequest::user("hi")).await.unwrap();
    assert_eq!(send().await.served_by(), "b/m");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(send().await.served_by(), "a/m", "the probe");
    let mut shares = Vec::new();
    for wait in [0, 15, 15] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let before = script.providers()[0].1.calls();
        for _ in 0..200 {
            send().await;
        }
        shares.push(script.providers()[0].1.calls() - before);
    }
    // A tenth, a half, then all of 200; the seed is fixed.
    assert!((10..=30).contains(&shares[0]) && (80..=120).contains(&shares[1]), "{shares:?}");
    assert_eq!(shares[2], 200);
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn recovering_target_takes_all_requests_if_it_is_the_last() {
    let script = script("a: 503, 200 / b: 200, 503");
    let half_open = HalfOpenConfig::with(|config| config.successes = 1);
    let ramp = RampConfig::with(|config| config.from = 0.0);
    let breaker = BreakerConfig::with(|config| {
        config.consecutive = Some(1);
        config.half_open = half_open;
        config.ramp = ramp;
    });
    let mut builder = Client::builder()
        .seed(7)
        .breaker(breaker)
        .route(Route::priority("default", ["a", "b"].map(|name| Target::new(name, "m"))));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    client.chat(ChatRequest::user("hi")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    client.chat(ChatRequest::user("hi")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m     skipped: just back, others take its share            wait 0 ms
        0.000s  b/m  1  server_error (503)                             0 ms  hop
        0.000s  a/m  1  ok  15 tokens                                  0 ms
    "#]]
    .assert_eq(&plain(&client).await);
}

#[tokio::test(start_paused = true)]
async fn max_in_flight_limits_concurrent_calls_including_streams() {
    let script = script("a: 200 in 2s gap 1s / b: 200");
    let targets = [Target::new("a", "m").max_in_flight(2), Target::new("b", "m")];
    let mut builder = Client::builder().seed(7).route(Route::priority("default", targets));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let send = || async { client.chat(ChatRequest::user("hi")).await.unwrap().served_by() };
    let (stream, one, two, three) =
        tokio::join!(client.stream(ChatRequest::user("hi")), send(), send(), plain(&client));
    assert_eq!((one.as_str(), two.as_str()), ("a/m", "b/m"));
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: at capacity            hop
        0.000s  b/m  1  ok  15 tokens             0 ms
    "#]]
    .assert_eq(&three);
    let (one, two) = tokio::join!(send(), send());
    assert_eq!((one.as_str(), two.as_str()), ("a/m", "b/m"), "the stream still holds its slot");
    stream.unwrap().collect().await.unwrap();
    let (one, two) = tokio::join!(send(), send());
    assert_eq!((one.as_str(), two.as_str()), ("a/m", "a/m"));
    assert_eq!(client.outstanding_permits(), 0);
}
