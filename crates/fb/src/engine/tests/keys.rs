//! Keys: rejected ones, trials, and secrets that take the place of another.

use fb_core::Provider as _;
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
    a.reload_key().await;
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
