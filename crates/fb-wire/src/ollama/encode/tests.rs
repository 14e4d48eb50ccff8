//! The encoding of each field of a chat, in the order of the design's translation table.

use expect_test::{Expect, expect};
use fb_core::{Sampling, Schema, ToolCall};

use super::*;

#[track_caller]
fn check(chat: &Chat, expected: &Expect) {
    expected.assert_eq(&shown(chat, None));
}

fn shown(chat: &Chat, num_ctx: Option<u32>) -> String {
    match encode(chat, "m", false, num_ctx) {
        Ok(Encoded { body, notes }) => {
            let body = String::from_utf8(body.to_vec()).unwrap();
            let notes = notes.iter().map(ToString::to_string);
            [body].into_iter().chain(notes).collect::<Vec<_>>().join("\n")
        }
        Err(refusal) => format!("refused: {refusal}"),
    }
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn user(parts: Vec<Part>) -> Chat {
    message_from(Role::User, parts)
}

fn message_from(role: Role, parts: Vec<Part>) -> Chat {
    Chat { messages: vec![Message { role, name: None, parts }], ..Chat::default() }
}

fn hi() -> Chat {
    user(vec![Part::Text("hi".to_owned())])
}

fn extra(name: &str, value: &str) -> Chat {
    let extra = Extra { path: name.to_owned(), name: name.to_owned(), value: json(value) };
    Chat { extra: vec![extra], ..hi() }
}

fn tool(name: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        description: Some("d".to_owned()),
        parameters: Some(json(r#"{"type":"object"}"#)),
        strict: None,
    }
}

fn image(source: ImageSource, detail: Option<&str>) -> Part {
    Part::Image(Image { source, detail: detail.map(str::to_owned) })
}

fn base64() -> ImageSource {
    ImageSource::Base64 { media_type: "image/png".to_owned(), data: "QUJD".to_owned() }
}

#[test]
fn messages() {
    let text = |role, text: &str| Message::text(role, text);
    check(
        &Chat {
            messages: vec![
                text(Role::System, "a"),
                text(Role::User, "b"),
                text(Role::User, "c"),
                text(Role::Developer, "d"),
                text(Role::User, "e"),
            ],
            ..Chat::default()
        },
        &expect![[
            r#"{"model":"m","messages":[{"role":"system","content":"a"},{"role":"user","content":"b"},{"role":"user","content":"c"},{"role":"system","content":"d"},{"role":"user","content":"e"}],"stream":false}"#
        ]],
    );
    check(
        &message_from(Role::Assistant, vec![Part::Text("Once".to_owned())]),
        &expect![[r#"
        {"model":"m","messages":[{"role":"assistant","content":"Once"}],"stream":false}
        messages: ends with the assistant: Ollama may begin anew instead of continuing"#]],
    );
    check(
        &user(vec![Part::Text("a".to_owned()), Part::Text("b".to_owned())]),
        &expect![[r#"{"model":"m","messages":[{"role":"user","content":"a\n\nb"}],"stream":false}"#]],
    );
    let named = Message { name: Some("ann".to_owned()), ..text(Role::User, "hi") };
    check(
        &Chat { messages: vec![named], ..Chat::default() },
        &expect![[r#"
        {"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false}
        messages[0].name: left out: Ollama's messages have no names"#]],
    );
    check(
        &message_from(
            Role::Assistant,
            vec![
                Part::Thinking { text: "hm".to_owned(), signature: Some("s".to_owned()) },
                Part::Refusal("No.".to_owned()),
                Part::Other { kind: "redacted_thinking".to_owned(), value: json("{}") },
            ],
        ),
        &expect![[r#"
            {"model":"m","messages":[{"role":"assistant","content":"No.","thinking":"hm"}],"stream":false}
            messages[0].content[2]: left out: thinking is bound to the model that wrote it
            messages: ends with the assistant: Ollama may begin anew instead of continuing"#]],
    );
    for kind in ["input_audio", "file", "document"] {
        let other = Part::Other { kind: kind.to_owned(), value: json("{}") };
        let shown = shown(&user(vec![other]), None);
        assert_eq!(shown, format!("refused: messages[0].content[0]: Ollama takes no content of type {kind}"));
    }
}

#[test]
fn images() {
    check(
        &user(vec![image(base64(), None), Part::Text("what?".to_owned())]),
        &expect![[
            r#"{"model":"m","messages":[{"role":"user","content":"what?","images":["QUJD"]}],"stream":false}"#
        ]],
    );
    check(
        &user(vec![image(base64(), Some("high"))]),
        &expect![[r#"
        {"model":"m","messages":[{"role":"user","content":"","images":["QUJD"]}],"stream":false}
        messages[0].content[0].detail: left out: Ollama looks at pictures in one way"#]],
    );
    check(
        &user(vec![image(ImageSource::Url("https://host/cat.png".to_owned()), None)]),
        &expect!["refused: messages[0].content[0]: Ollama takes pictures only as base64"],
    );
}

#[test]
fn tools() {
    let with = |choice, parallel| Chat {
        tools: vec![tool("f"), tool("g")],
        tool_choice: choice,
        parallel_tools: parallel,
        ..hi()
    };
    check(
        &with(None, None),
        &expect![[
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g","description":"d","parameters":{"type":"object"}}}],"stream":false}"#
        ]],
    );
    check(
        &with(Some(ToolChoice::Auto), Some(true)),
        &expect![[
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g","description":"d","parameters":{"type":"object"}}}],"stream":false}"#
        ]],
    );
    check(
        &with(Some(ToolChoice::None), Some(false)),
        &expect![[r#"
        {"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false}
        tool_choice: no tools sent: Ollama cannot be told to leave them alone"#]],
    );
    check(
        &with(Some(ToolChoice::Required), None),
        &expect!["refused: tool_choice: Ollama cannot be made to call a tool"],
    );
    check(
        &with(Some(ToolChoice::Named("g".to_owned())), Some(false)),
        &expect![[r#"
        {"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"g","description":"d","parameters":{"type":"object"}}}],"stream":false}
        tool_choice: only that tool is sent, but Ollama need not call it
        parallel_tool_calls: Ollama may call several tools at once"#]],
    );
    check(
        &Chat { tools: vec![Tool { strict: Some(true), ..tool("f") }], ..hi() },
        &expect![[r#"
        {"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],"stream":false}
        tools: strict left out: Ollama does not enforce it"#]],
    );
    check(
        &Chat { tool_choice: Some(ToolChoice::Required), ..hi() },
        &expect![[r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false}"#]],
    );
}

#[test]
fn calls_and_results() {
    let call = |arguments: &str| {
        Part::ToolCall(ToolCall { id: "1".to_owned(), name: "f".to_owned(), arguments: arguments.to_owned() })
    };
    let result = |parts, is_error| Part::ToolResult(ToolResult { id: "1".to_owned(), parts, is_error });
    let message = |role, parts| Message { role, name: None, parts };
    let ok = result(vec![Part::Text("warm".to_owned())], false);
    let seen = result(vec![image(base64(), None)], true);
    check(
        &Chat {
            messages: vec![
                message(Role::Assistant, vec![call("{\"a\":1}"), call("")]),
                message(Role::Tool, vec![ok]),
                message(Role::User, vec![seen, Part::Text("so?".to_owned())]),
            ],
            ..Chat::default()
        },
        &expect![[r#"
            {"model":"m","messages":[{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f","arguments":{}}}]},{"role":"tool","content":"warm","tool_name":"f"},{"role":"tool","content":"The tool failed:","images":["QUJD"],"tool_name":"f"},{"role":"user","content":"so?"}],"stream":false}
            messages[2].content[0].is_error: said in words: Ollama has no mark for a failed tool
            messages[2].content[0].content[0]: Ollama's models may not look at a tool's pictures"#]],
    );
    check(
        &message_from(Role::Assistant, vec![call("[1]")]),
        &expect!["refused: messages[0].content[0].arguments: Ollama takes only a JSON object"],
    );
    check(
        &message_from(Role::Assistant, vec![call("{oops")]),
        &expect!["refused: messages[0].content[0].arguments: Ollama takes only a JSON object"],
    );
}

#[test]
fn formats() {
    check(
        &Chat { format: Format::JsonObject, ..hi() },
        &expect![[
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"format":"json","stream":false}"#
        ]],
    );
    let schema = Schema {
        name: "x".to_owned(),
        description: None,
        schema: json(r#"{"type":"object"}"#),
        strict: Some(true),
    };
    check(
        &Chat { format: Format::JsonSchema(schema), tools: vec![tool("f")], ..hi() },
        &expect![[r#"
        {"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],"format":{"type":"object"},"stream":false}
        response_format: sent beside tools, which Ollama may then not call"#]],
    );
}

#[test]
fn zero_valued_numbers_are_sent() {
    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(0.5),
        top_k: Some(40),
        seed: Some(0),
        frequency_penalty: Some(0.1),
        presence_penalty: Some(0.2),
        stop: vec!["END".to_owned()],
    };
    check(
        &Chat { max_tokens: Some(7), sampling, user: Some("u".to_owned()), ..hi() },
        &expect![[r#"
        {"model":"m","messages":[{"role":"user","content":"hi"}],"options":{"num_predict":7,"temperature":0.0,"top_p":0.5,"top_k":40,"seed":0,"frequency_penalty":0.1,"presence_penalty":0.2,"stop":["END"]},"stream":false}
        user: left out: Ollama keeps no records of users"#]],
    );
}

#[test]
fn effort() {
    let all = [
        Effort::None,
        Effort::Minimal,
        Effort::Low,
        Effort::Medium,
        Effort::High,
        Effort::Xhigh,
        Effort::Max,
    ];
    let sent: Vec<String> = all
        .into_iter()
        .map(|effort| {
            let shown = shown(&Chat { effort: Some(effort), ..hi() }, None);
            let think = shown.split("\"think\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
            format!("{} {think}{}", effort.name(), if shown.contains('\n') { " noted" } else { "" })
        })
        .collect();
    expect![[r#"
        none false
        minimal "low" noted
        low "low"
        medium "medium"
        high "high"
        xhigh "high" noted
        max "high" noted"#]]
    .assert_eq(&sent.join("\n"));
}

#[test]
fn extra_fields_are_noted_or_refused() {
    for name in [
        "logit_bias",
        "prediction",
        "modalities",
        "web_search_options",
        "moderation",
        "mcp_servers",
        "unknown",
    ] {
        assert_eq!(
            shown(&extra(name, "{\"a\":1}"), None),
            format!("refused: {name}: Ollama's chat has no such thing")
        );
    }
    for (name, value) in [("n", "2"), ("logprobs", "true"), ("top_logprobs", "3")] {
        assert_eq!(
            shown(&extra(name, value), None),
            format!("refused: {name}: Ollama's chat has no such thing")
        );
    }
    for (name, value) in [("n", "1"), ("logprobs", "false"), ("top_logprobs", "0"), ("unknown", "null")] {
        assert_eq!(shown(&extra(name, value), None), shown(&hi(), None), "{name}");
    }
    for (name, _) in DROPPED {
        let shown = shown(&extra(name, "{}"), None);
        assert!(shown.contains(&format!("\n{name}: left out: ")), "{shown}");
    }
}

#[test]
fn prompt_larger_than_the_window_is_refused() {
    let long = user(vec![Part::Text("four".repeat(1000))]);
    assert!(shown(&long, Some(1100)).contains(r#""options":{"num_ctx":1100}"#));
    assert_eq!(
        shown(&long, Some(1000)),
        "refused: messages: about 1004 tokens do not fit the configured num_ctx of 1000"
    );
    let answer = Chat { max_tokens: Some(200), ..long };
    assert!(shown(&answer, Some(1100)).starts_with("refused: messages: about 1204 tokens"));
    let russian = user(vec![Part::Text("м".repeat(1000))]);
    assert!(shown(&russian, Some(500)).starts_with("refused"));
}
