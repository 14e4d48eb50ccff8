//! Targets that rest: a lone one, one that named a time, and the requests that wait for it.

use tokio::{task::JoinSet, time::advance};

use super::*;

/// Creates a client of these targets with a wait of the last resort.
fn client(script: &Script, targets: &[&str], last_resort_wait: u64) -> Client {
    let targets: Vec<_> = targets.iter().map(|name| Target::new(*name, "m")).collect();
    let route = Route {
        last_resort_wait: Duration::from_secs(last_resort_wait),
        ..Route::priority("default", targets)
    };
    let builder = Client::builder().seed(7).route(route);
    let providers = script.providers().into_iter();
    providers.fold(builder, |builder, (name, provider)| builder.provider(name, provider)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn lone_target_that_rests_gets_trial_calls_with_growing_pauses() {
    for status in ["429", "503"] {
        let script = script(&format!("a: {status}(retry-after 60s)"));
        let client = client(&script, &["a"], 0);
        for request in 0..150 {
            let error = client.chat(ChatRequest::user("hi")).await.unwrap_err();
            let wait = error.retry_after().unwrap_or_default();
            assert!((45..=60).contains(&wait.as_secs()), "{status}, request {request}: {wait:?}, {error}");
            advance(Duration::from_millis(100)).await;
        }
        // The first request, and trials 0, 1, 3 and 7 s after the second one.
        assert_eq!(script.provider("a").calls(), 5, "{status}");
        assert_eq!(client.outstanding_permits(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn lone_target_that_named_a_time_is_waited_for() {
    for status in ["429", "500", "503"] {
        let script = script(&format!("a: {status}(retry-after 3s), 200"));
        let client = client(&script, &["a"], 10);
        let answer = client.chat(ChatRequest::user("hi")).await.unwrap();
        let took = answer.report.took.as_secs_f64();
        assert!((3.0..=4.0).contains(&took), "{status}: {took} s");
        assert_eq!(script.provider("a").calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn target_that_fails_after_the_wait_for_it_is_called_again() {
    let script = script("a: 503(retry-after 3s), 503, 200");
    let client = client(&script, &["a"], 10);
    let answer = client.chat(ChatRequest::user("hi")).await.unwrap();
    assert_eq!((answer.served_by(), script.provider("a").calls()), ("a/m".to_owned(), 3));
}

#[tokio::test(start_paused = true)]
async fn target_that_named_a_time_goes_before_one_that_is_unreachable() {
    let script = script("a: 503(retry-after 3s), 200 / b: refused");
    let client = client(&script, &["a", "b"], 10);
    let answer = client.chat(ChatRequest::user("hi")).await.unwrap();
    let took = answer.report.took.as_secs_f64();
    assert!(answer.served_by() == "a/m" && (3.0..=4.0).contains(&took), "{}", answer.trace());
    assert_eq!(["a", "b"].map(|name| script.provider(name).calls()), [2, 4], "{}", answer.trace());
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_a_target_reach_it_spread_over_a_second() {
    let script = script("a: 429(retry-after 8s), 200");
    let client = client(&script, &["a"], 10);
    let began = tokio::time::Instant::now().into_std();
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        requests.spawn(
            async move { client.chat(ChatRequest::user("hi")).await.map(|answer| answer.served_by()) },
        );
    }
    assert!(requests.join_all().await.into_iter().all(|answer| answer.is_ok()));
    let calls = script.provider("a").log();
    let at: Vec<_> =
        calls.iter().map(|call| (call.began - began).as_secs_f64()).filter(|at| *at >= 8.0).collect();
    let early = at.iter().filter(|at| **at < 8.25).count();
    assert!((1..20).contains(&early), "{early} of {} in the first quarter", at.len());
    assert!(at.iter().all(|at| *at <= 9.0), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn answered_trial_ends_the_rest() {
    let script = script("a: 429(retry-after 60min), 200 in 1s");
    let client = client(&script, &["a"], 0);
    client.chat(ChatRequest::user("hi")).await.unwrap_err();
    assert_eq!(client.chat(ChatRequest::user("hi")).await.unwrap().served_by(), "a/m", "the trial");
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        requests.spawn(async move { client.chat(ChatRequest::user("hi")).await.is_ok() });
    }
    assert_eq!(requests.join_all().await, [true; 10]);
}

#[tokio::test(start_paused = true)]
async fn denied_request_uses_up_no_trial() {
    let script = script("a: 429(retry-after 60min), 429, 429, 200");
    let no_tokens = fb_budget::Limits::with(|limits| limits.tokens_per_minute = Some(1));
    let route =
        Route { last_resort_wait: Duration::ZERO, ..Route::priority("default", [Target::new("a", "m")]) };
    let builder = Client::builder().seed(7).route(route).tenant("poor", no_tokens);
    let client = builder.provider("a", script.provider("a")).build().unwrap();
    let chat = |tenant: Option<&str>| {
        let options = Options { tenant: tenant.map(Into::into), ..Options::default() };
        client.chat(ChatRequest::user("hi").with_options(options))
    };
    chat(None).await.unwrap_err();
    for trial in 1..=3 {
        // Requests that are refused before a call, ten times a second.
        for _ in 0..100 {
            chat(Some("poor")).await.unwrap_err();
            advance(Duration::from_millis(100)).await;
        }
        assert_eq!(script.provider("a").calls(), trial);
        let answered = chat(None).await.is_ok();
        assert_eq!((answered, script.provider("a").calls()), (trial == 3, trial + 1));
    }
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn target_with_a_closed_breaker_is_called_before_one_with_an_open_one() {
    let script = script("a: 500, 200 / b: 429(retry-after 60min), 200");
    let targets = ["a", "b"].map(|name| Target::new(name, "m").max_retries(0));
    let route = Route { last_resort_wait: Duration::ZERO, ..Route::priority("default", targets) };
    let breaker = BreakerConfig::with(|config| config.consecutive = Some(1));
    let builder = Client::builder().seed(7).breaker(breaker).route(route);
    let providers = script.providers().into_iter();
    let client = providers
        .fold(builder, |builder, (name, provider)| builder.provider(name, provider))
        .build()
        .unwrap();
    client.chat(ChatRequest::user("hi")).await.unwrap_err();
    let answer = client.chat(ChatRequest::user("hi")).await.unwrap();
    assert_eq!((answer.served_by().as_str(), script.provider("a").calls()), ("b/m", 1), "{}", answer.trace());
}

/// A breaker that waits for its probes does not shorten a longer rest of its target.
#[tokio::test(start_paused = true)]
async fn target_that_rests_beyond_the_wait_is_not_waited_for_while_its_breaker_is_half_open() {
    let script = script("a: 503, 200, 404");
    let route = Route {
        last_resort_wait: Duration::from_secs(10),
        ..Route::priority("default", [Target::new("a", "m").max_retries(0)])
    };
    let breaker = BreakerConfig::with(|config| config.consecutive = Some(1));
    let builder = Client::builder().seed(7).breaker(breaker).route(route);
    let client = builder.provider("a", script.provider("a")).build().unwrap();
    client.chat(ChatRequest::user("hi")).await.unwrap_err();
    advance(Duration::from_secs(6)).await;
    client.chat(ChatRequest::user("hi")).await.unwrap();
    for request in ["the one that finds no model", "one that finds it resting"] {
        let error = client.chat(ChatRequest::user("hi")).await.unwrap_err();
        let report = error.report().unwrap();
        assert!(report.took < Duration::from_secs(1), "{request}: {:?} {}", report.took, report.trace);
    }
}

/// With an open breaker the request of a lone target waits for a probe, unless its route returns the error at once.
#[tokio::test(start_paused = true)]
async fn lone_target_with_an_open_breaker_is_waited_for_unless_its_route_fails_at_once() {
    let waits = |route: Route| async move {
        let script = script("a: 500, 500, 500, 500, 500, 200");
        let builder = Client::builder()
            .seed(7)
            .retry(fb_retry::RetryConfig::with(|config| config.max_retries = Some(0)));
        let builder = builder.provider("a", script.provider("a")).route(route);
        let client = builder.build().unwrap();
        let mut waits = Vec::new();
        for _ in 0..7 {
            let began = tokio::time::Instant::now();
            let answered = client.chat(ChatRequest::user("hi")).await.is_ok();
            waits.push((began.elapsed().as_secs(), answered));
        }
        waits
    };
    let default = Route::priority("default", [Target::new("a", "m")]);
    let hurried =
        default.clone().last_resort_wait(Duration::ZERO).when_all_unavailable(UnavailablePolicy::Fail);
    expect!["[(0, false), (0, false), (0, false), (0, false), (0, false), (4, true), (0, true)]"]
        .assert_eq(&format!("{:?}", waits(default).await));
    expect!["[(0, false), (0, false), (0, false), (0, false), (0, false), (0, false), (0, false)]"]
        .assert_eq(&format!("{:?}", waits(hurried).await));
}
