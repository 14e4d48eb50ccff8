use expect_test::expect;
use fb_core::{BlockForm, ToolCall};

use super::*;
use crate::{
    Decoded,
    openai::{complete, reply},
};

const STAMP: Stamp = Stamp { created: 7, unique: 7 };

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn full() -> Reply {
    Reply {
        id: Some("msg_1".to_owned()),
        model: Some("claude".to_owned()),
        text: "hi".to_owned(),
        thinking: "hm".to_owned(),
        tool_calls: vec![ToolCall { id: "t".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() }],
        finish: FinishReason::ToolCalls,
        usage: Some(Usage { input: 9, output: 5, cached: 4, cache_written: 1, reasoning: 2 }),
        ..Reply::default()
    }
}

#[test]
fn reply_has_all_required_fields() {
    expect![[r#"{"id":"msg_1","object":"chat.completion","created":7,"model":"claude","choices":[{"index":0,"message":{"role":"assistant","content":"hi","refusal":null,"reasoning_content":"hm","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls","logprobs":null}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}}"#]]
    .assert_eq(text(&print_reply(&full(), STAMP, "m")));
    expect![[r#"{"id":"chatcmpl-fb-0000000000000007","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"","refusal":null},"finish_reason":"stop","logprobs":null}],"usage":null}"#]]
    .assert_eq(text(&print_reply(&Reply::default(), STAMP, "m")));
}

#[test]
fn printed_reply_is_complete_and_reads_back() {
    for reply_in in [full(), Reply { text: String::new(), ..full() }] {
        let body = print_reply(&reply_in, STAMP, "m");
        assert_eq!(complete(&body, STAMP, "x").as_ptr(), body.as_ptr());
        let Decoded::Reply(read) = reply(&body).unwrap() else { panic!("blocked") };
        assert!(read.complete);
        assert_eq!(Reply { raw: None, complete: false, ..read }, reply_in);
    }
}

#[test]
fn only_openais_finish_reasons_are_printed() {
    let words: Vec<&str> = [
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ToolCalls,
        FinishReason::ContentFilter,
        FinishReason::Refusal,
        FinishReason::Other("pause_turn".to_owned()),
    ]
    .iter()
    .map(finish_reason)
    .collect();
    assert_eq!(words, ["stop", "length", "tool_calls", "content_filter", "stop", "length"]);
}

fn block(category: BlockCategory, detail: &str, partial: &str) -> (u16, String) {
    let block = Block {
        category,
        detail: detail.to_owned(),
        partial: partial.to_owned(),
        usage: None,
        form: BlockForm::InStream,
    };
    let (status, body) = print_block(&block, STAMP, "m");
    (status, text(&body).to_owned())
}

#[test]
fn block_is_printed_in_openais_format() {
    let (status, body) = block(BlockCategory::Input, "no", "");
    assert_eq!(status, 400);
    expect![[r#"{"error":{"message":"no","type":"invalid_request_error","param":"prompt","code":"content_filter"}}"#]]
        .assert_eq(&body);
    let (status, body) = block(BlockCategory::Output, "no", "half");
    assert_eq!(status, 200);
    expect![[r#"{"id":"chatcmpl-fb-0000000000000007","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"half","refusal":null},"finish_reason":"content_filter","logprobs":null}],"usage":null}"#]]
    .assert_eq(&body);
    let (status, body) = block(BlockCategory::Refusal, "", "");
    assert_eq!(status, 200);
    expect![[r#"{"id":"chatcmpl-fb-0000000000000007","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"The model declined to answer."},"finish_reason":"stop","logprobs":null}],"usage":null}"#]]
    .assert_eq(&body);
    for category in [BlockCategory::Output, BlockCategory::Refusal] {
        let Decoded::Blocked(read) = reply(&block(category, "no", "half").1.into()).unwrap() else {
            panic!("no block")
        };
        assert_eq!((read.category, &*read.partial), (category, "half"));
    }
}

#[test]
fn error_has_all_four_keys() {
    let body = error_body("no \"model\"\n", "invalid_request_error", None, Some("model_not_found"));
    expect![[r#"{"error":{"message":"no \"model\"\n","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#]]
        .assert_eq(text(&body));
    let event = error_event("a\nb", "server_error", Some("p"), None);
    assert_eq!(
        event,
        "data: {\"error\":{\"message\":\"a\\nb\",\"type\":\"server_error\",\"param\":\"p\",\"code\":null}}\n\n"
    );
}
