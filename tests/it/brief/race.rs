//! The race (row 22): all at once, the first success wins, 10 s per call and 30 s in all.

use std::time::Duration;

use fb::{ChatRequest, Error, Route, Strategy, Target};

use crate::brief::{calls, rows, scripted};

fn route(timeout_secs: u64) -> Route {
    let target = |name| Target::new(name, "m").max_retries(0).timeout_secs(timeout_secs);
    Route::new("default", Strategy::Race, ["a", "b", "c"].map(target)).deadline(Duration::from_secs(30))
}

#[tokio::test(start_paused = true)]
async fn first_success_wins_and_the_rest_is_cancelled() {
    let (script, builder) = scripted("a: 500 in 1s / b: 200 in 3s / c: 200 in 8s");
    let client = builder.route(route(10)).build().unwrap();
    let answer = client.chat(ChatRequest::user("Hello!")).await.unwrap();
    let trace = "a/m 1 server_error (500); b/m 1 ok  15 tokens; c/m 1 cancelled";
    assert_eq!((answer.served_by().as_str(), rows(&answer.report).as_str()), ("b/m", trace));
    assert!(answer.trace().rows().iter().all(|row| row.at.is_zero()), "all begin at once");
    assert_eq!((answer.report.took, calls(&script)), (Duration::from_secs(3), vec![1, 1, 1]));
    let slow = script.provider("c");
    assert_eq!((slow.cancelled(), slow.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn each_call_ends_after_10_seconds_and_all_after_30() {
    for (timeout_secs, seconds) in [(10, 10), (60, 30)] {
        let (script, builder) = scripted("a: hang / b: hang / c: hang");
        let client = builder.route(route(timeout_secs)).build().unwrap();
        let error = client.chat(ChatRequest::user("Hello!")).await.unwrap_err();
        assert!(matches!(error, Error::Exhausted(_)), "{error}");
        let took = error.report().unwrap().took;
        assert_eq!(
            (error.status(), took, calls(&script)),
            (504, Duration::from_secs(seconds), vec![1, 1, 1])
        );
    }
}
