use bytes::Bytes;
use expect_test::{Expect, expect};
use fb_core::{Block, BlockCategory};

use super::*;
use crate::{
    anthropic::EventDecoder,
    sse::{MAX_EVENT, SseDecoder},
};

fn print_all(events: &[StreamEvent]) -> Bytes {
    let (mut printer, mut out) = (EventPrinter::new("asked-for"), BytesMut::new());
    for event in events {
        printer.print(std::slice::from_ref(event), &mut out);
    }
    out.freeze()
}

#[track_caller]
fn check(events: &[StreamEvent], expected: &Expect) {
    expected.assert_eq(str::from_utf8(&print_all(events)).unwrap());
}

fn text(text: &str) -> StreamEvent {
    StreamEvent::Text(text.to_owned())
}

fn call(index: u32, id: Option<&str>, arguments: &str) -> StreamEvent {
    let name = id.map(|_| "f".to_owned());
    StreamEvent::ToolCall(ToolDelta {
        index,
        id: id.map(str::to_owned),
        name,
        arguments: arguments.to_owned(),
    })
}

fn started() -> StreamEvent {
    StreamEvent::Started { id: Some("chatcmpl-1".to_owned()), model: Some("gpt-6-astra".to_owned()) }
}

/// Events in the order of OpenAI's stream, with the usage after the finish reason.
fn conversation() -> Vec<StreamEvent> {
    vec![
        started(),
        StreamEvent::Thinking("hm".to_owned()),
        text("He"),
        text(""),
        text("llo"),
        call(0, Some("call.1"), ""),
        call(0, None, r#"{"a":"#),
        call(0, None, "1}"),
        call(1, Some("call_2"), "{}"),
        StreamEvent::Finish(FinishReason::ToolCalls),
        StreamEvent::Usage(Usage { input: 9, output: 5, cached: 4, ..Usage::default() }),
        StreamEvent::Done,
    ]
}

#[test]
fn stream_of_another_dialect_is_printed() {
    check(
        &conversation(),
        &expect![[r#"
        event: message_start
        data: {"type":"message_start","message":{"id":"chatcmpl-1","type":"message","role":"assistant","model":"gpt-6-astra","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

        event: content_block_start
        data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"He"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"llo"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":0}

        event: content_block_start
        data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"call_1","name":"f","input":{}}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":1}

        event: content_block_start
        data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_2","name":"f","input":{}}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":2}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":5}}

        event: message_stop
        data: {"type":"message_stop"}

    "#]],
    );
}

#[test]
fn printed_events_decode_to_the_same_events() {
    let printed = print_all(&conversation());
    let (mut cutter, mut decoder, mut events) = (SseDecoder::new(MAX_EVENT), EventDecoder::new(), Vec::new());
    cutter.push(&printed, &mut events).unwrap();
    let back: Vec<_> = events.iter().flat_map(|event| decoder.frame(event).unwrap().events).collect();
    expect![[r#"
        [
            Started {
                id: Some(
                    "chatcmpl-1",
                ),
                model: Some(
                    "gpt-6-astra",
                ),
            },
            Usage(
                Usage {
                    input: 0,
                    output: 0,
                    cached: 0,
                    cache_written: 0,
                    reasoning: 0,
                },
            ),
            Text(
                "He",
            ),
            Text(
                "llo",
            ),
            ToolCall(
                ToolDelta {
                    index: 0,
                    id: Some(
                        "call_1",
                    ),
                    name: Some(
                        "f",
                    ),
                    arguments: "",
                },
            ),
            ToolCall(
                ToolDelta {
                    index: 0,
                    id: None,
                    name: None,
                    arguments: "{\"a\":",
                },
            ),
            ToolCall(
                ToolDelta {
                    index: 0,
                    id: None,
                    name: None,
                    arguments: "1}",
                },
            ),
            ToolCall(
                ToolDelta {
                    index: 1,
                    id: Some(
                        "call_2",
                    ),
                    name: Some(
                        "f",
                    ),
                    arguments: "",
                },
            ),
            ToolCall(
                ToolDelta {
                    index: 1,
                    id: None,
                    name: None,
                    arguments: "{}",
                },
            ),
            Usage(
                Usage {
                    input: 9,
                    output: 5,
                    cached: 4,
                    cache_written: 0,
                    reasoning: 0,
                },
            ),
            Finish(
                ToolCalls,
            ),
            Done,
        ]
    "#]]
    .assert_debug_eq(&back);
}

#[test]
fn empty_answer_is_complete() {
    check(
        &[StreamEvent::Done, text("late")],
        &expect![[r#"
        event: message_start
        data: {"type":"message_start","message":{"id":"msg_fb","type":"message","role":"assistant","model":"asked-for","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}

        event: message_stop
        data: {"type":"message_stop"}

    "#]],
    );
}

#[test]
fn cut_stream_has_no_end() {
    check(
        &[started(), text("Hel"), StreamEvent::Finish(FinishReason::Stop)],
        &expect![[r#"
        event: message_start
        data: {"type":"message_start","message":{"id":"chatcmpl-1","type":"message","role":"assistant","model":"gpt-6-astra","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

        event: content_block_start
        data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}

    "#]],
    );
}

#[test]
fn block_is_printed_as_a_refusal() {
    let block = Block::in_stream(BlockCategory::Refusal, "cyber");
    check(
        &[
            StreamEvent::Blocked(block),
            StreamEvent::Refusal("I can't".to_owned()),
            StreamEvent::Finish(FinishReason::Stop),
            StreamEvent::Done,
        ],
        &expect![[r#"
            event: message_start
            data: {"type":"message_start","message":{"id":"msg_fb","type":"message","role":"assistant","model":"asked-for","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

            event: content_block_start
            data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

            event: content_block_delta
            data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"I can't"}}

            event: content_block_stop
            data: {"type":"content_block_stop","index":0}

            event: message_delta
            data: {"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":null,"explanation":"cyber"}},"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}

            event: message_stop
            data: {"type":"message_stop"}

        "#]],
    );
}

/// A call that continues after another one started cannot be expressed in this API.
#[test]
fn overlapping_calls_end_in_an_error() {
    check(
        &[call(0, Some("a"), "{"), call(1, Some("b"), "{}"), call(0, None, "}"), StreamEvent::Done],
        &expect![[r#"
            event: message_start
            data: {"type":"message_start","message":{"id":"msg_fb","type":"message","role":"assistant","model":"asked-for","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

            event: content_block_start
            data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}

            event: content_block_delta
            data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}

            event: content_block_stop
            data: {"type":"content_block_stop","index":0}

            event: content_block_start
            data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"b","name":"f","input":{}}}

            event: content_block_delta
            data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}

            event: content_block_stop
            data: {"type":"content_block_stop","index":1}

            event: error
            data: {"type":"error","error":{"type":"api_error","message":"the provider's tool calls overlap, which this API cannot say"},"request_id":null}

        "#]],
    );
}

/// Forwarded events and printed ones form one stream: the blocks are numbered through, and none stays open.
#[test]
fn printed_events_continue_forwarded_ones() {
    let forwarded = [
        r#"{"type":"message_start","message":{"id":"msg_1","content":[]}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"ping"}"#,
        "not JSON",
    ];
    let rest = [started(), text("on"), call(0, Some("a"), "{}"), StreamEvent::Done];
    let (mut printer, mut out) = (EventPrinter::new("asked-for"), BytesMut::new());
    for data in forwarded {
        printer.forward(&sse::event(Some("any"), data.as_bytes()));
    }
    printer.print(&rest, &mut out);
    let lines = str::from_utf8(&out).unwrap().lines();
    let data: Vec<&str> = lines.filter_map(|line| line.strip_prefix("data: ")).collect();
    expect![[r#"
        {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"on"}}
        {"type":"content_block_stop","index":1}
        {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}
        {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}
        {"type":"content_block_stop","index":2}
        {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}
        {"type":"message_stop"}"#]].assert_eq(&data.join("\n"));

    let (mut ended, mut out) = (EventPrinter::new("asked-for"), BytesMut::new());
    ended.forward(b"event: message_stop\r\ndata:{\"type\":\"message_stop\"}\r\n\r\n");
    ended.print(&rest, &mut out);
    assert!(out.is_empty(), "nothing follows the end");
}
