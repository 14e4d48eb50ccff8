use expect_test::{Expect, expect};
use fb_core::Usage;
use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<Decoded, WireError> {
    reply(&Bytes::copy_from_slice(body.as_bytes()))
}

fn answer(body: &str) -> Reply {
    match read(body).unwrap() {
        Decoded::Reply(reply) => reply,
        Decoded::Blocked(block) => panic!("{block:?}"),
    }
}

fn block(body: &str) -> Block {
    match read(body).unwrap() {
        Decoded::Reply(reply) => panic!("{reply:?}"),
        Decoded::Blocked(block) => block,
    }
}

/// Builds an answer with one choice.
fn completion(message: &str, finish: &str) -> String {
    format!(
        r#"{{"id":"c1","model":"m","choices":[{{"index":0,"message":{message},"finish_reason":{finish}}}]}}"#
    )
}

const FULL: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-6-astra","service_tier":"default","system_fingerprint":null,
 "choices":[{"index":0,"finish_reason":"stop","logprobs":null,"message":{"role":"assistant","content":"h\u00e4i","refusal":null,"tool_calls":[],"annotations":[]}}],
 "usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,
  "prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3,"audio_tokens":0},
  "completion_tokens_details":{"reasoning_tokens":5}}}"#;

#[test]
fn answer_is_read_and_its_bytes_are_kept() {
    let expected = Reply {
        id: Some("chatcmpl-1".to_owned()),
        model: Some("gpt-6-astra".to_owned()),
        text: "häi".to_owned(),
        usage: Some(Usage { input: 10, output: 20, cached: 4, cache_written: 3, reasoning: 5 }),
        raw: Some(Raw { dialect: Dialect::OpenAi, bytes: Bytes::from_static(FULL.as_bytes()) }),
        complete: true,
        ..Reply::default()
    };
    assert_eq!(answer(FULL), expected);
    // DeepSeek sends blank lines while the model thinks.
    assert_eq!(answer(&format!("\n\n\n{FULL}")).text, "häi");
}

