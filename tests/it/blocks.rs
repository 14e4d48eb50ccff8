//! Content-policy blocks in every dialect and form, plain and streamed: surfaced as blocks, without a second upstream
//! call.

use std::fmt::Write;

use expect_test::expect;
use fb_sim::{BlockForm, Fault, Sim};
use serde_json::json;

use crate::harness::{Gateway, Sims, prepared, without_times};

#[tokio::test(flavor = "multi_thread")]
async fn block_is_surfaced_without_a_second_call() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let azure = Sim::start(fb_sim::Dialect::OpenAi).await.unwrap();
    let config = format!(
        r#"{}
        [providers.azure]
        kind = "azure"
        base_url = "{}"
        api_key = {{ env = "FB_TEST_KEY" }}
        [[routes.openai.targets]]
        provider = "primary"
        model = "gpt-6.1-sol"
        [[routes.openai.targets]]
        provider = "third"
        model = "llama3.2"
        [[routes.anthropic.targets]]
        provider = "backup"
        model = "claude-sonnet-4-6"
        [[routes.anthropic.targets]]
        provider = "third"
        model = "llama3.2"
        [[routes.azure.targets]]
        provider = "azure"
        model = "gpt-deployed"
        [[routes.azure.targets]]
        provider = "third"
        model = "llama3.2"
        "#,
        sims.providers(),
        azure.base_url().replace("/v1", "/openai/v1")
    );
    let gateway = Gateway::start(&fb, &config).await;
    let mut table = String::new();
    for (route, sim) in [("openai", &sims.primary), ("azure", &azure), ("anthropic", &sims.backup)] {
        for form in [BlockForm::Http400, BlockForm::FinishReason, BlockForm::Refusal, BlockForm::MidStream] {
            for stream in [false, true] {
                sim.fault(Fault::Block(form));
                sim.reset_counters();
                let body = json!({ "model": route, "stream": stream, "messages": [{ "role": "user", "content": "x" }] });
                let response = gateway.post(body.to_string()).await;
                let trace = without_times(response.header("x-fb-trace"));
                let outcome = if stream && response.status == 200 {
                    format!(
                        "{}{}",
                        stream_outcome(&response.body),
                        if response.clean_end { "" } else { " CUT" }
                    )
                } else {
                    let body = response.json();
                    let choice = &body["choices"][0];
                    format!(
                        "code {} finish {} refusal {}",
                        body["error"]["code"], choice["finish_reason"], choice["message"]["refusal"]
                    )
                };
                writeln!(table, "{route} {form:?} stream={stream}: {} {outcome} | {trace}", response.status)
                    .unwrap();
                assert_eq!((sim.calls(), sims.third.calls()), (1, 0), "{route} {form:?} stream={stream}");
            }
        }
    }
    expect![[r#"
        openai Http400 stream=false: 400 code "content_policy_violation" finish null refusal null | primary/gpt-6.1-sol 1 blocked (input filtered)
        openai Http400 stream=true: 400 code "content_policy_violation" finish null refusal null | primary/gpt-6.1-sol 1 blocked (input filtered)
        openai FinishReason stream=false: 200 code null finish "content_filter" refusal null | primary/gpt-6.1-sol 1 blocked (output filtered)
        openai FinishReason stream=true: 200  finish=content_filter [DONE] | primary/gpt-6.1-sol 1 running
        openai Refusal stream=false: 200 code null finish "stop" refusal "I can't help with that." | primary/gpt-6.1-sol 1 blocked (refused)
        openai Refusal stream=true: 200  refusal="I can't " refusal="help wit" refusal="h that." finish=stop [DONE] | primary/gpt-6.1-sol 1 running
        openai MidStream stream=false: 200 code null finish "content_filter" refusal null | primary/gpt-6.1-sol 1 blocked (output filtered)
        openai MidStream stream=true: 200  finish=content_filter [DONE] | primary/gpt-6.1-sol 1 running
        azure Http400 stream=false: 400 code "content_filter" finish null refusal null | azure/gpt-deployed 1 blocked (input filtered)
        azure Http400 stream=true: 400 code "content_filter" finish null refusal null | azure/gpt-deployed 1 blocked (input filtered)
        azure FinishReason stream=false: 200 code null finish "content_filter" refusal null | azure/gpt-deployed 1 blocked (output filtered)
        azure FinishReason stream=true: 200  finish=content_filter [DONE] | azure/gpt-deployed 1 running
        azure Refusal stream=false: 200 code null finish "stop" refusal "I can't help with that." | azure/gpt-deployed 1 blocked (refused)
        azure Refusal stream=true: 200  refusal="I can't " refusal="help wit" refusal="h that." finish=stop [DONE] | azure/gpt-deployed 1 running
        azure MidStream stream=false: 200 code null finish "content_filter" refusal null | azure/gpt-deployed 1 blocked (output filtered)
        azure MidStream stream=true: 200  finish=content_filter [DONE] | azure/gpt-deployed 1 running
        anthropic Http400 stream=false: 200 code null finish "content_filter" refusal null | backup/claude-sonnet-4-6 1 blocked (output filtered)
        anthropic Http400 stream=true: 200  finish=content_filter [DONE] | backup/claude-sonnet-4-6 1 blocked (output filtered)
        anthropic FinishReason stream=false: 200 code null finish "stop" refusal "general_harms" | backup/claude-sonnet-4-6 1 blocked (refused)
        anthropic FinishReason stream=true: 200  refusal="general_harms" finish=stop [DONE] | backup/claude-sonnet-4-6 1 running
        anthropic Refusal stream=false: 200 code null finish "stop" refusal "general_harms" | backup/claude-sonnet-4-6 1 blocked (refused)
        anthropic Refusal stream=true: 200  refusal="general_harms" finish=stop [DONE] | backup/claude-sonnet-4-6 1 running
        anthropic MidStream stream=false: 200 code null finish "stop" refusal "general_harms" | backup/claude-sonnet-4-6 1 blocked (refused)
        anthropic MidStream stream=true: 200  refusal="general_harms" finish=stop [DONE] | backup/claude-sonnet-4-6 1 running
    "#]].assert_eq(&table);
}

/// Returns the finish reasons, refusal texts and the end marker of a stream.
fn stream_outcome(body: &str) -> String {
    let mut outcome = String::new();
    for data in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data == "[DONE]" {
            outcome.push_str(" [DONE]");
            continue;
        }
        let chunk: serde_json::Value = serde_json::from_str(data).unwrap();
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            if let Some(finish) = choice["finish_reason"].as_str() {
                write!(outcome, " finish={finish}").unwrap();
            }
            if let Some(refusal) = choice["delta"]["refusal"].as_str() {
                write!(outcome, " refusal={refusal:?}").unwrap();
            }
        }
    }
    outcome
}
