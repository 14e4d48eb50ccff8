use std::fmt::Write;

use bytes::Bytes;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::sse::{MAX_EVENT, SseDecoder};

/// Shows one line per frame: the name of the event and its decoded events.
fn show(stream: &str) -> String {
    let (mut events, mut decoder) = (Vec::new(), EventDecoder::new());
    let mut cutter = SseDecoder::new(MAX_EVENT);
    cutter.push(&Bytes::copy_from_slice(stream.as_bytes()), &mut events).unwrap();
    cutter.finish(&mut events);
    let (mut out, mut bytes) = (String::new(), 0);
    for event in events {
        out += if event.event.is_empty() { "unnamed" } else { &event.event };
        match decoder.frame(&event) {
            Ok(frame) => {
                bytes += frame.raw.unwrap().bytes.len();
                for event in frame.events {
                    write!(out, "  {event:?}").unwrap();
                }
            }
            Err(error) => write!(out, "  {error:?}").unwrap(),
        }
        out.push('\n');
    }
    assert!(
        out.contains("Malformed") || out.contains("Reported") || bytes == stream.len(),
        "every byte once"
    );
    assert_eq!(decoder.finish(), None);
    out
}

/// Builds a stream of events; the names are taken from the data.
fn stream(data: &[&str]) -> String {
    data.iter().fold(String::new(), |mut stream, data| {
        let value: serde_json::Value = serde_json::from_str(data).unwrap();
        write!(stream, "event: {}\ndata: {data}\n\n", value["type"].as_str().unwrap()).unwrap();
        stream
    })
}

#[track_caller]
fn check(data: &[&str], expected: &Expect) {
    expected.assert_eq(&show(&stream(data)));
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"cache_read_input_tokens":0,"cache_creation_input_tokens":0,"output_tokens":1}}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

#[test]
fn one_tool_call() {
    check(
        &[
            START,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":12}}"#,
            STOP,
        ],
        &expect![[r#"
            message_start  Started { id: Some("msg_1"), model: Some("m") }  Usage(Usage { input: 9, output: 1, cached: 0, cache_written: 0, reasoning: 0 })
            content_block_start  ToolCall(ToolDelta { index: 0, id: Some("toolu_1"), name: Some("f"), arguments: "" })
            ping
            content_block_delta  ToolCall(ToolDelta { index: 0, id: None, name: None, arguments: "{\"a\":1}" })
            content_block_stop
            message_delta  Usage(Usage { input: 9, output: 12, cached: 0, cache_written: 0, reasoning: 0 })  Finish(ToolCalls)
            message_stop  Done
        "#]],
    );
}

/// Indexes count tool calls only, and server-side tools are not tool calls.
#[test]
fn tool_calls_among_other_blocks() {
    check(
        &[
            START,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"query\":1}"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Hi"}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{}}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_stop","index":3}"#,
            r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"g","input":{"all":"at once"}}}"#,
            r#"{"type":"content_block_stop","index":4}"#,
            r#"{"type":"yet_to_come","delta":7}"#,
            // Some compatible servers report an ordinary end for tool calls.
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12,"output_tokens_details":{"thinking_tokens":3}}}"#,
            STOP,
        ],
        &expect![[r#"
            message_start  Started { id: Some("msg_1"), model: Some("m") }  Usage(Usage { input: 9, output: 1, cached: 0, cache_written: 0, reasoning: 0 })
            content_block_start
            content_block_delta  Thinking("hm")
            content_block_delta
            content_block_stop
            content_block_start
            content_block_delta
            content_block_stop
            content_block_start
            content_block_delta  Text("Hi")
            content_block_delta
            content_block_stop
            content_block_start  ToolCall(ToolDelta { index: 0, id: Some("toolu_1"), name: Some("f"), arguments: "" })
            content_block_delta
            content_block_stop  ToolCall(ToolDelta { index: 0, id: None, name: None, arguments: "{}" })
            content_block_start  ToolCall(ToolDelta { index: 1, id: Some("toolu_2"), name: Some("g"), arguments: "" })
            content_block_stop  ToolCall(ToolDelta { index: 1, id: None, name: None, arguments: "{\"all\":\"at once\"}" })
            yet_to_come
            message_delta  Usage(Usage { input: 9, output: 12, cached: 0, cache_written: 0, reasoning: 3 })  Finish(ToolCalls)
            message_stop  Done
        "#]],
    );
}

