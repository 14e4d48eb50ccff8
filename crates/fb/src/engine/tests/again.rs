//! Targets that are called again: at once, after the others, or after a set number of retries, and what ends that.

use fb_retry::BudgetConfig;
use tokio::task::JoinSet;

use super::*;
use crate::{Builder, LadderConfig, Rung};

fn build(script: &Script, set: impl Fn(Builder) -> Builder, change: impl Fn(Route) -> Route) -> Client {
    let targets: Vec<_> =
        script.providers().iter().map(|(name, _)| Target::new(name.as_str(), "m")).collect();
    let builder = set(Client::builder().seed(7)).route(change(Route::priority("default", targets)));
    let providers = script.providers().into_iter();
    providers.fold(builder, |builder, (name, provider)| builder.provider(name, provider)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn targets_that_failed_are_called_again_until_one_answers() {
    check(
        "a: 503, 503, 200 / b: 529",
        expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m  1  server_error (503)                     0 ms  retry in 193 ms
        0.000s  b/m  1  overloaded (529 overloaded_error)      0 ms  retry in 28 ms
        0.194s  a/m  2  server_error (503)                     0 ms  retry in 330 ms
        0.223s  b/m  2  overloaded (529 overloaded_error)      0 ms  hop
        0.554s  a/m  3  ok  15 tokens                          0 ms
        a: 3 calls  b: 2 calls"#]],
    )
    .await;
    check(
        "a: 401 / b: cut(0), 500, 200",
        expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  auth (401 invalid_api_key)                     0 ms  hop
        0.000s  b/m  1  interrupted (ended before its end signal)      0 ms  retry in 56 ms
        0.056s  b/m  2  server_error (500)                             0 ms  retry in 359 ms
        0.416s  b/m  3  ok  15 tokens                                  0 ms
        a: 1 calls  b: 3 calls"#]],
    )
    .await;
    // A broken connection is tried again at once, and a rate limit is waited for.
    check(
        "a: reset, 503 / b: 200",
        expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  network (connection reset)      0 ms  retry at once
        0.000s  a/m  2  server_error (503)              0 ms  hop
        0.000s  b/m  1  ok  15 tokens                   0 ms
        a: 2 calls  b: 1 calls"#]],
    )
    .await;
    check(
        "a: 429(retry-after 1s), 429(retry-after 1s), 200 / b: 200",
        expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)      0 ms  retry in 1.08 s
        1.078s  a/m  2  rate_limited (429 rate_limit_exceeded)      0 ms  hop
        1.078s  b/m  1  ok  15 tokens                               0 ms
        a: 2 calls  b: 1 calls"#]],
    )
    .await;
    check_stream(
        "a: cut(0), 200 / b: error(0 overloaded)",
        expect![[r#"
        "hello from a [done]"
        0.000s  a/m  1  interrupted (the stream ended before its first output)      0 ms  retry in 193 ms
        0.000s  b/m  1  overloaded (overloaded_error)                               0 ms  hop
        0.194s  a/m  2  ok  15 tokens                                               0 ms
        a: 2 calls  b: 1 calls"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn set_number_of_retries_is_kept_for_every_kind_that_is_retried() {
    for fault in ["refused", "reset", "malformed", "503", "529", "429", "cut(0)"] {
        for retries in [0, 1, 3] {
            let script = script(&format!("a: {fault} / b: 200"));
            let set = |mut route: Route| {
                route.targets[0].max_retries = Some(retries);
                route.max_attempts = 20;
                route
            };
            let lasting = BreakerConfig::with(|config| {
                config.consecutive = None;
                config.failure_rate = 1.0;
                config.min_calls = 100;
            });
            let client = build(&script, |builder| builder.breaker(lasting.clone()), set);
            client.chat(ChatRequest::user("hi")).await.unwrap();
            let calls = ["a", "b"].map(|name| script.provider(name).calls());
            assert_eq!(calls, [retries + 1, 1], "{fault} with {retries}");
        }
    }
}

/// What ends the calls of a request is named in its error.
#[tokio::test(start_paused = true)]
async fn error_names_the_limit_that_ended_the_calls() {
    let few = BudgetConfig::with(|config| {
        config.ratio = 0.0;
        config.per_second = 0.0;
        config.burst = 1;
    });
    let many = BudgetConfig::with(|config| config.ratio = 10.0);
    let same = |route: Route| route;
    let hasty = |route: Route| Route { deadline: Some(Duration::from_secs(2)), ..route };
    let mut lines = String::new();
    for (text, budget, change) in [
        ("a: 503 / b: 503", few, &same as &dyn Fn(Route) -> Route),
        ("a: 503 / b: 503", many.clone(), &same),
        ("a: 503 in 900ms / b: 503", many.clone(), &hasty),
        ("a: 503 / b: 401", many.clone(), &retry_once),
    ] {
        let script = script(text);
        let error = build(&script, |builder| builder.retry_budget(budget.clone()), change)
            .chat(ChatRequest::user("hi"))
            .await
            .unwrap_err();
        let calls = ["a", "b"].map(|name| script.provider(name).calls());
        writeln!(lines, "{calls:?} {error}").unwrap();
    }
    expect![[r#"
        [2, 2] no target could answer: a/m: server_error (503): Service Unavailable; b/m: server_error (503): Service Unavailable; the retry budget is empty
        [3, 3] no target could answer: a/m: server_error (503): Service Unavailable; b/m: server_error (503): Service Unavailable; max_attempts is reached
        [1, 2] no target could answer: a/m: server_error (503): Service Unavailable; b/m: server_error (503): Service Unavailable; the deadline is too near
        [2, 1] no target could answer: a/m: server_error (503): Service Unavailable; b/m: auth (401 invalid_api_key): Incorrect API key provided
    "#]]
    .assert_eq(&lines);
}

/// Requests that wait for an open breaker are all answered, though its probes are few and take their time.
#[tokio::test(start_paused = true)]
async fn crowd_waits_until_the_probes_of_an_open_breaker_are_answered() {
    let script = script("a: 503x5, 200 in 2s");
    let client = build(
        &script,
        |builder| builder,
        |mut route| {
            route.targets[0].max_retries = Some(0);
            route
        },
    );
    for _ in 0..5 {
        client.chat(ChatRequest::user("hi")).await.unwrap_err();
    }
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        requests.spawn(async move { client.chat(ChatRequest::user("hi")).await });
    }
    let answers = requests.join_all().await;
    let failed: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(outcome_of).collect();
    assert_eq!((failed.len(), client.outstanding_permits()), (0, 0), "{failed:?}");
    assert_eq!(script.provider("a").calls(), 105);
}

fn outcome_of(error: &Error) -> String {
    format!("{error} {:?}", error.report().map(|report| report.trace.to_string()))
}

/// A target that was turned away is called when it reopens before the next retry of another one.
#[tokio::test(start_paused = true)]
async fn target_that_rests_for_a_moment_is_called_before_a_retry() {
    let script = script("a: 429(retry-after 2500ms), 200 / b: 200, 503");
    let client = build(&script, |builder| builder, |route| route);
    assert_eq!(client.chat(ChatRequest::user("hi")).await.unwrap().served_by(), "b/m");
    tokio::time::advance(Duration::from_millis(2_490)).await;
    expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m     skipped: cooling, reopens in 10 ms            wait 10 ms
        0.000s  b/m  1  server_error (503)                      0 ms  hop
        0.010s  a/m  1  ok  15 tokens                           0 ms
    "#]]
    .assert_eq(&plain(&client).await);
}

/// A rate limit without a time is retried within the retry budget of its provider only, in the last resort too.
#[tokio::test(start_paused = true)]
async fn rate_limit_without_a_time_is_retried_within_the_budget() {
    for (text, burst, calls) in [
        ("a: 429 / b: 429", 1, &[2, 2][..]),
        ("a: 429 / b: 429", 0, &[1, 1]),
        ("a: 429", 0, &[1]),
        ("a: 429(retry-after 0s)", 0, &[1]),
    ] {
        let script = script(text);
        let budget = BudgetConfig::with(|config| {
            config.ratio = 0.0;
            config.per_second = 0.0;
            config.burst = burst;
        });
        let client = build(&script, |builder| builder.retry_budget(budget.clone()), |route| route);
        let error = client.chat(ChatRequest::user("hi")).await.unwrap_err();
        let made: Vec<_> = script.providers().iter().map(|(_, provider)| provider.calls()).collect();
        assert_eq!(made, calls, "{text} with {burst}: {}", outcome_of(&error));
    }
}

/// A target that the request waited for funds the retry budget once, and counts as selected once.
#[tokio::test(start_paused = true)]
async fn target_that_is_called_after_a_wait_counts_once() {
    let script = script("a: 503(retry-after 3s), 200, 429");
    let budget = BudgetConfig::with(|config| {
        config.ratio = 1.0;
        config.per_second = 0.0;
        config.burst = 0;
    });
    let client = build(&script, |builder| builder.retry_budget(budget.clone()), |route| route);
    assert_eq!(client.chat(ChatRequest::user("hi")).await.unwrap().served_by(), "a/m");
    let stats = client.stats();
    let [a] = stats.targets.values().collect::<Vec<_>>()[..] else { panic!("{stats:?}") };
    assert_eq!((a.selected, a.fallback_to, a.calls), (1, 0, 2));
    // The allowance of the first request and that of the second one.
    client.chat(ChatRequest::user("hi")).await.unwrap_err();
    assert_eq!(script.provider("a").calls(), 5);
}

/// A target that returns to its share of the traffic is called once more at most while others wait for their retries.
#[tokio::test(start_paused = true)]
async fn target_that_is_just_back_is_turned_away_twice_at_most() {
    let script = script("a: 503, 200 / b: 200, 503, 200 / r: 200");
    let half_open = HalfOpenConfig::with(|config| config.successes = 1);
    let ramp = RampConfig::with(|config| config.from = 0.0);
    let breaker = BreakerConfig::with(|config| {
        config.consecutive = Some(1);
        config.half_open = half_open;
        config.ramp = ramp;
    });
    let ladder = |route: Route| {
        let reduced = Rung { targets: vec![Target::new("r", "m")], ..Rung::default() };
        let targets = route.targets.into_iter().filter(|target| target.provider != "r").collect();
        Route { targets, ladder: LadderConfig { reduced: Some(reduced), ..LadderConfig::default() }, ..route }
    };
    let client = build(&script, |builder| builder.provider_breaker("a", &breaker), ladder);
    client.chat(ChatRequest::user("hi")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    client.chat(ChatRequest::user("hi")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: just back, others take its share            wait 0 ms
        0.000s  b/m  1  server_error (503)                             0 ms  retry in 180 ms
        0.000s  a/m     skipped: just back, others take its share            hop
        0.180s  b/m  2  ok  15 tokens                                  0 ms
    "#]]
    .assert_eq(&plain(&client).await);
}

/// The advice of a provider to retry what is never retried is followed once.
#[tokio::test(start_paused = true)]
async fn encouraged_retry_is_made_once() {
    for fault in ["403", "404", "region"] {
        for (text, calls) in
            [("a: FAULT(request, should-retry) / b: 200", [2, 1]), ("a: FAULT(request) / b: 200", [1, 1])]
        {
            let script = script(&text.replace("FAULT", fault));
            let client = build(
                &script,
                |builder| builder,
                |mut route| {
                    route.targets[0].max_retries = Some(5);
                    route
                },
            );
            let answer = client.chat(ChatRequest::user("hi")).await.unwrap();
            let made = ["a", "b"].map(|name| script.provider(name).calls());
            assert_eq!(made, calls, "{text} {fault}: {}", answer.trace());
        }
    }
}
