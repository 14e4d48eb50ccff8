//! Models that always think behind a deployment with a name that does not show it.

use fb_sim::Fault;
use serde_json::{Value, json};

use super::two_targets;
use crate::harness::{Gateway, Sims, prepared};

const REJECTED: &str = r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#;

/// Returns the output limits and the temperature of each request that the first simulator received.
fn received(sims: &Sims) -> Vec<Value> {
    let requests = sims.primary.requests();
    // Without the probes.
    let bodies =
        requests.iter().filter(|request| !request.body.is_empty()).map(|request| request.json().unwrap());
    bodies
        .map(|body| json!([body["max_tokens"], body["max_completion_tokens"], body["temperature"]]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thinking_deployment_is_configured_or_learned() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let body = json!({ "model": "default", "max_tokens": 9, "temperature": 0.5, "messages": [{ "role": "user", "content": "x" }] });

    let configured = two_targets(&sims, "azure", "prod-chat", "capabilities = { thinking = true }");
    let gateway = Gateway::start(&fb, &configured).await;
    assert_eq!(gateway.post(body.to_string()).await.status, 200);
    assert_eq!(received(&sims), [json!([null, 9, null])]);

    sims.reset();
    let gateway = Gateway::start(&fb, &two_targets(&sims, "azure", "prod-chat", "")).await;
    sims.primary.fault_next(1, Fault::status(400).with_body(REJECTED));
    // Only the answer to the request that was sent twice has a note about that.
    for degraded in ["temperature,max_tokens", "temperature"] {
        let answer = gateway.post(body.to_string()).await;
        assert_eq!((answer.status, sims.third.calls()), (200, 0), "{answer:?}");
        assert_eq!(answer.header("x-fb-degraded"), degraded);
    }
    let adapted = json!([null, 9, null]);
    assert_eq!(received(&sims), [json!([9, null, 0.5]), adapted.clone(), adapted]);
}
