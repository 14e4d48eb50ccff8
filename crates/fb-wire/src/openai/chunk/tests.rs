use bytes::Bytes;
use expect_test::{Expect, expect};
use fb_core::Usage;
use proptest::prelude::*;

use super::*;
use crate::sse::{MAX_EVENT, SseDecoder};

fn event(data: &str) -> SseEvent {
    SseEvent {
        event: String::new(),
        data: Bytes::copy_from_slice(data.as_bytes()),
        raw: Bytes::from(format!("data: {data}\n\n")),
    }
}

fn decode(chunks: &[&str]) -> Result<Vec<StreamEvent>, WireError> {
    let mut decoder = ChunkDecoder::new();
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(decoder.frame(&event(chunk))?.events);
    }
    events.extend(decoder.finish());
    Ok(events)
}

/// Shows one line per event.
fn lines(events: &[StreamEvent]) -> String {
    let line = |event: &StreamEvent| match event {
        StreamEvent::Started { id, model } => {
            format!("started {} {}\n", id.as_deref().unwrap_or("-"), model.as_deref().unwrap_or("-"))
        }
        StreamEvent::Text(text) => format!("text {text:?}\n"),
        StreamEvent::Thinking(text) => format!("thinking {text:?}\n"),
        StreamEvent::ToolCall(delta) => {
            let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".to_owned());
            format!("call {} {} {} {:?}\n", delta.index, word(&delta.id), word(&delta.name), delta.arguments)
        }
        StreamEvent::Refusal(text) => format!("refusal {text:?}\n"),
        StreamEvent::Finish(reason) => format!("finish {reason:?}\n"),
        StreamEvent::Usage(usage) => format!("usage {} {}\n", usage.input, usage.output),
        StreamEvent::Blocked(block) => format!("blocked {} {:?}\n", block.category, block.detail),
        StreamEvent::Resumed { by, .. } => unreachable!("no provider says {by}"),
        StreamEvent::Done => "done\n".to_owned(),
    };
    events.iter().map(line).collect()
}

#[track_caller]
fn check(chunks: &[&str], expected: &Expect) {
    expected.assert_eq(&lines(&decode(chunks).unwrap()));
}

/// Checks deltas of tool calls followed by the end.
#[track_caller]
fn check_calls(calls: &[&str], expected: &Expect) {
    let deltas: Vec<String> = calls
        .iter()
        .map(|calls| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{calls}]}}}}]}}"#))
        .collect();
    let mut chunks: Vec<&str> = deltas.iter().map(String::as_str).collect();
    chunks.extend([r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, "[DONE]"]);
    check(&chunks, expected);
}

const SAMPLE: [&str; 5] = [
    r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}],"usage":null}"#,
    r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]},"finish_reason":null}],"usage":null}"#,
    r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}"#,
    r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}"#,
    "[DONE]",
];

