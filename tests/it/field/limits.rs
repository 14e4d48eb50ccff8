//! Quotas, limits of an account, and prompts that are too long for one target.

use fb_sim::Fault;

use super::{request, two_targets};
use crate::harness::{Gateway, Sims, prepared};

fn quota(id: &str) -> Fault {
    Fault::status(429).with_body(format!(
        r#"[{{"error":{{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaId":"{id}"}}]}},{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"38s"}}]}}}}]"#
    ))
}

const ONE_MODEL_EACH: &str = r#"
    [routes.alone]
    last_resort_wait = "0s"
    when_all_unavailable = "fail"
    [[routes.alone.targets]]
    provider = "first"
    model = "gemini-3.8-flash"
    [[routes.other.targets]]
    provider = "first"
    model = "gemini-2.5-flash"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_gemini_is_that_of_one_model() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    for (id, kind, rest) in [
        ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "rate_limited (429", 30..=40),
        ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quota_exhausted (429", 120..=120),
    ] {
        sims.reset();
        let config = two_targets(&sims, "gemini", "gemini-3.8-flash", "") + ONE_MODEL_EACH;
        let gateway = Gateway::start(&fb, &config).await;
        sims.primary.fault_next(1, quota(id));
        let moved = gateway.post(request("first")).await;
        assert!(moved.header("x-fb-trace").contains(kind), "{}", moved.header("x-fb-trace"));
        assert_eq!((moved.status, sims.calls()), (200, [1, 0, 1]), "{moved:?}");
        // The model rests, at most 120 s of which are advised; another model of the same key does not.
        let resting = gateway.post(request("x").replace("default", "alone")).await;
        let wait: u64 = resting.header("retry-after").parse().unwrap();
        assert!(resting.status == 429 && rest.contains(&wait), "{id}: {resting:?}");
        let other = gateway.post(request("x").replace("default", "other")).await;
        assert_eq!((other.status, sims.calls()), (200, [2, 0, 1]), "{other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_one_account_moves_the_request_to_the_next_target() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &two_targets(&sims, "openai", "gpt-4o", "")).await;
    let tpm = r#"{"error":{"message":"Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 40000.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
    let long = r#"{"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    let large =
        r#"{"error":{"message":"Maximum content size limit exceeded","type":"invalid_request_error"}}"#;
    for (status, body) in [(429, tpm), (400, long), (413, large)] {
        sims.reset();
        sims.primary.fault(Fault::status(status).with_body(body));
        let moved = gateway.post(request("x")).await;
        assert_eq!((moved.status, sims.calls()), (200, [1, 0, 1]), "{moved:?}");
        // Without another answer the caller gets the error that it can repair.
        sims.third.fault(Fault::status(500));
        let failed = gateway.post(request("x")).await;
        let expected = if status == 400 { 400 } else { 413 };
        assert_eq!(failed.status, expected, "{failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_too_long_by_estimate_is_sent() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let alone = format!(
        "{}\n[[routes.default.targets]]\nprovider = \"primary\"\nmodel = \"gpt-4o\"",
        sims.providers()
    );
    let gateway = Gateway::start(&fb, &alone).await;
    // 120,000 tokens, which the number of bytes suggests to be 150,000.
    let words = gateway.post(request(&"word ".repeat(120_000))).await;
    assert_eq!((words.status, sims.calls()), (200, [1, 0, 0]), "{}", words.body);
    // The only target is called, however long the prompt seems.
    let longer = gateway.post(request(&"word ".repeat(1_200_000))).await;
    assert_eq!((longer.status, sims.calls()), (200, [2, 0, 0]), "{}", longer.body);

    // Where the prompt certainly fits, it is sent first.
    sims.reset();
    let gateway = Gateway::start(&fb, &two_targets(&sims, "openai", "gpt-4o", "")).await;
    let words = gateway.post(request(&"word ".repeat(120_000))).await;
    assert_eq!((words.status, sims.calls()), (200, [0, 0, 1]), "{}", words.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_an_estimate_excludes_is_called_after_the_others_failed() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &two_targets(&sims, "openai", "gpt-4o", "")).await;
    // Twice the window by estimate; the window of the other target is unknown.
    let long = request(&"word ".repeat(210_000));
    let other = gateway.post(long.clone()).await;
    assert_eq!((other.status, sims.calls()), (200, [0, 0, 1]), "{}", other.body);
    sims.third.fault(Fault::status(500));
    let answer = gateway.post(long).await;
    assert_eq!((answer.status, answer.header("x-fb-served-by")), (200, "first/gpt-4o"), "{}", answer.body);
    assert_eq!(sims.primary.calls(), 1);
}
