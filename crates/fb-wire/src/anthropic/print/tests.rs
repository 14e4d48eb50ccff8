use expect_test::expect;
use fb_core::Usage;

use super::*;
use crate::{Decoded, anthropic};

fn call(id: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments: arguments.to_owned() }
}

#[test]
fn reply_of_another_dialect_is_printed() {
    let reply = Reply {
        id: Some("chatcmpl-1".to_owned()),
        model: Some("gpt-6-astra".to_owned()),
        text: "Hi".to_owned(),
        thinking: "hm".to_owned(),
        tool_calls: vec![
            call("functions.f:0", r#"{ "a": 1 }"#),
            call("", ""),
            call("c", "[1]"),
            call("d", r#"{"a":"#),
        ],
        finish: FinishReason::ToolCalls,
        usage: Some(Usage { input: 100, output: 9, cached: 60, cache_written: 30, reasoning: 4 }),
        ..Reply::default()
    };
    let body = print_reply(&reply, "asked-for");
    expect![[r#"{"id":"chatcmpl-1","type":"message","role":"assistant","model":"gpt-6-astra","content":[{"type":"text","text":"Hi"},{"type":"tool_use","id":"functions_f_0","name":"f","input":{ "a": 1 }},{"type":"tool_use","id":"toolu_1","name":"f","input":{}},{"type":"tool_use","id":"c","name":"f","input":{"raw_arguments":"[1]"}},{"type":"tool_use","id":"d","name":"f","input":{"raw_arguments":"{\"a\":"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}"#]].assert_eq(str::from_utf8(&body).unwrap());
    let Ok(Decoded::Reply(back)) = anthropic::reply(&body) else { panic!("no reply") };
    assert_eq!((back.text, back.finish, back.usage), (reply.text, reply.finish, reply.usage));
}

#[test]
fn minimal_reply() {
    let body = print_reply(&Reply::default(), "asked-for");
    expect![[r#"{"id":"msg_fb","type":"message","role":"assistant","model":"asked-for","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}"#]].assert_eq(str::from_utf8(&body).unwrap());
}

#[test]
fn every_finish_reason_has_a_stop_reason() {
    let words = [
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ToolCalls,
        FinishReason::ContentFilter,
        FinishReason::Refusal,
        FinishReason::Other("pause_turn".to_owned()),
        FinishReason::Other("error".to_owned()),
    ]
    .map(|finish| stop_reason(&finish));
    assert_eq!(
        words,
        ["end_turn", "max_tokens", "tool_use", "refusal", "refusal", "pause_turn", "max_tokens"]
    );
}

#[test]
fn block_is_printed_as_a_refusal() {
    let mut block = Block::in_stream(BlockCategory::Output, "violence");
    block.partial = "Once".to_owned();
    let (status, body) = print_block(&block, "m");
    expect![[r#"200 {"id":"msg_fb","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Once"}],"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":null,"explanation":"violence"},"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}"#]].assert_eq(&format!("{status} {}", str::from_utf8(&body).unwrap()));
    let Ok(Decoded::Blocked(back)) = anthropic::reply(&body) else { panic!("no block") };
    assert_eq!((back.detail, back.partial), (block.detail, block.partial));
    let (status, body) = print_block(&Block::in_stream(BlockCategory::Input, ""), "m");
    expect![[r#"400 {"type":"error","error":{"type":"invalid_request_error","message":"The prompt was rejected by the provider's content filter."},"request_id":null}"#]].assert_eq(&format!("{status} {}", str::from_utf8(&body).unwrap()));
}

#[test]
fn errors_have_anthropics_format() {
    let body = error_body("api_error", "all \"providers\" failed", Some("req_1"));
    expect![[r#"{"type":"error","error":{"type":"api_error","message":"all \"providers\" failed"},"request_id":"req_1"}"#]].assert_eq(str::from_utf8(&body).unwrap());
    let event = error_event("overloaded_error", "busy", None);
    expect![[r#"
        event: error
        data: {"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":null}

    "#]]
    .assert_eq(str::from_utf8(&event).unwrap());
}
