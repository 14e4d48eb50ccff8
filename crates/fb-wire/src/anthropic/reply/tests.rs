use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Shows the answer in a few lines.
fn show(body: &str) -> String {
    match reply(&Bytes::copy_from_slice(body.as_bytes())) {
        Ok(Decoded::Reply(reply)) => {
            assert_eq!(reply.raw.as_ref().unwrap().bytes, body.as_bytes());
            let Reply { id, model, text, thinking, tool_calls, finish, usage, .. } = reply;
            let calls: Vec<String> = tool_calls
                .iter()
                .map(|call| format!("{}={}{}", call.id, call.name, call.arguments))
                .collect();
            let ids = [id, model].map(Option::unwrap_or_default).join(" ");
            format!("{ids} | {text:?} | {thinking:?} | {} | {finish:?} | {}", calls.join(" "), count(usage))
        }
        Ok(Decoded::Blocked(block)) => {
            let PolicyBlock { category, detail, partial, usage, form } = block;
            format!("{category} | {detail} | {partial:?} | {} | {form:?}", count(usage))
        }
        Err(WireError::Reported(error)) => format!("reported {:?}: {}", error.kind, error.message),
        Err(WireError::Malformed(what)) => format!("malformed: {what}"),
    }
}

fn count(usage: Option<fb_core::Usage>) -> String {
    usage.map_or_else(
        || "no usage".to_owned(),
        |u| {
            format!(
                "in {} ({} read, {} written) out {} ({} thought)",
                u.input, u.cached, u.cache_written, u.output, u.reasoning
            )
        },
    )
}

#[track_caller]
fn check(body: &str, expected: &Expect) {
    expected.assert_eq(&show(body));
}

/// The prompt consists of tokens read from the cache, tokens written to it, and the others.
#[test]
fn content_blocks_and_usage_are_read() {
    check(
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[
            {"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"x"},
            {"type":"text","text":"a"},{"type":"text","text":"b","citations":[]},
            {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"q"}},
            {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]},
            {"type":"tool_use","id":"toolu_1","name":"f","input":{ "a": 1 }},
            {"type":"tool_use","id":"toolu_2","name":"g","input":null},
            {"type":"yet_to_come","text":{"any":"thing"}}],
            "stop_reason":"tool_use","stop_sequence":null,
            "usage":{"input_tokens":1,"cache_creation_input_tokens":20,"cache_read_input_tokens":300,"output_tokens":5,
                "output_tokens_details":{"thinking_tokens":2},"service_tier":"standard"}}"#,
        &expect![[
            r#"msg_1 claude-x | "ab" | "hm" | toolu_1=f{ "a": 1 } toolu_2=g{} | ToolCalls | in 321 (300 read, 20 written) out 5 (2 thought)"#
        ]],
    );
}

