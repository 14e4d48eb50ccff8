//! Keys: rejected ones, trials, and secrets that take the place of another.

use fb_core::{Provider as _, RateLimits};
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Creates a client of one target, which is waited for up to 10 s and not retried.
fn lone(script: &Script) -> Client {
    client(script, |mut route| {
        route.targets[0] = Target::new("a", "m").max_retries(0);
        route.last_resort_wait = 10 * SECOND;
        route.deadline = Some(120 * SECOND);
        route
    })
}

async fn is_answered(client: &Client) -> bool {
    client.chat(ChatRequest::user("hi")).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn secret_that_took_the_place_of_a_rejected_one_is_tried_at_once() {
    let script = script("a: 401, 200 in 1s");
    let (client, a) = (lone(&script), script.provider("a"));
    assert!(!is_answered(&client).await);
    // A probe or a slow reading installs the next secret.
    a.replace_key();
    a.reload_key(0).await;
    assert!(is_answered(&client).await);
    assert_eq!(a.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn late_rejection_of_an_earlier_secret_does_not_bar_the_next_one() {
    let script = script("a: 401 in 5s, 401, 200");
    let (client, a) = (lone(&script), script.provider("a"));
    let later = async {
        sleep(SECOND).await;
        assert!(!is_answered(&client).await);
        a.replace_key();
        sleep(2 * SECOND).await;
        assert!(is_answered(&client).await, "read again, and tried");
    };
    tokio::join!(Box::pin(is_answered(&client)), Box::pin(later));
    let began = tokio::time::Instant::now();
    assert!(is_answered(&client).await);
    assert_eq!((began.elapsed(), a.calls()), (Duration::ZERO, 4));
}

#[tokio::test(start_paused = true)]
async fn trial_ends_with_any_answer_that_does_not_reject_the_key() {
    for answer in ["400", "429", "500", "block(400)"] {
        let script = script(&format!("a: 401, {answer}, 200 in 5s"));
        let (client, a) = (lone(&script), script.provider("a"));
        is_answered(&client).await;
        sleep(30 * SECOND).await;
        is_answered(&client).await;
        let both = tokio::join!(is_answered(&client), is_answered(&client));
        assert_eq!((both, a.calls()), ((true, true), 4), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn trial_by_a_stream_ends_with_the_head_of_its_answer() {
    let script = script("a: 401, 200(\"one two three\") gap 20s, 200");
    let (client, a) = (lone(&script), script.provider("a"));
    is_answered(&client).await;
    sleep(30 * SECOND).await;
    let stream = client.stream(ChatRequest::user("hi")).await.unwrap();
    let began = tokio::time::Instant::now();
    assert!(is_answered(&client).await);
    assert_eq!((began.elapsed(), a.in_flight()), (Duration::ZERO, 1));
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_end_of_a_rest_and_the_answer_of_a_trial() {
    let script = script("a: 401, 200 in 1s");
    let (client, a) = (lone(&script), script.provider("a"));
    is_answered(&client).await;
    let error = client.chat(ChatRequest::user("hi")).await.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), ("upstream_credentials", Some(30 * SECOND)));
    sleep(25 * SECOND).await;
    let began = tokio::time::Instant::now();
    assert!(is_answered(&client).await, "waits for the trial to be due");
    assert!((6..=7).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(a.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_while_another_one_tries_the_key() {
    let script = script("a: 401, 200 in 1s");
    let (client, a) = (lone(&script), script.provider("a"));
    is_answered(&client).await;
    sleep(30 * SECOND).await;
    let both = tokio::join!(is_answered(&client), is_answered(&client));
    assert_eq!((both, a.calls()), ((true, true), 3));
}

/// Creates a client of the targets `a`, with two keys, and `b`, which are not retried.
fn two_keys(script: &Script) -> Client {
    script.provider("a").with_keys(2);
    client(script, |mut route| {
        for target in &mut route.targets {
            target.max_retries = Some(0);
        }
        route.last_resort_wait = Duration::ZERO;
        route
    })
}

/// Returns the keys of the calls to `a`.
fn used(script: &Script) -> Vec<usize> {
    script.provider("a").log().iter().map(|call| call.key).collect()
}

#[tokio::test(start_paused = true)]
async fn limit_of_a_key_moves_the_request_to_the_next_key() {
    for (answer, rest) in [("429(retry-after 60s)", 60), ("429", 1), ("401", 30), ("402", 300)] {
        let script = script(&format!("a: {answer}, 200 / b: 200"));
        let client = two_keys(&script);
        let answered = client.chat(ChatRequest::user("hi")).await.unwrap();
        assert_eq!((answered.served_by().as_str(), answered.report.hops), ("a/m", 0), "{answer}");
        let trace = answered.trace().to_string();
        assert!(
            trace.contains("other key") && trace.contains("key k0") && trace.contains("key k1"),
            "{trace}"
        );
        let limited = used(&script)[0];
        assert_eq!(used(&script), [limited, 1 - limited], "{answer}");
        assert!(client.targets()[0].1.is_usable(), "{answer}");
        for _ in 0..20 {
            is_answered(&client).await;
        }
        assert!(used(&script)[1..].iter().all(|key| *key != limited), "{answer}: it rests");
        sleep(rest * SECOND).await;
        for _ in 0..20 {
            is_answered(&client).await;
        }
        assert!(used(&script)[22..].contains(&limited), "{answer}: it is used again");
        assert_eq!(script.provider("b").calls(), 0, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn target_rests_only_until_the_first_of_its_keys_is_free() {
    let script = script("a: 429(retry-after 20s), 429(retry-after 60s), 200 / b: 200");
    let client = two_keys(&script);
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)  key k1      0 ms  other key
        0.000s  a/m  2  rate_limited (429 rate_limit_exceeded)  key k0      0 ms  hop
        0.000s  b/m  1  ok  15 tokens                                       0 ms
    "#]]
    .assert_eq(&plain(&client).await);
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m     skipped: cooling, reopens in 20.0 s            hop
        0.000s  b/m  1  ok  15 tokens                            0 ms
    "#]]
    .assert_eq(&plain(&client).await);
    sleep(20 * SECOND).await;
    assert!(plain(&client).await.contains("by a/m"));
    let keys = used(&script);
    assert_eq!(keys, [keys[0], 1 - keys[0], keys[0]]);
}

#[tokio::test(start_paused = true)]
async fn next_key_counts_as_a_call_and_keeps_an_attempt_for_the_next_target() {
    let script = script("a: 429 / b: 200");
    script.provider("a").with_keys(3);
    let client = client(&script, |mut route| {
        route.max_attempts = 3;
        route
    });
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  rate_limited (429 rate_limit_exceeded)  key k2      0 ms  other key
        0.000s  a/m  2  rate_limited (429 rate_limit_exceeded)  key k0      0 ms  hop
        0.000s  b/m  1  ok  15 tokens                                       0 ms
    "#]]
    .assert_eq(&plain(&client).await);
}

#[tokio::test(start_paused = true)]
async fn key_with_nothing_left_rests_before_it_meets_its_limit() {
    let script = script("a: 200 / b: 200");
    let nothing = RateLimits::with(|limits| {
        limits.left = Some((0.0, 5 * SECOND));
        limits.exhausted = Some(5 * SECOND);
    });
    script.provider("a").with_limits(nothing);
    let both = client(&script, |route| route);
    let mut by = Vec::new();
    for wait in [0, 1, 3, 1] {
        sleep(wait * SECOND).await;
        by.push(both.chat(ChatRequest::user("hi")).await.unwrap().served_by());
    }
    assert_eq!(by, ["a/m", "b/m", "b/m", "a/m"]);

    let script = fb_testkit::script("a: 200");
    script.provider("a").with_limits(nothing);
    let alone = lone(&script);
    assert!(is_answered(&alone).await);
    let began = tokio::time::Instant::now();
    assert!(is_answered(&alone).await, "waits like for a short Retry-After");
    assert!((5..=6).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn keys_share_the_calls_and_have_a_status() {
    let script = script("a: 200, 200, 401, 200");
    let client = two_keys(&script);
    for _ in 0..40 {
        is_answered(&client).await;
    }
    let keys = used(&script);
    let rejected = keys[2];
    assert_eq!(keys[3..].iter().filter(|key| **key == rejected).count(), 0);
    let status = &client.keys()[0].1;
    assert_eq!(status.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["k0", "k1"]);
    assert_eq!((status[rejected].rejected, status[rejected].free_in), (true, Some(30 * SECOND)));
    assert_eq!((status[1 - rejected].rejected, status[1 - rejected].free_in), (false, None));
    client.reset(&client.targets()[0].0).await;
    assert!(client.keys()[0].1.iter().all(|key| key.free_in.is_none()));
}
