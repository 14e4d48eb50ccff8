//! The time that a provider names in `Retry-After`, at a route with one target.

use fb_sim::Fault;

use super::request;
use crate::harness::{Gateway, Sims, prepared};

fn lone_target(sims: &Sims) -> String {
    format!(
        "{}\n[routes.default]\ntargets = [{{ provider = \"primary\", model = \"gpt-4.1\" }}]\n",
        sims.providers()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn long_retry_after_is_kept_and_the_caller_gets_two_minutes() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    // On a slow machine two of the 90 seconds may have passed.
    for (seconds, advised, left) in [
        ("90", 61..=90, ["reopens in 90.0 s", "reopens in 89.", "reopens in 88."].as_slice()),
        ("3600", 120..=120, &["reopens in 60 min"]),
    ] {
        sims.reset();
        let gateway = Gateway::start(&fb, &lone_target(&sims)).await;
        sims.primary.fault(Fault::status(429).with_header("retry-after", seconds));
        let first = gateway.post(request("x")).await;
        let trial = gateway.post(request("y")).await;
        let again = gateway.post(request("z")).await;
        for response in [&first, &trial, &again] {
            let wait: u64 = response.header("retry-after").parse().unwrap();
            assert!(advised.contains(&wait), "{seconds}: {response:?}");
            let may_retry = response.headers.get("x-should-retry").is_none();
            assert_eq!(may_retry, wait < 120, "{seconds}: {response:?}");
        }
        assert_eq!([first.status, trial.status, again.status], [429; 3], "{again:?}");
        assert!(left.iter().any(|left| again.header("x-fb-trace").contains(left)), "{again:?}");
        // The first call, and one trial while the target rests.
        assert_eq!(sims.primary.calls(), 2, "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_error_with_a_longer_retry_after_than_a_retry_waits_for_is_waited_for() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    for status in [500, 503] {
        sims.reset();
        let gateway = Gateway::start(&fb, &lone_target(&sims)).await;
        sims.primary.fault_next(1, Fault::status(status).with_header("retry-after", "3"));
        let answer = gateway.post(request("x")).await;
        assert_eq!((answer.status, sims.primary.calls()), (200, 2), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_denied_leaves_the_trial_to_the_next() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let tenants = "[tenants.poor]\nkey = { env = \"FB_TEST_KEY\" }\ntokens_per_minute = 1\n[tenants.default]\nanonymous = true\n";
    let config = lone_target(&sims) + tenants;
    let gateway = Gateway::start(&fb, &config).await;
    sims.primary.fault_next(1, Fault::status(429).with_header("retry-after", "3600"));
    assert_eq!(gateway.post(request("x")).await.status, 429);
    for _ in 0..5 {
        let denied = gateway.post_with("authorization", "Bearer sk-test", request("x")).await;
        assert!(denied.status == 429 && denied.body.contains("budget"), "{denied:?}");
    }
    assert_eq!(sims.primary.calls(), 1);
    assert_eq!((gateway.post(request("x")).await.status, sims.primary.calls()), (200, 2));
}
