use expect_test::{Expect, expect};
use fb_core::ToolDelta;

use super::*;
use crate::{openai::ChunkDecoder, sse::SseEvent};

const STAMP: Stamp = Stamp { created: 7, unique: 7 };

fn printed(events: &[StreamEvent], include_usage: bool) -> String {
    let mut out = BytesMut::new();
    ChunkPrinter::new(STAMP, "m", include_usage).print(events, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

#[track_caller]
fn check(events: &[StreamEvent], include_usage: bool, expected: &Expect) {
    let head = r#""object":"chat.completion.chunk","created":7,"#;
    expected.assert_eq(&printed(events, include_usage).replace(head, "").replace("\n\n", "\n"));
}

fn started() -> StreamEvent {
    StreamEvent::Started { id: Some("msg_1".to_owned()), model: Some("claude".to_owned()) }
}

fn call(index: u32, id: Option<&str>, arguments: &str) -> StreamEvent {
    let id = id.map(str::to_owned);
    let name = id.as_ref().map(|_| "f".to_owned());
    StreamEvent::ToolCall(ToolDelta { index, id, name, arguments: arguments.to_owned() })
}

#[test]
fn role_comes_first_and_usage_last() {
    check(
        &[
            started(),
            StreamEvent::Usage(Usage { input: 9, output: 1, ..Usage::default() }),
            StreamEvent::Thinking("hm".to_owned()),
            StreamEvent::Text("hi".to_owned()),
            StreamEvent::Text(String::new()),
            StreamEvent::Finish(FinishReason::Stop),
            StreamEvent::Usage(Usage { input: 9, output: 5, ..Usage::default() }),
            StreamEvent::Done,
        ],
        true,
        &expect![[r#"
            data: {"id":"msg_1","model":"claude","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"logprobs":null}],"usage":null}
            data: {"id":"msg_1","model":"claude","choices":[{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null,"logprobs":null}],"usage":null}
            data: {"id":"msg_1","model":"claude","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null,"logprobs":null}],"usage":null}
            data: {"id":"msg_1","model":"claude","choices":[{"index":0,"delta":{},"finish_reason":"stop","logprobs":null}],"usage":null}
            data: {"id":"msg_1","model":"claude","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}
            data: [DONE]
        "#]],
    );
}

#[test]
fn first_delta_names_the_tool_call() {
    check(
        &[call(0, Some("t1"), ""), call(0, None, "{}"), call(1, Some("t2"), "{}"), StreamEvent::Done],
        false,
        &expect![[r#"
            data: {"id":"chatcmpl-fb-0000000000000007","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"logprobs":null}]}
            data: {"id":"chatcmpl-fb-0000000000000007","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null,"logprobs":null}]}
            data: {"id":"chatcmpl-fb-0000000000000007","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":null,"logprobs":null}]}
            data: {"id":"chatcmpl-fb-0000000000000007","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"t2","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null,"logprobs":null}]}
            data: {"id":"chatcmpl-fb-0000000000000007","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls","logprobs":null}]}
            data: [DONE]
        "#]],
    );
}

#[test]
fn blocks_are_printed_in_openais_format() {
    let blocked = |category| StreamEvent::Blocked(Block::in_stream(category, "no"));
    check(
        &[
            started(),
            blocked(BlockCategory::Refusal),
            StreamEvent::Refusal("I won't.".to_owned()),
            StreamEvent::Finish(FinishReason::Refusal),
            StreamEvent::Done,
        ],
        false,
        &expect![[r#"
            data: {"id":"msg_1","model":"claude","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"logprobs":null}]}
            data: {"id":"msg_1","model":"claude","choices":[{"index":0,"delta":{"refusal":"I won't."},"finish_reason":null,"logprobs":null}]}
            data: {"id":"msg_1","model":"claude","choices":[{"index":0,"delta":{},"finish_reason":"stop","logprobs":null}]}
            data: [DONE]
        "#]],
    );
    let silent =
        printed(&[blocked(BlockCategory::Refusal), StreamEvent::Finish(FinishReason::Refusal)], false);
    assert!(silent.contains(r#""delta":{"refusal":"no"}"#), "{silent}");
    let filtered =
        printed(&[blocked(BlockCategory::Output), StreamEvent::Finish(FinishReason::ContentFilter)], false);
    assert_eq!(filtered.matches("content_filter").count(), 1, "{filtered}");
}

#[test]
fn unfinished_stream_has_no_end_signal() {
    let events = [started(), StreamEvent::Text("hi".to_owned()), StreamEvent::Finish(FinishReason::Stop)];
    assert!(!printed(&events, true).contains("[DONE]"));
}

#[test]
fn printed_chunks_decode_to_the_same_events() {
    let events = vec![
        started(),
        StreamEvent::Thinking("hm".to_owned()),
        StreamEvent::Text("hi\n".to_owned()),
        call(0, Some("t1"), "{\"a\":"),
        call(0, None, "1}"),
        StreamEvent::Finish(FinishReason::ToolCalls),
        StreamEvent::Usage(Usage { input: 9, output: 5, cached: 4, cache_written: 1, reasoning: 2 }),
        StreamEvent::Done,
    ];
    let text = printed(&events, true);
    let mut decoder = ChunkDecoder::new();
    let mut decoded = Vec::new();
    for chunk in text.split_terminator("\n\n") {
        let data = chunk.strip_prefix("data: ").unwrap().to_owned().into();
        let event = SseEvent { event: String::new(), data, raw: chunk.to_owned().into() };
        decoded.extend(decoder.frame(&event).unwrap().events);
    }
    assert_eq!(decoded, events);
}

#[test]
fn resumption_keeps_the_id_and_repeats_no_role() {
    let by = "backup/m".parse().unwrap();
    check(
        &[
            StreamEvent::Resumed { by, id: Some("chatcmpl-1".to_owned()) },
            StreamEvent::Text("rest".to_owned()),
            StreamEvent::Finish(FinishReason::Stop),
            StreamEvent::Done,
        ],
        false,
        &expect![[r#"
            data: {"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":null,"logprobs":null}],"fb":{"resumed_by":"backup/m"}}
            data: {"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{"content":"rest"},"finish_reason":null,"logprobs":null}]}
            data: {"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop","logprobs":null}]}
            data: [DONE]
        "#]],
    );
}
