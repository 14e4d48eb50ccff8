//! What one request provoked moves that request on, and leaves the target to the others.

use fb_sim::Fault;

use super::{request, two_targets};
use crate::harness::{Gateway, Sims, prepared};

const NO_TOOLS: &str = r#"{"error":{"message":"No endpoints found that support tool use. To learn more about provider routing","code":404}}"#;
const FIREWALL: &str = "<html><body>Request blocked</body></html>";

#[tokio::test(flavor = "multi_thread")]
async fn a_target_stays_for_others_after_an_error_that_one_request_provoked() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    for (kind, status, body) in
        [("openrouter", 404, NO_TOOLS), ("openai", 403, FIREWALL), ("azure", 403, FIREWALL)]
    {
        sims.reset();
        let gateway = Gateway::start(&fb, &two_targets(&sims, kind, "m", "")).await;
        sims.primary.fault_next(1, Fault::status(status).with_body(body));
        let moved = gateway.post(request("first")).await;
        assert_eq!((moved.status, sims.calls()), (200, [1, 0, 1]), "{kind}: {moved:?}");
        let other = gateway.post(request("second")).await;
        assert_eq!((other.status, sims.calls()), (200, [2, 0, 1]), "{kind}: {other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_rests_after_a_specific_code_or_distinct_requests_that_fail_alike() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = two_targets(&sims, "openai", "m", "");

    let gateway = Gateway::start(&fb, &config).await;
    let missing = r#"{"error":{"message":"The model `m` does not exist","type":"invalid_request_error","code":"model_not_found"}}"#;
    sims.primary.fault(Fault::status(404).with_body(missing));
    for prompt in ["first", "second"] {
        assert_eq!(gateway.post(request(prompt)).await.status, 200);
    }
    assert_eq!(sims.calls(), [1, 0, 2], "no such model");

    sims.reset();
    let gateway = Gateway::start(&fb, &config).await;
    sims.primary.fault(Fault::status(403).with_body(FIREWALL));
    for prompt in ["first", "first", "second", "first", "third", "fourth"] {
        assert_eq!(gateway.post(request(prompt)).await.status, 200);
    }
    assert_eq!(sims.calls(), [5, 0, 6], "the third distinct request");
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_of_one_conversation_are_one_request() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &two_targets(&sims, "openai", "m", "")).await;
    sims.primary.fault(Fault::status(403).with_body(FIREWALL));
    let mut messages = vec![serde_json::json!({ "role": "user", "content": "rm -rf /" })];
    for turn in 0..5 {
        let body = serde_json::json!({ "model": "default", "seed": turn, "messages": messages });
        assert_eq!(gateway.post(body.to_string()).await.status, 200);
        messages.push(serde_json::json!({ "role": "assistant", "content": "no" }));
        messages.push(serde_json::json!({ "role": "user", "content": format!("why {turn}") }));
    }
    assert_eq!(sims.calls(), [5, 0, 5]);
}
