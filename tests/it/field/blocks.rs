//! Content-policy blocks that only one provider reports in its own form: surfaced, and sent to no other target.

use fb_sim::Fault;
use serde_json::json;

use crate::harness::{Gateway, Sims, prepared, provider};

/// Kind, status and body of a block.
const BLOCKS: &[(&str, u16, &str)] = &[
    (
        "xai",
        403,
        r#"{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}"#,
    ),
    (
        "deepseek",
        400,
        r#"{"error":{"message":"Content Exists Risk","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
    ),
    (
        "dashscope",
        400,
        r#"{"error":{"code":"data_inspection_failed","param":null,"message":"Input data may contain inappropriate content.","type":"data_inspection_failed"}}"#,
    ),
    (
        "moonshot",
        400,
        r#"{"error":{"code":400,"message":"The request was rejected because it was considered high risk","param":"prompt","type":"content_filter"}}"#,
    ),
    (
        "openrouter",
        403,
        r#"{"error":{"code":403,"message":"Provider returned error","metadata":{"provider_name":"xAI","raw":"{\"error\":\"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO\"}"}}}"#,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_block_in_the_form_of_one_provider_is_surfaced() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let routes = BLOCKS.iter().map(|(kind, ..)| {
        format!(
            r#"{}
            [[routes.{kind}.targets]]
            provider = "{kind}"
            model = "m"
            [[routes.{kind}.targets]]
            provider = "third"
            model = "llama3.2"
            "#,
            provider(kind, kind, &sims.primary)
        )
    });
    let gateway = Gateway::start(&fb, &(sims.providers() + &routes.collect::<String>())).await;
    for (kind, status, body) in BLOCKS {
        for stream in [false, true] {
            sims.reset();
            sims.primary.fault(Fault::status(*status).with_body(*body));
            let request =
                json!({ "model": kind, "stream": stream, "messages": [{ "role": "user", "content": "x" }] });
            let response = gateway.post(request.to_string()).await;
            let trace = response.header("x-fb-trace");
            assert!(trace.contains("blocked (input filtered)"), "{kind}: {trace}");
            assert_eq!(response.status, *status, "{kind}: {}", response.body);
            assert_eq!(sims.calls(), [1, 0, 0], "{kind} stream={stream}: {trace}");
        }
    }
}