#[test]
fn sample_stream() {
    check(
        &SAMPLE,
        &expect![[r#"
            started c1 m
            call 0 call_1 f ""
            call 0 - - "{\"a\":1}"
            finish ToolCalls
            usage 9 5
            done
        "#]],
    );
}

#[test]
fn every_event_is_one_frame_with_its_bytes() {
    let mut decoder = ChunkDecoder::new();
    for chunk in SAMPLE {
        let event = event(chunk);
        let frame = decoder.frame(&event).unwrap();
        assert_eq!(frame.raw, Some(Raw { dialect: Dialect::OpenAi, bytes: event.raw }));
    }
    let comment = SseEvent { event: String::new(), data: Bytes::new(), raw: Bytes::from_static(b": hi\n\n") };
    let frame = decoder.frame(&comment).unwrap();
    assert_eq!(frame.events, []);
    assert_eq!(frame.raw.unwrap().bytes, ": hi\n\n");
}

#[test]
fn end_without_a_reason_is_a_cut() {
    let text = r#"{"choices":[{"delta":{"content":"hi"}}]}"#;
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    check(
        &[text],
        &expect![[r#"
        text "hi"
    "#]],
    );
    check(
        &[text, finish],
        &expect![[r#"
        text "hi"
        finish Stop
        done
    "#]],
    );
    check(
        &[text, finish, "[DONE]  "],
        &expect![[r#"
        text "hi"
        finish Stop
        done
    "#]],
    );
}

#[test]
fn call_continues_after_its_arguments_are_valid_json() {
    check_calls(
        &[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#,
            r#"{"index":0,"function":{"arguments":" "}}"#,
            r#"{"index":0,"function":{"arguments":"x"}}"#,
        ],
        &expect![[r#"
            call 0 a f "{}"
            call 0 - - " "
            call 0 - - "x"
            finish ToolCalls
            done
        "#]],
    );
}

#[test]
fn sparse_indices_count_from_zero() {
    check_calls(
        &[
            r#"{"index":1,"id":"a","type":null,"function":{"name":"f"}},{"index":7,"id":"b","function":{"name":"g"}}"#,
            r#"{"index":7,"id":"","function":{"name":"","arguments":"2"}}"#,
            r#"{"index":1,"id":"a","function":{"name":"f","arguments":"1"}}"#,
        ],
        &expect![[r#"
            call 0 a f ""
            call 1 b g ""
            call 1 - - "2"
            call 0 - - "1"
            finish ToolCalls
            done
        "#]],
    );
}

#[test]
fn missing_index_falls_back_to_id_and_order() {
    check_calls(
        &[
            r#"{"id":"a","function":{"name":"f","arguments":"1"}}"#,
            r#"{"id":"b","function":{"name":"g","arguments":"2"}}"#,
            r#"{"id":"a","function":{"arguments":"3"}}"#,
            r#"{"function":{"arguments":"4"}}"#,
            r#"{"function":{"name":"h","arguments":"5"}}"#,
            r#"{"function":{"arguments":"6"}}"#,
        ],
        &expect![[r#"
            call 0 a f "1"
            call 1 b g "2"
            call 0 - - "3"
            call 1 - - "4"
            call 2 call_2 h "5"
            call 2 - - "6"
            finish ToolCalls
            done
        "#]],
    );
}

#[test]
fn reused_index_with_another_id_and_name_is_another_call() {
    check_calls(
        &[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#,
            r#"{"index":0,"id":"b","function":{"name":"f","arguments":"2"}}"#,
            r#"{"index":0,"function":{"arguments":"3"}}"#,
            r#"{"index":0,"id":"c","function":{"arguments":"4"}}"#,
        ],
        &expect![[r#"
            call 0 a f "1"
            call 1 b f "2"
            call 1 - - "3"
            call 1 - - "4"
            finish ToolCalls
            done
        "#]],
    );
}

#[test]
fn late_name_opens_the_call_with_buffered_arguments() {
    check_calls(
        &[
            r#"{"index":0,"id":"a"}"#,
            r#"{"index":0,"function":{"name":"","arguments":"1"}}"#,
            r#"{"index":0,"function":{"name":"f","arguments":"2"}}"#,
        ],
        &expect![[r#"
            call 0 a f "12"
            finish ToolCalls
            done
        "#]],
    );
    let nameless = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1"}}]},"finish_reason":"tool_calls"}]}"#;
    assert!(matches!(decode(&[nameless]), Err(WireError::Malformed(_))));
}

#[test]
fn deprecated_function_call_is_a_tool_call() {
    check(
        &[
            r#"{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{"}}}]}"#,
            r#"{"choices":[{"delta":{"function_call":{"arguments":"}"}},"finish_reason":"function_call"}]}"#,
        ],
        &expect![[r#"
            call 0 call_0 f "{"
            call 0 - - "}"
            finish ToolCalls
            done
        "#]],
    );
}

#[test]
fn tool_calls_with_reason_stop_are_tool_calls() {
    check_calls(
        &[r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#],
        &expect![[r#"
            call 0 a f "{}"
            finish ToolCalls
            done
        "#]],
    );
}

#[test]
fn missing_or_blank_role_is_accepted() {
    check(
        &[
            r#"{"id":"c","choices":[{"delta":{"role":"","content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"hi"}}]}"#,
        ],
        &expect![[r#"
            started c -
            text "hi"
        "#]],
    );
}

#[test]
fn chunks_without_choices_are_accepted() {
    check(
        &[
            r#"{"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"#,
            r#"{"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#,
            r#"{"id":"","model":"","choices":[{"index":0,"content_filter_results":{},"content_filter_offsets":{}}]}"#,
            r#"{"choices":null}"#,
            r#"{"choices":[{"delta":null,"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            "[DONE]",
        ],
        &expect![[r#"
            started c1 m
            text "hi"
            finish Stop
            usage 1 2
            done
        "#]],
    );
}

#[test]
fn later_usage_replaces_earlier_usage() {
    let events = decode(&[
        r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":2}}]}"#,
        r#"{"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":9,"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":-1}}}}"#,
    ]);
    let last = events.unwrap().into_iter().rev().find_map(|event| match event {
        StreamEvent::Usage(usage) => Some(usage),
        _ => None,
    });
    assert_eq!(last, Some(Usage { input: 9, output: 3, ..Usage::default() }));
}

#[test]
fn errors_in_the_stream_are_reported() {
    for chunk in [
        r#"{"error":{"message":"overloaded","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}"#,
        r#"{"error":"overloaded"}"#,
        r#"{"object":"error","message":"overloaded"}"#,
        r#"{"id":"g","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"provider disconnected","metadata":{"error_type":"provider_unavailable"}}}"#,
        r#"{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"insufficient_system_resource"}]}"#,
        r#"{"choices":[],"x_groq":{"error":"over capacity"}}"#,
    ] {
        assert!(matches!(decode(&[chunk]), Err(WireError::Reported(_))), "{chunk}");
    }
    let named = SseEvent { event: "error".to_owned(), ..event(r#"{"message":"overloaded"}"#) };
    assert!(matches!(ChunkDecoder::new().frame(&named), Err(WireError::Reported(_))));
}

#[test]
fn data_that_is_not_a_chunk_is_malformed() {
    for chunk in [
        "<html>",
        "hello",
        "{\"choices\":",
        "[1]",
        r#"{"choices":"x"}"#,
        r#"{"choices":[{"delta":{"content":5}}]}"#,
    ] {
        assert!(matches!(decode(&[chunk]), Err(WireError::Malformed(_))), "{chunk}");
    }
}

#[test]
fn refusal_blocks_once_and_continues() {
    check(
        &[
            r#"{"choices":[{"delta":{"refusal":"I "}}]}"#,
            r#"{"choices":[{"delta":{"refusal":"won't."}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            "[DONE]",
        ],
        &expect![[r#"
            blocked refused "I "
            refusal "I "
            refusal "won't."
            finish Refusal
            done
        "#]],
    );
}

#[test]
fn filter_blocks_once_at_the_end() {
    check(
        &[
            r#"{"choices":[{"delta":{"content":"half"}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"content_filter","content_filter_results":{"hate":{"filtered":true}}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#,
            "[DONE]",
        ],
        &expect![[r#"
            text "half"
            blocked output filtered "content_filter: hate"
            finish ContentFilter
            done
        "#]],
    );
}

#[test]
fn thinking_comes_before_text() {
    check(
        &[
            r#"{"choices":[{"delta":{"reasoning":"h","reasoning_content":"h"}}]}"#,
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"m"}]},{"type":"text","text":"x"}]}}]}"#,
        ],
        &expect![[r#"
            thinking "h"
            thinking "m"
            text "x"
        "#]],
    );
}

#[test]
fn only_the_first_choice_is_the_answer() {
    check(
        &[
            r#"{"choices":[{"index":1,"delta":{"content":"b"}}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}"#,
        ],
        &expect![[r#"
            text "a"
            finish Stop
            done
        "#]],
    );
}

/// Decodes a stream split at these positions.
fn decode_pieces(stream: &str, cuts: &[prop::sample::Index]) -> Vec<StreamEvent> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    let (mut sse, mut decoder) = (SseDecoder::new(MAX_EVENT), ChunkDecoder::new());
    let mut events = Vec::new();
    let stream = Bytes::copy_from_slice(stream.as_bytes());
    for cut in cuts.windows(2) {
        sse.push(&stream.slice(cut[0]..cut[1]), &mut events).unwrap();
    }
    sse.finish(&mut events);
    events.iter().flat_map(|event| decoder.frame(event).unwrap().events).collect()
}

proptest! {
    #[test]
    fn events_do_not_depend_on_the_split(
        cuts: Vec<prop::sample::Index>,
        end in prop::sample::select(vec!["\n\n", "\r\n\r\n", "\r\r", "\n\n: comment\n\n"]),
    ) {
        let text = r#"{"choices":[{"delta":{"content":"häi 🦀"}}]}"#;
        let chunks: Vec<&str> = [text].into_iter().chain(SAMPLE).collect();
        let stream: String = chunks.iter().flat_map(|chunk| ["data: ", chunk, end]).collect();
        prop_assert_eq!(decode_pieces(&stream, &cuts), decode(&chunks).unwrap());
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let data = Bytes::from(bytes);
        let event = SseEvent { event: String::new(), data: data.clone(), raw: data };
        let _frame = ChunkDecoder::new().frame(&event);
    }

    #[test]
    fn no_corrupted_chunk_panics(which in 0..SAMPLE.len(), at: prop::sample::Index, byte: u8) {
        let mut decoder = ChunkDecoder::new();
        for (index, chunk) in SAMPLE.iter().enumerate() {
            let mut bytes = chunk.as_bytes().to_vec();
            if index == which {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let data = Bytes::from(bytes);
            let _frame = decoder.frame(&SseEvent { event: String::new(), data: data.clone(), raw: data });
        }
        decoder.finish();
    }
}

/// Builds a chunk in one of the shapes that providers send, with the given value of `content`.
fn chunk_of(content: &str, shape: usize) -> String {
    let delta = match shape % 5 {
        0 | 1 => format!(r#"{{"content":{content}}}"#),
        2 => format!(r#"{{"role":"assistant","content":{content}}}"#),
        3 => format!(r#"{{"x":{{"content":{content}}},"content":"b"}}"#),
        _ => format!(r#"{{"content":{content},"reasoning_content":{content}}}"#),
    };
    let padding = [r#","obfuscation":"a1B""#, r#","obfuscation":"zz""#, ""][shape / 5 % 3];
    let finish = ["null", "null", "\"stop\"", "\"content_filter\""][shape / 15 % 4];
    format!(r#"{{"id":"c1","model":"m","choices":[{{"delta":{delta},"finish_reason":{finish}}}]{padding}}}"#)
}

proptest! {
    /// The result for a chunk does not depend on similar chunks before it.
    #[test]
    fn similar_chunks_decode_independently(
        chunks in prop::collection::vec(("\\PC{0,6}|[\\\\\"{}:,u0-9\n]{0,6}", any::<bool>(), 0..60usize), 1..8),
    ) {
        let mut one = ChunkDecoder::new();
        for (text, quoted, shape) in chunks {
            let content = if quoted { serde_json::to_string(&text).unwrap() } else { format!("\"{text}\"") };
            let chunk = event(&chunk_of(&content, shape));
            let mut fresh = ChunkDecoder { template: Template::default(), ..one.clone() };
            let shown = |frame: Result<Frame, WireError>| frame.map_err(|error| error.to_string());
            prop_assert_eq!(shown(one.frame(&chunk)), shown(fresh.frame(&chunk)), "{}", content);
        }
    }
}

#[test]
fn chunks_that_differ_only_in_text_are_compared() {
    let chunk = |id, text, padding| {
        format!(
            r#"{{"id":"{id}","choices":[{{"delta":{{"content":"{text}"}},"logprobs":null}}],"obfuscation":"{padding}"}}"#
        )
    };
    let mut decoder = ChunkDecoder::new();
    // The first chunk also starts the answer.
    for text in ["a", "b"] {
        assert_eq!(decoder.template.text(chunk("c1", text, "x").as_bytes()), None);
        decoder.frame(&event(&chunk("c1", text, "x"))).unwrap();
    }
    assert_eq!(decoder.template.text(chunk("c1", "c\\n", "yyy").as_bytes()).as_deref(), Some("c\n"));
    assert_eq!(decoder.template.text(chunk("c2", "d", "x").as_bytes()), None);
}