/// Later counts replace earlier ones, except for zeros.
#[test]
fn token_counts_are_totals() {
    check(
        &[
            r#"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":2,"cache_read_input_tokens":30,"cache_creation_input_tokens":400,"output_tokens":1}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":5}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":0,"cache_read_input_tokens":31,"output_tokens":9}}"#,
        ],
        &expect![[r#"
            message_start  Started { id: Some("msg_1"), model: None }  Usage(Usage { input: 432, output: 1, cached: 30, cache_written: 400, reasoning: 0 })
            message_delta  Usage(Usage { input: 432, output: 5, cached: 30, cache_written: 400, reasoning: 0 })
            message_delta  Usage(Usage { input: 433, output: 9, cached: 31, cache_written: 400, reasoning: 0 })  Finish(Length)
        "#]],
    );
    check(
        &[r#"{"type":"message_start","message":{}}"#],
        &expect![[r#"
        message_start  Started { id: None, model: None }
    "#]],
    );
}

#[test]
fn refusal_is_a_block_inside_the_stream() {
    check(
        &[
            START,
            r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":"cyber","explanation":null}},"usage":{"output_tokens":4}}"#,
            STOP,
        ],
        &expect![[r#"
            message_start  Started { id: Some("msg_1"), model: Some("m") }  Usage(Usage { input: 9, output: 1, cached: 0, cache_written: 0, reasoning: 0 })
            message_delta  Usage(Usage { input: 9, output: 4, cached: 0, cache_written: 0, reasoning: 0 })  Blocked(Block { category: Refusal, detail: "cyber", partial: "", usage: Some(Usage { input: 9, output: 4, cached: 0, cache_written: 0, reasoning: 0 }), form: InStream })  Finish(Refusal)
            message_stop  Done
        "#]],
    );
}

#[test]
fn cut_stream_is_never_done() {
    let cut = [
        START,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
    ];
    for length in 0..=cut.len() {
        assert!(!show(&stream(&cut[..length])).contains("Done"), "{length}");
    }
}

#[test]
fn errors_in_the_stream_are_reported() {
    check(
        &[
            START,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#,
        ],
        &expect![[r#"
            message_start  Started { id: Some("msg_1"), model: Some("m") }  Usage(Usage { input: 9, output: 1, cached: 0, cache_written: 0, reasoning: 0 })
            error  Reported(ErrorBody { message: "Overloaded", kind: Some("overloaded_error"), code: None, param: None, status: None, detail_code: None, error_type: None, limit_source: None, flagged: false, upstream: None, inner_code: None, request_id: Some("req_1"), retry_delay: None, quota_ids: [], json: true })
        "#]],
    );
    expect![[r#"
        unnamed  Reported(ErrorBody { message: "flat", kind: None, code: None, param: None, status: None, detail_code: None, error_type: None, limit_source: None, flagged: false, upstream: None, inner_code: None, request_id: None, retry_delay: None, quota_ids: [], json: true })
    "#]].assert_eq(&show("data: {\"error\":{\"message\":\"flat\"}}\n\n"));
}

#[test]
fn deviating_streams_are_tolerated() {
    expect![[r#"
        unnamed
        ping
        unnamed
    "#]]
    .assert_eq(&show(": keep-alive\n\nevent: ping\ndata:\n\ndata: [DONE]\n\n"));
    expect![[r#"
        unnamed  Malformed("an event is not JSON: line 1 column 1")
        unnamed  Malformed("an event is JSON cut short")
        unnamed  Malformed("an event does not have the shape of an Anthropic message: line 1 column 2")
    "#]]
    .assert_eq(&show("data: <html>\n\ndata: {\"type\":\n\ndata: []\n\n"));
    // Neither indexes nor the end of the block.
    check(
        &[
            r#"{"type":"content_block_start","content_block":{"type":"tool_use","id":"t","name":"f"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
        ],
        &expect![[r#"
            content_block_start  ToolCall(ToolDelta { index: 0, id: Some("t"), name: Some("f"), arguments: "" })
            message_delta  ToolCall(ToolDelta { index: 0, id: None, name: None, arguments: "{}" })  Finish(ToolCalls)
        "#]],
    );
    check(
        &[r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":7}}"#],
        &expect![[r#"
        content_block_delta  Malformed("a delta does not have the shape of an Anthropic message: line 1 column 1")
    "#]],
    );
}

fn event(data: impl Into<Bytes>) -> SseEvent {
    let data = data.into();
    SseEvent { event: String::new(), raw: data.clone(), data }
}

proptest! {
    #[test]
    fn no_bytes_panic(data in proptest::collection::vec(any::<u8>(), 0..256)) {
        drop(EventDecoder::new().frame(&event(data)));
    }

    #[test]
    fn no_fields_panic(
        events in proptest::collection::vec((
            "(message_start|content_block_start|content_block_delta|content_block_stop|message_delta)",
            "(index|message|content_block|delta|usage)",
            "(null|1|-1|\"x\"|\\[\\]|\\{\\}|\\{\"type\":1\\}|\\{\"type\":\"input_json_delta\",\"partial_json\":\"x\"\\}|\\{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"b\"\\})",
        ), 0..8),
    ) {
        let mut decoder = EventDecoder::new();
        for (kind, field, value) in events {
            drop(decoder.frame(&event(format!(r#"{{"type":"{kind}","{field}":{value}}}"#))));
        }
    }
}
