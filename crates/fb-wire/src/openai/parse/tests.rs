use bytes::Bytes;
use expect_test::{Expect, expect};

use super::*;
use crate::openai::request;

fn typed(body: &str) -> Result<Chat, InvalidRequest> {
    request(Bytes::copy_from_slice(body.as_bytes()))?.chat().cloned().map_err(Clone::clone)
}

fn with(field: &str) -> Chat {
    typed(&format!(r#"{{"model":"m","messages":[],{field}}}"#)).unwrap()
}

fn of_messages(messages: &str) -> Result<Chat, InvalidRequest> {
    typed(&format!(r#"{{"model":"m","messages":[{messages}]}}"#))
}

fn paths(chat: &Chat) -> Vec<&str> {
    chat.extra.iter().map(|extra| &*extra.path).collect()
}

/// The expected result for a field.
enum Lands {
    /// Only in the typed view.
    Typed(fn(&mut Chat)),
    /// In `extra`, under its own name.
    Extra,
    /// Ignored, because it has the default value.
    Nowhere,
}

#[test]
fn fields_are_parsed_or_kept() {
    use Lands::{Extra, Nowhere, Typed};
    let table: &[(&str, Lands)] = &[
        (r#""temperature":0"#, Typed(|chat| chat.sampling.temperature = Some(0.0))),
        (r#""top_p":0.5"#, Typed(|chat| chat.sampling.top_p = Some(0.5))),
        (r#""top_k":4"#, Typed(|chat| chat.sampling.top_k = Some(4))),
        (r#""seed":0"#, Typed(|chat| chat.sampling.seed = Some(0))),
        (r#""frequency_penalty":-2"#, Typed(|chat| chat.sampling.frequency_penalty = Some(-2.0))),
        (r#""presence_penalty":2"#, Typed(|chat| chat.sampling.presence_penalty = Some(2.0))),
        (r#""stop":"END""#, Typed(|chat| chat.sampling.stop = vec!["END".to_owned()])),
        (r#""stop":["a","b"]"#, Typed(|chat| chat.sampling.stop = vec!["a".to_owned(), "b".to_owned()])),
        (r#""max_completion_tokens":9"#, Typed(|chat| chat.max_tokens = Some(9))),
        (r#""max_tokens":9"#, Typed(|chat| chat.max_tokens = Some(9))),
        (r#""max_tokens":9,"max_completion_tokens":9"#, Typed(|chat| chat.max_tokens = Some(9))),
        (r#""reasoning_effort":"minimal""#, Typed(|chat| chat.effort = Some(Effort::Minimal))),
        (r#""reasoning_effort":"max""#, Typed(|chat| chat.effort = Some(Effort::Max))),
        (r#""user":"u""#, Typed(|chat| chat.user = Some("u".to_owned()))),
        (r#""parallel_tool_calls":false"#, Typed(|chat| chat.parallel_tools = Some(false))),
        (r#""tools":[]"#, Typed(|_| {})),
        (
            r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{},"strict":true}}]"#,
            Typed(|chat| {
                chat.tools = vec![Tool {
                    name: "f".to_owned(),
                    description: Some("d".to_owned()),
                    parameters: Some(fb_core::Json::parse("{}").unwrap()),
                    strict: Some(true),
                }];
            }),
        ),
        (r#""tool_choice":"none""#, Typed(|chat| chat.tool_choice = Some(ToolChoice::None))),
        (r#""tool_choice":"auto""#, Typed(|chat| chat.tool_choice = Some(ToolChoice::Auto))),
        (r#""tool_choice":"required""#, Typed(|chat| chat.tool_choice = Some(ToolChoice::Required))),
        (
            r#""tool_choice":{"type":"function","function":{"name":"f"}}"#,
            Typed(|chat| chat.tool_choice = Some(ToolChoice::Named("f".to_owned()))),
        ),
        (r#""tool_choice":{"type":"custom","custom":{"name":"f"}}"#, Extra),
        (r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}"#, Extra),
        (r#""response_format":{"type":"text"}"#, Typed(|_| {})),
        (r#""response_format":{"type":"json_object"}"#, Typed(|chat| chat.format = Format::JsonObject)),
        (
            r#""response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{},"description":"d","strict":true}}"#,
            Typed(|chat| {
                chat.format = Format::JsonSchema(Schema {
                    name: "x".to_owned(),
                    description: Some("d".to_owned()),
                    schema: fb_core::Json::parse("{}").unwrap(),
                    strict: Some(true),
                });
            }),
        ),
        (r#""response_format":{"type":"grammar","grammar":""}"#, Extra),
        (r#""n":2"#, Extra),
        (r#""logprobs":true"#, Extra),
        (r#""top_logprobs":5"#, Extra),
        (r#""logit_bias":{"50256":-100}"#, Extra),
        (r#""store":false"#, Extra),
        (r#""metadata":{"a":"b"}"#, Extra),
        (r#""service_tier":"flex""#, Extra),
        (r#""verbosity":"low""#, Extra),
        (r#""prediction":{"type":"content","content":"x"}"#, Extra),
        (r#""modalities":["text","audio"]"#, Extra),
        (r#""audio":{"voice":"alloy","format":"wav"}"#, Extra),
        (r#""web_search_options":{}"#, Extra),
        (r#""prompt_cache_key":"k""#, Extra),
        (r#""prompt_cache_options":{"mode":"implicit"}"#, Extra),
        (r#""prompt_cache_retention":"24h""#, Extra),
        (r#""safety_identifier":"s""#, Extra),
        (r#""moderation":{"model":"m"}"#, Extra),
        (r#""function_call":"auto""#, Extra),
        (r#""functions":[{"name":"f"}]"#, Extra),
        (r#""reasoning_effort":"default""#, Extra),
        (r#""a_field_of_tomorrow":{"deep":[1]}"#, Extra),
        (r#""n":1"#, Nowhere),
        (r#""logprobs":false"#, Nowhere),
        (r#""top_logprobs":0"#, Nowhere),
        (r#""logit_bias":{}"#, Nowhere),
        (r#""modalities":["text"]"#, Nowhere),
        (r#""stream":true"#, Nowhere),
        (r#""stream_options":{"include_usage":true}"#, Nowhere),
        (r#""temperature":null"#, Nowhere),
        (r#""tools":null,"tool_choice":null,"response_format":null,"stop":null,"metadata":null"#, Nowhere),
    ];
    for (field, lands) in table {
        let chat = with(field);
        let mut expected = Chat::default();
        match lands {
            Nowhere => {}
            Typed(set) => set(&mut expected),
            Extra => {
                let (name, value) = field.split_once(':').unwrap();
                let name = name.trim_matches('"').to_owned();
                let value = fb_core::Json::parse(value).unwrap();
                expected.extra = vec![fb_core::Extra { path: name.clone(), name, value }];
            }
        }
        assert_eq!(chat, expected, "{field}");
    }
}

#[test]
fn messages_are_parsed_completely() {
    let chat = of_messages(
        r#"{"role":"developer","content":"rules"},
           {"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"ops"},
           {"role":"user","content":[{"type":"text","text":"hi"},
             {"type":"image_url","image_url":{"url":"https://x/y.png","detail":"high"}},
             {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
             {"type":"input_audio","input_audio":{"data":"b64","format":"wav"}},
             {"type":"file","file":{"filename":"a.pdf"}}]},
           {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
           {"role":"tool","tool_call_id":"call_1","content":"result"},
           {"role":"assistant","content":"","refusal":"no","reasoning_content":"hm","tool_calls":[]},
           {"role":"assistant","content":[{"type":"text","text":"t"},{"type":"refusal","refusal":"r"}]}"#,
    )
    .unwrap();
    assert_eq!(chat.extra, []);
    expect![[r#"
        Developer: [Text("rules")]
        System ops: [Text("a"), Text("b")]
        User: [Text("hi"), Image(Image { source: Url("https://x/y.png"), detail: Some("high") }), Image(Image { source: Base64 { media_type: "image/png", data: "AAAA" }, detail: None }), Other { kind: "input_audio", value: {"type":"input_audio","input_audio":{"data":"b64","format":"wav"}} }, Other { kind: "file", value: {"type":"file","file":{"filename":"a.pdf"}} }]
        Assistant: [ToolCall(ToolCall { id: "call_1", name: "f", arguments: "{\"a\":1}" })]
        Tool: [ToolResult(ToolResult { id: "call_1", parts: [Text("result")], is_error: false })]
        Assistant: [Thinking { text: "hm", signature: None }, Refusal("no")]
        Assistant: [Text("t"), Refusal("r")]
    "#]]
    .assert_eq(&lines(&chat));
}

fn lines(chat: &Chat) -> String {
    let line = |message: &Message| {
        let name = message.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{:?}{name}: {:?}\n", message.role, message.parts)
    };
    chat.messages.iter().map(line).collect()
}

#[test]
fn deprecated_function_calls_get_generated_ids() {
    let chat = of_messages(
        r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}},
           {"role":"function","name":"f","content":"r"}"#,
    )
    .unwrap();
    expect![[r#"
        Assistant: [ToolCall(ToolCall { id: "function_0", name: "f", arguments: "{}" })]
        Tool f: [ToolResult(ToolResult { id: "function_0", parts: [Text("r")], is_error: false })]
    "#]]
    .assert_eq(&lines(&chat));
}

#[test]
fn missing_arguments_and_content_are_tolerated() {
    let call = |arguments: &str| {
        let call = format!(r#"[{{"id":"c","function":{{"name":"f"{arguments}}}}}]"#);
        let contents = ["null", r#""""#, "[]"];
        let body = |content| format!(r#"{{"role":"assistant","content":{content},"tool_calls":{call}}}"#);
        let chats: Vec<Chat> = contents.iter().map(|content| of_messages(&body(content)).unwrap()).collect();
        assert!(chats.iter().all(|chat| *chat == chats[0]));
        match &*chats[0].messages[0].parts {
            [Part::ToolCall(call)] => call.arguments.clone(),
            parts => panic!("{parts:?}"),
        }
    };
    assert_eq!(call(""), "{}");
    assert_eq!(call(r#","arguments":"""#), "{}");
    assert_eq!(call(r#","arguments":null"#), "{}");
    assert_eq!(call(r#","arguments":"[1]""#), "[1]");
}

#[test]
fn nested_unknown_fields_are_kept_under_their_path() {
    let chat = typed(
        r#"{"model":"m","x":1,"messages":[
            {"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},
              {"type":"image_url","image_url":{"url":"u","fps":2},"prompt_cache_breakpoint":{"mode":"explicit"}}],"prefix":true},
            {"role":"user","content":"b","tool_calls":[],"refusal":"r"},
            {"role":"assistant","content":"c","audio":{"id":"a"},"annotations":[],"tool_calls":[{"id":"c","type":"custom","custom":{"name":"n","input":"i"}}]}],
           "tools":[{"type":"function","function":{"name":"f","examples":[]},"defer":true},{"type":"custom","custom":{"name":"g"}},{"type":"web_search"}],
           "response_format":{"type":"json_schema","json_schema":{"name":"s","more":1}},
           "max_tokens":5,"max_completion_tokens":6,"y":2}"#,
    )
    .unwrap();
    assert_eq!(
        paths(&chat),
        [
            "x",
            "messages[0].content[0].cache_control",
            "messages[0].content[1].image_url.fps",
            "messages[0].content[1].prompt_cache_breakpoint",
            "messages[0].prefix",
            "messages[1].tool_calls",
            "messages[1].refusal",
            "messages[2].tool_calls[0]",
            "messages[2].audio",
            "tools[0].function.examples",
            "tools[0].defer",
            "tools[1]",
            "tools[2]",
            "response_format.json_schema.more",
            "y",
            "max_tokens",
        ]
    );
    assert_eq!(chat.extra[1].name, "cache_control");
    assert_eq!(chat.extra[11].name, "tools");
    assert_eq!(chat.max_tokens, Some(6));
}

#[test]
fn last_duplicate_key_wins() {
    let chat = typed(
        r#"{"model":"m","messages":[{"role":"x"}],"x":1,"messages":[{"role":"system","role":"user","content":5,"content":"hi"}],"x":2}"#,
    );
    let chat = chat.unwrap();
    assert_eq!(chat.messages, [Message::text(Role::User, "hi")]);
    assert_eq!(chat.extra.iter().map(|extra| extra.value.get()).collect::<Vec<_>>(), ["2"]);
}

#[track_caller]
fn refused(messages: &str, expected: &Expect) {
    let error = of_messages(messages).unwrap_err();
    expected.assert_eq(&format!("{} | {error}", error.param.as_deref().unwrap_or("-")));
}

#[test]
fn errors_name_path_value_and_expectation() {
    refused("5", &expect!["messages[0] | messages[0]: expected an object, got 5"]);
    refused(
        r#"{"content":"x"}"#,
        &expect![
            "messages[0].role | messages[0].role: missing; expected one of system, developer, user, assistant, tool, function"
        ],
    );
    refused(
        r#"{"role":"robot","content":"x"}"#,
        &expect![
            "messages[0].role | messages[0].role: expected one of system, developer, user, assistant, tool, function, got another string"
        ],
    );
    refused(
        r#"{"role":"user","content":null}"#,
        &expect![
            "messages[0].content | messages[0].content: missing; expected a string or an array of parts"
        ],
    );
    refused(
        r#"{"role":"user","content":{}}"#,
        &expect![
            "messages[0].content | messages[0].content: expected a string or an array of parts, got an object"
        ],
    );
    refused(
        r#"{"role":"user","content":[{"type":"text"}]}"#,
        &expect!["messages[0].content[0].text | messages[0].content[0].text: missing; expected a string"],
    );
    refused(
        r#"{"role":"tool","content":"x"}"#,
        &expect![
            "messages[0].tool_call_id | messages[0].tool_call_id: missing; expected the id of the call it answers"
        ],
    );
    refused(
        r#"{"role":"assistant","tool_calls":[{"id":"c","function":{"name":5}}]}"#,
        &expect![
            "messages[0].tool_calls[0].function.name | messages[0].tool_calls[0].function.name: expected a string, got 5"
        ],
    );
}

#[test]
fn invalid_json_is_an_error_without_panic() {
    refused(
        r#"{"role":"user","content":"\ud800"}"#,
        &expect![
            "messages[0].content | messages[0].content: not valid JSON: unexpected end of hex escape at line 1 column 8"
        ],
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        format!(r#"{{"model":"m","messages":[{deep}]}}"#),
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":{deep}}}]}}"#),
        format!(r#"{{"model":"m","messages":[],"metadata":{deep}}}"#),
        r#"{"model":"m","messages":[],"metadata":{"a":"\udc00"}}"#.to_owned(),
        r#"{"model":"m","messages":[],"metadata":{"\udc00":1}}"#.to_owned(),
    ] {
        assert!(typed(&body).unwrap_err().param.is_some());
    }
}