#[test]
fn finish_reasons_are_translated() {
    let finish = |word: &str| answer(&completion(r#"{"content":"x"}"#, word)).finish;
    for word in ["\"stop\"", "\"eos\"", "null", "\"\""] {
        assert_eq!(finish(word), FinishReason::Stop, "{word}");
    }
    for word in ["\"length\"", "\"model_length\""] {
        assert_eq!(finish(word), FinishReason::Length, "{word}");
    }
    for word in ["\"tool_calls\"", "\"function_call\""] {
        assert_eq!(finish(word), FinishReason::ToolCalls, "{word}");
    }
    assert_eq!(finish("\"pause\""), FinishReason::Other("pause".to_owned()));
}

#[test]
fn failure_reason_is_never_a_stop() {
    for word in ["error", "insufficient_system_resource"] {
        assert!(matches!(
            read(&completion(r#"{"content":"x"}"#, &format!("{word:?}"))),
            Err(WireError::Reported(_))
        ));
    }
    let malformed = read(&completion(r#"{"content":"x"}"#, "\"MALFORMED_FUNCTION_CALL\""));
    assert!(matches!(malformed, Err(WireError::Malformed(_))));
}

#[test]
fn tool_calls_with_reason_stop_are_tool_calls() {
    let tools = r#"{"content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}"#;
    let reply = answer(&completion(tools, "\"stop\""));
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    let call = ToolCall { id: "call_1".to_owned(), name: "f".to_owned(), arguments: r#"{"a":1}"#.to_owned() };
    assert_eq!((reply.tool_calls, reply.text), (vec![call], String::new()));
}

#[test]
fn deviating_tool_calls_are_tolerated() {
    let arguments = |call: &str| {
        let reply =
            answer(&completion(&format!(r#"{{"content":"","tool_calls":[{call}]}}"#), "\"tool_calls\""));
        let call = reply.tool_calls.into_iter().next().unwrap();
        format!("{} {} {}", call.id, call.name, call.arguments)
    };
    assert_eq!(arguments(r#"{"id":"","type":null,"function":{"name":"f","arguments":""}}"#), "call_0 f {}");
    assert_eq!(arguments(r#"{"function":{"name":"f"}}"#), "call_0 f {}");
    assert_eq!(arguments(r#"{"id":"i","function":{"name":"f","arguments":null}}"#), "i f {}");
    assert_eq!(arguments(r#"{"id":"i","function":{"name":"f","arguments":{"a":1}}}"#), r#"i f {"a":1}"#);
    assert_eq!(arguments(r#"{"id":"i","function":{"name":"f","arguments":"[1]"}}"#), "i f [1]");
    assert_eq!(
        arguments(r#"{"id":"i","type":"custom","custom":{"name":"f","input":"a b"}}"#),
        r#"i f "a b""#
    );
    let old = answer(&completion(
        r#"{"content":null,"function_call":{"name":"f","arguments":"{}"}}"#,
        "\"function_call\"",
    ));
    assert_eq!(old.tool_calls.len(), 1);
}

#[test]
fn token_limit_may_cut_arguments() {
    let cut = r#"{"content":null,"tool_calls":[{"id":"i","function":{"name":"f","arguments":"{\"a"}}]}"#;
    assert_eq!(answer(&completion(cut, "\"length\"")).tool_calls[0].arguments, r#"{"a"#);
}

#[track_caller]
fn malformed(body: &str, expected: &Expect) {
    match read(body) {
        Err(WireError::Malformed(text)) => expected.assert_eq(&text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn body_without_an_answer_is_malformed() {
    malformed("", &expect!["the body is empty"]);
    malformed(" \n ", &expect!["the body is empty"]);
    malformed("<html>502</html>", &expect!["the body is HTML, not JSON"]);
    malformed("upstream gone", &expect!["the body is not JSON: line 1 column 1"]);
    malformed(&FULL[..40], &expect!["the body is JSON cut short"]);
    malformed("[]", &expect!["the body is an array, not an object"]);
    malformed("{}", &expect!["the body has no choices"]);
    malformed(r#"{"choices":null}"#, &expect!["the body has no choices"]);
    malformed(r#"{"choices":[]}"#, &expect!["the body has an empty list of choices"]);
    malformed(
        r#"{"choices":"secret"}"#,
        &expect!["the body does not have the shape of a chat completion: line 1 column 19"],
    );
    malformed(&completion("null", "\"stop\""), &expect!["choices[0].message is missing or null"]);
    malformed(
        &completion(r#"{"content":"\ud800"}"#, "\"stop\""),
        &expect!["choices[0].message is not JSON: line 1 column 19"],
    );
    malformed(
        &completion(
            r#"{"tool_calls":[{"id":"i","function":{"name":"f","arguments":"{\"a\":"}}]}"#,
            "\"tool_calls\"",
        ),
        &expect!["choices[0].message.tool_calls[0] has arguments that are not JSON"],
    );
    malformed(
        &completion(r#"{"tool_calls":[{"id":"i","function":{"arguments":"{}"}}]}"#, "\"tool_calls\""),
        &expect!["choices[0].message.tool_calls[0] has no name"],
    );
}

#[test]
fn errors_in_a_200_are_reported() {
    for body in [
        r#"{"error":{"message":"overloaded","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}"#,
        r#"{"error":"overloaded"}"#,
        r#"{"error":["overloaded"]}"#,
        r#"{"error":5}"#,
        r#"[{"error":{"code":429}}]"#,
        r#"{"error":true,"choices":[]}"#,
        r#"{"object":"error","message":"overloaded","type":"x","code":1}"#,
        r#"{"choices":[{"message":{"content":"x"},"finish_reason":"error","error":{"code":502,"message":"overloaded"}}]}"#,
        r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"x_groq":{"error":"overloaded"}}"#,
    ] {
        assert!(matches!(read(body), Err(WireError::Reported(_))), "{body}");
    }
    for nothing in ["null", "false", "0", "\"\"", "{}", "[ ]"] {
        let body = format!(r#"{{"error":{nothing},"choices":[{{"message":{{"content":"x"}}}}]}}"#);
        assert_eq!(answer(&body).text, "x", "{nothing}");
    }
}

#[test]
fn filtered_answer_is_a_block_with_partial_text() {
    let body = r#"{"choices":[{"message":{"role":"assistant","content":"half"},"finish_reason":"content_filter",
        "content_filter_results":{"hate":{"filtered":true,"severity":"high"},"violence":{"filtered":false},"error":{"code":"x"}}}],
        "usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let block = block(body);
    assert_eq!(
        (block.category, &*block.detail, &*block.partial),
        (BlockCategory::Output, "content_filter: hate", "half")
    );
    assert_eq!(block.usage.unwrap().total(), 3);
    let raw = Raw { dialect: Dialect::OpenAi, bytes: Bytes::copy_from_slice(body.as_bytes()) };
    assert_eq!(block.form, BlockForm::Body { status: 200, raw: Some(raw) });
}

#[test]
fn filtered_answer_without_a_message_is_accepted() {
    let block = block(r#"{"choices":[{"finish_reason":"content_filter"}]}"#);
    assert_eq!((block.category, &*block.partial), (BlockCategory::Output, ""));
}

#[test]
fn refusal_is_a_block_with_the_models_text() {
    for message in [
        r#"{"content":null,"refusal":"I won't."}"#,
        r#"{"content":[{"type":"refusal","refusal":"I won't."}]}"#,
    ] {
        let block = block(&completion(message, "\"stop\""));
        assert_eq!((block.category, &*block.detail), (BlockCategory::Refusal, "I won't."));
    }
    assert_eq!(answer(&completion(r#"{"content":"x","refusal":""}"#, "\"stop\"")).text, "x");
}

#[test]
fn thinking_is_found_in_every_field() {
    let read = |message: &str| {
        let reply = answer(&completion(message, "\"stop\""));
        (reply.thinking, reply.text)
    };
    let expected = || ("hm".to_owned(), "x".to_owned());
    assert_eq!(read(r#"{"content":"x","reasoning_content":"hm"}"#), expected());
    assert_eq!(read(r#"{"content":"x","reasoning":"hm","reasoning_content":"hm"}"#), expected());
    assert_eq!(read(r#"{"content":"x","reasoning":"hm","reasoning_content":null}"#), expected());
    let mistral = r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"},{"type":"text","text":"m"}]},{"type":"text","text":"x"},{"type":"reference","reference_ids":[1]}]}"#;
    assert_eq!(read(mistral), expected());
}

#[test]
fn usage_is_found_and_invalid_counts_are_ignored() {
    let choice = r#"{"message":{"content":"x"},"finish_reason":"stop""#;
    let usage =
        |top: &str, inside: &str| answer(&format!(r#"{{"choices":[{choice}{inside}}}]{top}}}"#)).usage;
    let counts = |input, output| Some(Usage { input, output, ..Usage::default() });
    let plain = r#""usage":{"prompt_tokens":9,"completion_tokens":5}"#;
    assert_eq!(usage(&format!(",{plain}"), ""), counts(9, 5));
    assert_eq!(usage(&format!(r#","usage":null,"x_groq":{{{plain}}}"#), ""), counts(9, 5));
    assert_eq!(usage("", &format!(",{plain}")), counts(9, 5));
    assert_eq!(usage(r#","usage":{}"#, ""), None);
    assert_eq!(usage(r#","usage":"many""#, ""), None);
    let nonsense = r#","usage":{"prompt_tokens":-4,"completion_tokens":"NaN","completion_tokens_details":{"reasoning_tokens":1e300}}"#;
    assert_eq!(usage(nonsense, ""), counts(0, 0));
    assert_eq!(usage(r#","usage":{"prompt_tokens":4.0,"completion_tokens":null}"#, ""), counts(4, 0));
    let clamped = usage(
        r#","usage":{"prompt_tokens":4,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":9},"completion_tokens_details":{"reasoning_tokens":7}}"#,
        "",
    );
    assert_eq!(clamped, Some(Usage { input: 4, output: 2, cached: 4, cache_written: 0, reasoning: 2 }));
    let beside = usage(
        r#","usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":13,"completion_tokens_details":{"reasoning_tokens":7}}"#,
        "",
    );
    assert_eq!(beside, Some(Usage { input: 4, output: 9, cached: 0, cache_written: 0, reasoning: 7 }));
    let hit = usage(r#","usage":{"prompt_tokens":4,"completion_tokens":2,"prompt_cache_hit_tokens":3}"#, "");
    assert_eq!(hit.unwrap().cached, 3);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _read = reply(&bytes.into());
    }

    #[test]
    fn no_corrupted_answer_panics(at in 0..FULL.len(), byte: u8, cut: bool) {
        let mut bytes = FULL.as_bytes().to_vec();
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _read = reply(&bytes.into());
    }
}