#[test]
fn stop_reasons_are_translated() {
    let body = |content: &str, reason: &str| {
        show(&format!(r#"{{"type":"message","content":[{content}],"stop_reason":{reason}}}"#))
    };
    let call = r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#;
    let mut lines = String::new();
    for reason in [
        "end_turn",
        "stop_sequence",
        "max_tokens",
        "model_context_window_exceeded",
        "tool_use",
        "pause_turn",
        "compaction",
        "hiccup",
    ] {
        writeln!(lines, "{reason}: {}", body("", &format!("\"{reason}\""))).unwrap();
    }
    writeln!(lines, "call, end_turn: {}", body(call, "\"end_turn\"")).unwrap();
    writeln!(lines, "call, null: {}", body(call, "null")).unwrap();
    writeln!(lines, "null: {}", body("", "null")).unwrap();
    expect![[r#"
        end_turn:   | "" | "" |  | Stop | no usage
        stop_sequence:   | "" | "" |  | Stop | no usage
        max_tokens:   | "" | "" |  | Length | no usage
        model_context_window_exceeded:   | "" | "" |  | Length | no usage
        tool_use:   | "" | "" |  | ToolCalls | no usage
        pause_turn:   | "" | "" |  | Other("pause_turn") | no usage
        compaction:   | "" | "" |  | Other("compaction") | no usage
        hiccup:   | "" | "" |  | Other("hiccup") | no usage
        call, end_turn:   | "" | "" | t=f{} | ToolCalls | no usage
        call, null:   | "" | "" | t=f{} | ToolCalls | no usage
        null:   | "" | "" |  | Stop | no usage
    "#]]
    .assert_eq(&lines);
}

#[test]
fn refusal_is_a_block_with_partial_text() {
    check(
        r#"{"id":"msg_1","type":"message","content":[{"type":"text","text":"Well, "}],"stop_reason":"refusal",
            "stop_details":{"type":"refusal","category":"cyber","explanation":"no exploits"},"usage":{"input_tokens":9,"output_tokens":4}}"#,
        &expect![[
            r#"refused | cyber: no exploits | "Well, " | in 9 (0 read, 0 written) out 4 (0 thought) | Body { status: 200, raw: Some(Raw(anthropic, 238 bytes)) }"#
        ]],
    );
    check(
        r#"{"type":"message","content":[],"stop_reason":"refusal","stop_details":null}"#,
        &expect![[
            r#"refused |  | "" | no usage | Body { status: 200, raw: Some(Raw(anthropic, 75 bytes)) }"#
        ]],
    );
}

#[test]
fn invalid_bodies_are_malformed_or_reported_errors() {
    check(
        r#"{"type":"message","content":[],"stop_reason":"end_turn","usage":{"input_tokens":-1,"output_tokens":1e99}}"#,
        &expect![[r#"  | "" | "" |  | Stop | no usage"#]],
    );
    check(
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        &expect![[r#"reported Some("overloaded_error"): Overloaded"#]],
    );
    check(
        r#"{"error":{"type":"api_error","message":"no"}}"#,
        &expect![[r#"reported Some("api_error"): no"#]],
    );
    check("<html>secret prompt</html>", &expect!["malformed: the answer is not JSON: line 1 column 1"]);
    check("", &expect!["malformed: the answer is JSON cut short"]);
    check(
        "null",
        &expect!["malformed: the answer does not have the shape of an Anthropic message: line 1 column 4"],
    );
    check(r#"{"id":"chatcmpl-1","choices":[]}"#, &expect!["malformed: the answer has no content"]);
    check(
        r#"{"type":"message","content":"text"}"#,
        &expect![
            "malformed: the answer's content does not have the shape of an Anthropic message: line 1 column 6"
        ],
    );
    check(
        r#"{"type":"message","content":[{"type":"text","text":1}]}"#,
        &expect!["malformed: a text block does not have the shape of an Anthropic message: line 1 column 1"],
    );
    check(
        r#"{"type":"message","content":[{"type":"tool_use","id":"t","input":{}}]}"#,
        &expect!["malformed: a tool call has no id or no name"],
    );
    check(
        r#"{"type":"message","content":[{"type":"tool_use","id":"t","name":"f","input":"{}"}]}"#,
        &expect!["malformed: the input of a tool call is no object"],
    );
    check(
        r#"{"type":"message","content":[{"type":"text","text":"cut"#,
        &expect!["malformed: the answer is JSON cut short"],
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        drop(reply(&Bytes::from(bytes)));
    }

    #[test]
    fn no_fields_panic(
        field in "(type|content|stop_reason|stop_details|usage|error|id|model)",
        value in "(null|1|-1|\"\"|\"x\"|\\[\\]|\\{\\}|\\[1\\]|\\[\\{\\}\\]|\\{\"type\":1\\}|\\[\\{\"type\":\"tool_use\",\"input\":1\\}\\])",
    ) {
        drop(reply(&Bytes::from(format!(r#"{{"content":[],"{field}":{value}}}"#))));
        drop(reply(&Bytes::from(format!(r#"{{"{field}":{value}}}"#))));
    }
}
