#![expect(clippy::too_many_lines, reason = "a test is a table")]

use std::fmt::Write;

use bytes::Bytes;
use expect_test::{Expect, expect};

use super::*;
use crate::anthropic::{Limits, encode, request};

fn parse(fields: &str) -> Result<Chat, InvalidRequest> {
    let messages =
        if fields.contains(r#""messages""#) { "" } else { r#","messages":[{"role":"user","content":"hi"}]"# };
    let comma = if fields.is_empty() { "" } else { "," };
    let body = format!(r#"{{"model":"m","max_tokens":5{messages}{comma}{fields}}}"#);
    request(Bytes::from(body))?.chat().cloned().map_err(Clone::clone)
}

/// Shows the differences from a plain "hi", one per line.
fn show(chat: &Chat) -> String {
    let bare = parse("").unwrap();
    let mut out = String::new();
    let mut line = |name: &str, differs: bool, value: String| {
        if differs {
            writeln!(out, "{name}: {value}").unwrap();
        }
    };
    if chat.messages != bare.messages {
        for message in &chat.messages {
            line("message", true, format!("{:?} {:?}", message.role, message.parts));
        }
    }
    for tool in &chat.tools {
        line("tool", true, format!("{tool:?}"));
    }
    line("tool_choice", chat.tool_choice.is_some(), format!("{:?}", chat.tool_choice));
    line("parallel_tools", chat.parallel_tools.is_some(), format!("{:?}", chat.parallel_tools));
    line("format", chat.format != bare.format, format!("{:?}", chat.format));
    line("max_tokens", chat.max_tokens != bare.max_tokens, format!("{:?}", chat.max_tokens));
    line("sampling", chat.sampling != bare.sampling, format!("{:?}", chat.sampling));
    line("effort", chat.effort.is_some(), format!("{:?}", chat.effort));
    line("user", chat.user.is_some(), format!("{:?}", chat.user));
    for extra in &chat.extra {
        line("extra", true, format!("{} ({}) = {:?}", extra.path, extra.name, extra.value));
    }
    out
}

/// Checks fields of a body against the parsed result.
fn check<const N: usize>(rows: [(&str, Expect); N]) {
    for (fields, expected) in rows {
        let out = match parse(fields) {
            Ok(chat) => show(&chat),
            Err(error) => format!("{:?} {error}\n", error.param.as_deref().unwrap_or_default()),
        };
        expected.assert_eq(&out);
    }
}

#[test]
fn top_level_fields_are_parsed() {
    check([
        (
            r#""system":"rules""#,
            expect![[r#"
            message: System [Text("rules")]
            message: User [Text("hi")]
        "#]],
        ),
        (
            r#""system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"5m"}},{"type":"text","text":"b"}]"#,
            expect![[r#"
                message: System [Text("a"), Text("b")]
                message: User [Text("hi")]
                extra: system[0].cache_control (cache_control) = {"type":"ephemeral","ttl":"5m"}
            "#]],
        ),
        (r#""system":"""#, expect![""]),
        (
            r#""stop_sequences":["END","STOP"]"#,
            expect![[r#"
            sampling: Sampling { temperature: None, top_p: None, top_k: None, seed: None, frequency_penalty: None, presence_penalty: None, stop: ["END", "STOP"] }
        "#]],
        ),
        (
            r#""temperature":0,"top_p":0.5,"top_k":7"#,
            expect![[r#"
            sampling: Sampling { temperature: Some(0.0), top_p: Some(0.5), top_k: Some(7), seed: None, frequency_penalty: None, presence_penalty: None, stop: [] }
        "#]],
        ),
        (
            r#""metadata":{"user_id":"opaque","more":1}"#,
            expect![[r#"
            user: Some("opaque")
            extra: metadata.more (more) = 1
        "#]],
        ),
        (r#""stream":true"#, expect![""]),
        (
            r#""service_tier":"auto""#,
            expect![[r#"
            extra: service_tier (service_tier) = "auto"
        "#]],
        ),
        (
            r#""cache_control":{"type":"ephemeral"}"#,
            expect![[r#"
            extra: cache_control (cache_control) = {"type":"ephemeral"}
        "#]],
        ),
        (
            r#""container":"c","inference_geo":"us","speed":"fast","diagnostics":{}"#,
            expect![[r#"
            extra: container (container) = "c"
            extra: inference_geo (inference_geo) = "us"
            extra: speed (speed) = "fast"
            extra: diagnostics (diagnostics) = {}
        "#]],
        ),
        (
            r#""mcp_servers":[],"context_management":{},"fallbacks":[],"betas":["b"],"yet_to_come":1"#,
            expect![[r#"
                extra: mcp_servers (mcp_servers) = []
                extra: context_management (context_management) = {}
                extra: fallbacks (fallbacks) = []
                extra: betas (betas) = ["b"]
                extra: yet_to_come (yet_to_come) = 1
            "#]],
        ),
        (r#""temperature":null,"yet_to_come":null"#, expect![""]),
        // The last of duplicate fields wins.
        (
            r#""max_tokens":6,"metadata":{"user_id":"a"},"metadata":{"user_id":"b"}"#,
            expect![[r#"
            max_tokens: Some(6)
            user: Some("b")
        "#]],
        ),
    ]);
}

#[test]
fn content_blocks_are_parsed() {
    let user = |blocks: &str| format!(r#""messages":[{{"role":"user","content":[{blocks}]}}]"#);
    check([
        (
            &user(r#"{"type":"text","text":"hi","cache_control":{"type":"ephemeral"},"citations":[]}"#),
            expect![[r#"
                extra: messages[0].content[0].cache_control (cache_control) = {"type":"ephemeral"}
                extra: messages[0].content[0].citations (citations) = []
            "#]],
        ),
        (
            &user(
                r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"},"cache_control":{"type":"ephemeral"}}"#,
            ),
            expect![[r#"
                message: User [Image(Image { source: Base64 { media_type: "image/png", data: "AAAA" }, detail: None })]
                extra: messages[0].content[0].cache_control (cache_control) = {"type":"ephemeral"}
            "#]],
        ),
        (
            &user(r#"{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}"#),
            expect![[r#"
            message: User [Image(Image { source: Url("https://example.com/a.png"), detail: None })]
        "#]],
        ),
        (
            &user(r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#),
            expect![[r#"
            message: User [Other { kind: "image", value: {"type":"image","source":{"type":"file","file_id":"f"}} }]
        "#]],
        ),
        (
            &user(r#"{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}"#),
            expect![[r#"
                message: User [Other { kind: "document", value: {"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}} }]
            "#]],
        ),
        (
            &user(
                r#"{"type":"text","text":"see"},{"type":"tool_result","tool_use_id":"toolu_1","content":"ok"},{"type":"tool_result","tool_use_id":"toolu_2","is_error":true,"content":[{"type":"text","text":"no"},{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},{"type":"search_result","source":"s"}],"cache_control":{"type":"ephemeral"}}"#,
            ),
            expect![[r#"
                message: Tool [ToolResult(ToolResult { id: "toolu_1", parts: [Text("ok")], is_error: false })]
                message: Tool [ToolResult(ToolResult { id: "toolu_2", parts: [Text("no"), Image(Image { source: Url("https://example.com/a.png"), detail: None }), Other { kind: "search_result", value: {"type":"search_result","source":"s"} }], is_error: true })]
                message: User [Text("see")]
                extra: messages[0].content[2].cache_control (cache_control) = {"type":"ephemeral"}
            "#]],
        ),
        (
            &user(r#"{"type":"tool_result","tool_use_id":"toolu_1"}"#),
            expect![[r#"
            message: Tool [ToolResult(ToolResult { id: "toolu_1", parts: [], is_error: false })]
        "#]],
        ),
        (
            &user(""),
            expect![[r#"
            message: User []
        "#]],
        ),
        (
            r#""messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"thinking","thinking":"","signature":""},{"type":"redacted_thinking","data":"x"},{"type":"text","text":"a"},{"type":"tool_use","id":"toolu_1","name":"f","input":{ "a": 1 },"caller":{"type":"direct"}},{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}]},{"role":"system","content":"new rules","note":1}]"#,
            expect![[r#"
                message: User [Text("q")]
                message: Assistant [Thinking { text: "hm", signature: Some("s") }, Thinking { text: "", signature: None }, Other { kind: "redacted_thinking", value: {"type":"redacted_thinking","data":"x"} }, Text("a"), ToolCall(ToolCall { id: "toolu_1", name: "f", arguments: "{ \"a\": 1 }" }), Other { kind: "server_tool_use", value: {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}} }]
                message: System [Text("new rules")]
                extra: messages[1].content[4].caller (caller) = {"type":"direct"}
                extra: messages[2].note (note) = 1
            "#]],
        ),
    ]);
}

#[test]
fn tools_and_response_format() {
    check([
        (
            r#""tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true,"cache_control":{"type":"ephemeral"},"input_examples":[]},{"type":"custom","name":"g"}]"#,
            expect![[r#"
                tool: Tool { name: "f", description: Some("d"), parameters: Some({"type":"object"}), strict: Some(true) }
                tool: Tool { name: "g", description: None, parameters: None, strict: None }
                extra: tools[0].cache_control (cache_control) = {"type":"ephemeral"}
                extra: tools[0].input_examples (input_examples) = []
            "#]],
        ),
        (
            r#""tools":[{"type":"web_search_20250305","name":"web_search","max_uses":1}]"#,
            expect![[r#"
            extra: tools[0] (tools) = {"type":"web_search_20250305","name":"web_search","max_uses":1}
        "#]],
        ),
        (
            r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#,
            expect![[r#"
            tool_choice: Some(Auto)
            parallel_tools: Some(false)
        "#]],
        ),
        (
            r#""tool_choice":{"type":"any","disable_parallel_tool_use":false}"#,
            expect![[r#"
            tool_choice: Some(Required)
            parallel_tools: Some(true)
        "#]],
        ),
        (
            r#""tool_choice":{"type":"tool","name":"f"}"#,
            expect![[r#"
            tool_choice: Some(Named("f"))
        "#]],
        ),
        (
            r#""tool_choice":{"type":"none"}"#,
            expect![[r#"
            tool_choice: Some(None)
        "#]],
        ),
        (
            r#""output_config":{"effort":"medium","format":{"type":"json_schema","schema":{"type":"object"},"more":1},"task_budget":{}}"#,
            expect![[r#"
                format: JsonSchema(Schema { name: "answer", description: None, schema: {"type":"object"}, strict: Some(true) })
                effort: Some(Medium)
                extra: output_config.format.more (more) = 1
                extra: output_config.task_budget (task_budget) = {}
            "#]],
        ),
        (
            r#""output_config":{"effort":"extreme","format":{"type":"grammar"}}"#,
            expect![[r#"
            extra: output_config.effort (effort) = "extreme"
            extra: output_config.format (format) = {"type":"grammar"}
        "#]],
        ),
        (
            r#""output_format":{"type":"json_schema","schema":{}}"#,
            expect![[r#"
            format: JsonSchema(Schema { name: "answer", description: None, schema: {}, strict: Some(true) })
        "#]],
        ),
    ]);
}

#[test]
fn thinking_becomes_effort() {
    check([
        (
            r#""thinking":{"type":"disabled"}"#,
            expect![[r#"
            effort: Some(None)
        "#]],
        ),
        (
            r#""thinking":{"type":"disabled"},"output_config":{"effort":"high"}"#,
            expect![[r#"
            effort: Some(None)
        "#]],
        ),
        (
            r#""thinking":{"type":"adaptive","display":"summarized"}"#,
            expect![[r#"
            extra: thinking.display (display) = "summarized"
        "#]],
        ),
        (
            r#""thinking":{"type":"adaptive"},"output_config":{"effort":"max"}"#,
            expect![[r#"
            effort: Some(Max)
        "#]],
        ),
        (
            r#""thinking":{"type":"enabled","budget_tokens":1024}"#,
            expect![[r#"
            effort: Some(Low)
        "#]],
        ),
        (
            r#""thinking":{"type":"enabled","budget_tokens":2048}"#,
            expect![[r#"
            effort: Some(Medium)
        "#]],
        ),
        (
            r#""thinking":{"type":"enabled","budget_tokens":31999}"#,
            expect![[r#"
            effort: Some(High)
        "#]],
        ),
        (
            r#""thinking":{"type":"between_tools"}"#,
            expect![[r#"
            extra: thinking (thinking) = {"type":"between_tools"}
        "#]],
        ),
    ]);
}

#[test]
fn errors_name_the_field_without_content() {
    check([
        (
            r#""messages":[7]"#,
            expect![[r#"
            "messages[0]" messages[0]: expected an object, got 7
        "#]],
        ),
        (
            r#""messages":[{"content":"x"}]"#,
            expect![[r#"
            "messages[0].role" messages[0].role: missing; expected one of user, assistant, system
        "#]],
        ),
        (
            r#""messages":[{"role":"tool","content":"x"}]"#,
            expect![[r#"
            "messages[0].role" messages[0].role: expected one of user, assistant, system, got another string
        "#]],
        ),
        (
            r#""messages":[{"role":"user"}]"#,
            expect![[r#"
            "messages[0].content" messages[0].content: missing; expected a string or an array of content blocks
        "#]],
        ),
        (
            r#""messages":[{"role":"user","content":7}]"#,
            expect![[r#"
            "messages[0].content" messages[0].content: expected a string or an array of content blocks, got 7
        "#]],
        ),
        (
            r#""messages":[{"role":"user","content":[{"text":"secret"}]}]"#,
            expect![[r#"
            "messages[0].content[0].type" messages[0].content[0].type: missing; expected the type of the block
        "#]],
        ),
        (
            r#""messages":[{"role":"user","content":[{"type":"text"}]}]"#,
            expect![[r#"
            "messages[0].content[0].text" messages[0].content[0].text: missing; expected a string
        "#]],
        ),
        (
            r#""messages":[{"role":"user","content":[{"type":"image","source":"secret"}]}]"#,
            expect![[r#"
            "messages[0].content[0].source" messages[0].content[0].source: expected an object, got a string
        "#]],
        ),
        (
            r#""messages":[{"role":"user","content":[{"type":"tool_result","content":"secret"}]}]"#,
            expect![[r#"
                "messages[0].content[0].tool_use_id" messages[0].content[0].tool_use_id: missing; expected the id of the call it answers
            "#]],
        ),
        (
            r#""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":"secret"}]}]"#,
            expect![[r#"
                "messages[0].content[0].input" messages[0].content[0].input: expected an object, got a string
            "#]],
        ),
        (
            r#""system":7"#,
            expect![[r#"
            "system" system: expected a string or an array of content blocks, got 7
        "#]],
        ),
        (
            r#""tools":[{"name":7}]"#,
            expect![[r#"
            "tools[0].name" tools[0].name: expected a string, got 7
        "#]],
        ),
        (
            r#""tool_choice":"auto""#,
            expect![[r#"
            "tool_choice" tool_choice: expected an object, got a string
        "#]],
        ),
        (
            r#""tool_choice":{"type":"some"}"#,
            expect![[r#"
            "tool_choice.type" tool_choice.type: expected one of auto, any, tool, none, got another string
        "#]],
        ),
        (
            r#""thinking":{"type":"enabled"}"#,
            expect![[r#"
            "thinking.budget_tokens" thinking.budget_tokens: missing; expected an integer of at least 1024
        "#]],
        ),
        (
            r#""stop_sequences":"END""#,
            expect![[r#"
            "stop_sequences" stop_sequences: expected an array, got a string
        "#]],
        ),
        (
            r#""temperature":"hot""#,
            expect![[r#"
            "temperature" temperature: expected a number from 0 to 1, got a string
        "#]],
        ),
        (
            r#""output_config":{"format":{"type":"json_schema"}}"#,
            expect![[r#"
            "output_config.format.schema" output_config.format.schema: missing; expected a JSON schema
        "#]],
        ),
    ]);
}

/// Fields that both dialects support survive a round trip.
#[test]
fn parsed_request_survives_a_round_trip() {
    let body = r#"{"model":"claude-opus-5-5","max_tokens":5,"system":[{"type":"text","text":"rules"}],"messages":[{"role":"user","content":[{"type":"text","text":"q"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},{"type":"document","source":{"type":"url","url":"u"}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"x"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"ok"}],"is_error":true},{"type":"text","text":"go on"}]},{"role":"system","content":[{"type":"text","text":"new rules"}]}],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"output_config":{"effort":"high"},"thinking":{"type":"adaptive"},"stop_sequences":["END"],"metadata":{"user_id":"u"},"stream":true}"#;
    let request = request(Bytes::from(body)).unwrap();
    let model = "claude-opus-5-5";
    let encoded = encode(request.chat().unwrap(), model, true, &Limits::for_model(model)).unwrap();
    assert_eq!(str::from_utf8(&encoded.body).unwrap(), body);
    assert_eq!(encoded.notes, []);
}
