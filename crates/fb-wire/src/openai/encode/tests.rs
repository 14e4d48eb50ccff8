use fb_core::{Dialect, Extra, Format, Image, ImageSource, Sampling, Schema, Tool, ToolCall};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{anthropic, openai::request};

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn extra(path: &str) -> Extra {
    let name = path.rsplit('.').next().unwrap().split('[').next().unwrap().to_owned();
    Extra { path: path.to_owned(), name, value: json("{}") }
}

fn chat_of(messages: Vec<Message>) -> Chat {
    Chat { messages, ..Chat::default() }
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

/// Returns the printed messages and the notes.
fn printed(messages: Vec<Message>) -> (String, Vec<String>) {
    let encoded = encode(&chat_of(messages), "m", false).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&encoded.body).unwrap();
    (body["messages"].to_string(), encoded.notes.iter().map(ToString::to_string).collect())
}

fn refused(chat: &Chat) -> String {
    encode(chat, "m", false).unwrap_err().to_string()
}

#[test]
fn extra_fields_are_noted_or_refused() {
    for (name, carry) in ANTHROPIC {
        for path in [(*name).to_owned(), format!("messages[0].content[1].{name}")] {
            let chat = Chat { extra: vec![extra(&path)], ..Chat::default() };
            match carry {
                Rule::Drop(what) => {
                    assert_eq!(encode(&chat, "m", false).unwrap().notes, [Note::new(&*path, *what)]);
                }
                Rule::Refuse(why) => assert_eq!(refused(&chat), format!("{path}: {why}")),
            }
        }
    }
    assert!(ANTHROPIC.is_sorted_by_key(|(name, _)| *name));
}

/// The expected encoding of one of Anthropic's fields.
enum Becomes {
    /// The body contains this text.
    Printed(&'static str),
    /// Left out without a note, because it has the default value.
    Nothing,
    /// A note for this field, possibly with a weaker counterpart.
    Noted(&'static str),
    /// A refusal that names this field.
    Refused(&'static str),
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, a row a field")]
fn fields_of_an_anthropic_request_are_sent_noted_or_refused() {
    use Becomes::{Noted, Nothing, Printed, Refused};
    let user = |block: &str| format!(r#""messages":[{{"role":"user","content":[{block}]}}]"#);
    let assistant = |block: &str| format!(r#""messages":[{{"role":"assistant","content":[{block}]}}]"#);
    let tool = |more: &str| format!(r#""tools":[{{"name":"f","input_schema":{{"type":"object"}}{more}}}]"#);
    let table: &[(String, Becomes)] = &[
        (r#""max_tokens":7"#.into(), Printed(r#""max_completion_tokens":7"#)),
        (r#""max_tokens":0"#.into(), Refused("max_tokens")),
        (r#""system":"rules""#.into(), Printed(r#"{"role":"system","content":"rules"}"#)),
        (
            r#""system":[{"type":"text","text":"rules","cache_control":{"type":"ephemeral"}}]"#.into(),
            Noted("system[0].cache_control"),
        ),
        (user(r#"{"type":"text","text":"hi"}"#), Printed(r#"{"role":"user","content":"hi"}"#)),
        (
            user(r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}"#),
            Printed(r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}"#),
        ),
        (
            user(r#"{"type":"image","source":{"type":"url","url":"https://x/y"}}"#),
            Printed(r#"{"url":"https://x/y"}"#),
        ),
        (
            user(r#"{"type":"document","source":{"type":"url","url":"https://x/y"}}"#),
            Refused("messages[0].content[0]"),
        ),
        (
            user(r#"{"type":"text","text":"hi","citations":[{"type":"char_location"}]}"#),
            Noted("messages[0].content[0].citations"),
        ),
        (
            user(r#"{"type":"tool_result","tool_use_id":"t","content":"ok","is_error":false}"#),
            Printed(r#"{"role":"tool","content":"ok","tool_call_id":"t"}"#),
        ),
        (
            assistant(r#"{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"a"}"#),
            Noted("messages[0].content[0]"),
        ),
        (
            assistant(r#"{"type":"redacted_thinking","data":"x"},{"type":"text","text":"a"}"#),
            Noted("messages[0].content[0]"),
        ),
        (
            assistant(r#"{"type":"tool_use","id":"t","name":"f","input":{"a":1}}"#),
            Printed(r#"{"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}"#),
        ),
        (
            assistant(r#"{"type":"server_tool_use","id":"t","name":"web_search","input":{}}"#),
            Refused("messages[0].content[0]"),
        ),
        (
            tool(r#","description":"d","strict":true"#),
            Printed(
                r#"{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}"#,
            ),
        ),
        (tool(r#","cache_control":{"type":"ephemeral"}"#), Noted("tools[0].cache_control")),
        (tool(r#","defer_loading":true"#), Noted("tools[0].defer_loading")),
        (tool(r#","input_examples":[{}]"#), Refused("tools[0].input_examples")),
        (r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#.into(), Refused("tools[0]")),
        (tool("") + r#","tool_choice":{"type":"any"}"#, Printed(r#""tool_choice":"required""#)),
        (
            tool("") + r#","tool_choice":{"type":"tool","name":"f"}"#,
            Printed(r#""tool_choice":{"type":"function","function":{"name":"f"}}"#),
        ),
        (
            tool("") + r#","tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#,
            Printed(r#""parallel_tool_calls":false"#),
        ),
        (r#""output_config":{"effort":"medium"}"#.into(), Printed(r#""reasoning_effort":"medium""#)),
        (
            r#""output_config":{"format":{"type":"json_schema","schema":{}}}"#.into(),
            Printed(r#""response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{}"#),
        ),
        (r#""output_config":{"task_budget":{"type":"tokens"}}"#.into(), Refused("output_config.task_budget")),
        (r#""thinking":{"type":"adaptive"}"#.into(), Nothing),
        (r#""thinking":{"type":"adaptive","display":"summarized"}"#.into(), Noted("thinking.display")),
        (r#""thinking":{"type":"disabled"}"#.into(), Printed(r#""reasoning_effort":"none""#)),
        (r#""thinking":{"type":"between_tools"}"#.into(), Noted("thinking")),
        (r#""stop_sequences":["END"]"#.into(), Printed(r#""stop":["END"]"#)),
        (r#""temperature":0"#.into(), Printed(r#""temperature":0.0"#)),
        (r#""top_p":0.5"#.into(), Printed(r#""top_p":0.5"#)),
        (r#""top_k":5"#.into(), Noted("top_k")),
        (r#""metadata":{"user_id":"u"}"#.into(), Printed(r#""user":"u""#)),
        (r#""service_tier":"auto""#.into(), Noted("service_tier")),
        (r#""cache_control":{"type":"ephemeral"}"#.into(), Noted("cache_control")),
        (r#""speed":"fast""#.into(), Noted("speed")),
        (r#""diagnostics":{}"#.into(), Noted("diagnostics")),
        (r#""inference_geo":"us""#.into(), Refused("inference_geo")),
        (r#""container":"c""#.into(), Refused("container")),
        (r#""mcp_servers":[{}]"#.into(), Refused("mcp_servers")),
        (r#""context_management":{"edits":[]}"#.into(), Noted("context_management")),
        (r#""a_field_of_tomorrow":1"#.into(), Refused("a_field_of_tomorrow")),
    ];
    for (field, becomes) in table {
        let defaults = [r#""messages":[{"role":"user","content":"hi"}]"#, r#""max_tokens":9"#];
        let mut fields = vec![r#""model":"m""#, field];
        fields.extend(defaults.iter().filter(|default| !field.starts_with(&default[..11])));
        let body = format!("{{{}}}", fields.join(","));
        let request = anthropic::request(body.into()).unwrap();
        let encoded = encode(request.chat().unwrap(), "m", false);
        let noted: Vec<String> =
            encoded.iter().flat_map(|it| &it.notes).map(|note| note.field.clone()).collect();
        match (encoded, becomes) {
            (Ok(encoded), Printed(text)) => {
                let body = std::str::from_utf8(&encoded.body).unwrap();
                assert!(body.contains(text) && noted.is_empty(), "{field}: {noted:?} {body}");
            }
            (Ok(_), Noted(name)) => assert_eq!(noted, [*name], "{field}"),
            (Ok(_), Nothing) => assert!(noted.is_empty(), "{field}: {noted:?}"),
            (Err(refusal), Refused(name)) => assert_eq!(refusal.field, *name, "{field}"),
            (encoded, _) => panic!("{field}: {encoded:?}"),
        }
    }
}

#[test]
fn unknown_field_is_refused() {
    for path in ["a_field_of_tomorrow", "messages[0].content[0].wonder", "messages[0].n"] {
        let chat = Chat { extra: vec![extra(path)], ..Chat::default() };
        assert_eq!(refused(&chat), format!("{path}: OpenAI has no such field"));
    }
}

#[test]
fn openais_own_extra_fields_are_passed_through() {
    let chat = Chat { extra: OWN.iter().map(|name| extra(name)).collect(), ..Chat::default() };
    let encoded = encode(&chat, "m", false).unwrap();
    let body: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&encoded.body).unwrap();
    assert!(OWN.iter().all(|name| body.contains_key(*name)));
    assert_eq!(encoded.notes, []);
}

#[test]
fn typed_chat_is_printed() {
    let chat = Chat {
        messages: vec![Message::text(Role::User, "hi")],
        tool_choice: Some(ToolChoice::Named("f".to_owned())),
        parallel_tools: Some(false),
        max_tokens: Some(5),
        sampling: Sampling { temperature: Some(0.0), top_k: Some(3), seed: Some(0), ..Sampling::default() },
        ..Chat::default()
    };
    let encoded = encode(&chat, "gpt-6-astra", true).unwrap();
    assert_eq!(
        encoded.body,
        r#"{"model":"gpt-6-astra","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":5,"temperature":0.0,"seed":0,"stream":true,"stream_options":{"include_usage":true}}"#
    );
    let noted: Vec<&str> = encoded.notes.iter().map(|note| &*note.field).collect();
    assert_eq!(noted, ["top_k", "tool_choice"]);
}

#[test]
fn tool_results_follow_calls_and_images_follow_results() {
    let image = || Part::Image(Image { source: ImageSource::Url("u".to_owned()), detail: None });
    let result =
        |id: &str, parts, is_error| Part::ToolResult(ToolResult { id: id.to_owned(), parts, is_error });
    let text = |text: &str| Part::Text(text.to_owned());
    let (messages, notes) = printed(vec![
        message(Role::Tool, vec![result("a", vec![text("1"), image()], false)]),
        message(Role::User, vec![text("and?"), result("b", vec![], true)]),
    ]);
    expect_test::expect![[r#"[{"content":"1","role":"tool","tool_call_id":"a"},{"content":"The tool failed:","role":"tool","tool_call_id":"b"},{"content":[{"text":"From the tools' results:","type":"text"},{"image_url":{"url":"u"},"type":"image_url"}],"role":"user"},{"content":"and?","role":"user"}]"#]].assert_eq(&messages);
    expect_test::expect![[r#"
        [
            "messages[0].content[0].content[1]: sent as a user's picture: OpenAI's tool results hold only text",
            "messages[1].content[1].is_error: said in words: OpenAI has no mark for a failed tool",
        ]
    "#]]
    .assert_debug_eq(&notes);
}

#[test]
fn thinking_of_another_model_is_dropped_with_a_note() {
    let thinking = || Part::Thinking { text: "hm".to_owned(), signature: Some("s".to_owned()) };
    let redacted = Part::Other { kind: "redacted_thinking".to_owned(), value: json("{}") };
    let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: String::new() };
    let (messages, notes) =
        printed(vec![message(Role::Assistant, vec![thinking(), redacted, Part::ToolCall(call)])]);
    expect_test::expect![[r#"[{"content":null,"role":"assistant","tool_calls":[{"function":{"arguments":"{}","name":"f"},"id":"c","type":"function"}]}]"#]].assert_eq(&messages);
    assert_eq!(notes.len(), 2);
    assert_eq!(
        printed(vec![message(Role::Assistant, vec![thinking()])]).0,
        r#"[{"content":"","role":"assistant"}]"#
    );
}

#[test]
fn unsupported_fields_are_refused() {
    let document = Part::Other { kind: "document".to_owned(), value: json("{}") };
    let chat = chat_of(vec![message(Role::User, vec![Part::Text("a".to_owned()), document])]);
    assert_eq!(refused(&chat), "messages[0].content[1]: OpenAI takes no content of type document");
    let sampling = Sampling { stop: vec![String::new(); 5], ..Sampling::default() };
    assert_eq!(refused(&Chat { sampling, ..Chat::default() }), "stop: OpenAI takes at most 4 texts");
    let sampling = Sampling { top_p: Some(f64::NAN), ..Sampling::default() };
    assert_eq!(refused(&Chat { sampling, ..Chat::default() }), "top_p: not a finite number");
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("says something", |text| !text.is_empty())
}

fn words() -> impl Strategy<Value = Part> {
    text().prop_map(Part::Text)
}

fn image() -> impl Strategy<Value = Part> {
    let source = prop_oneof![
        "https://[a-z]{1,8}/".prop_map(ImageSource::Url),
        "[A-Za-z0-9+/]{0,16}"
            .prop_map(|data| ImageSource::Base64 { media_type: "image/png".to_owned(), data }),
    ];
    let detail = option::of(select(vec!["low".to_owned(), "auto".to_owned()]));
    (source, detail).prop_map(|(source, detail)| Part::Image(Image { source, detail }))
}

fn assistant() -> impl Strategy<Value = Vec<Part>> {
    let text_parts = vec(prop_oneof![words(), text().prop_map(Part::Refusal)], 0..3);
    let call = (text(), text(), select(vec!["{}".to_owned(), r#"{"a":[1]}"#.to_owned()]));
    let calls =
        vec(call.prop_map(|(id, name, arguments)| Part::ToolCall(ToolCall { id, name, arguments })), 0..3);
    let parts = (text_parts, calls).prop_map(|(mut parts, calls)| {
        parts.extend(calls);
        parts
    });
    parts.prop_filter("says something", |parts| !parts.is_empty())
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let result = (text(), vec(words(), 0..3))
        .prop_map(|(id, parts)| vec![Part::ToolResult(ToolResult { id, parts, is_error: false })]);
    let role_and_parts = prop_oneof![
        (select(vec![Role::System, Role::Developer]), vec(words(), 1..3)),
        (Just(Role::User), vec(prop_oneof![words(), image()], 1..3)),
        (Just(Role::Assistant), assistant()),
        (Just(Role::Tool), result),
    ];
    vec(
        (role_and_parts, option::of(text())).prop_map(|((role, parts), name)| Message { role, name, parts }),
        0..5,
    )
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>, Option<bool>)> {
    let parameters = option::of(Just(json(r#"{"type":"object"}"#)));
    let tool = (text(), option::of(any::<String>()), parameters, any::<Option<bool>>());
    let tool = tool.prop_map(|(name, description, parameters, strict)| Tool {
        name,
        description,
        parameters,
        strict,
    });
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        text().prop_map(ToolChoice::Named)
    ];
    prop_oneof![Just((Vec::new(), None, None)), (vec(tool, 1..3), option::of(choice), any::<Option<bool>>()),]
}

fn format() -> impl Strategy<Value = Format> {
    let schema = (text(), option::of(any::<String>()), any::<Option<bool>>());
    prop_oneof![
        Just(Format::Text),
        Just(Format::JsonObject),
        schema.prop_map(|(name, description, strict)| {
            Format::JsonSchema(Schema { name, description, schema: json(r#"{"a": 1.0}"#), strict })
        }),
    ]
}

fn sampling() -> impl Strategy<Value = Sampling> {
    let number = || option::of((-200i32..=200).prop_map(|n| f64::from(n) / 100.0));
    let parts = (number(), number(), number(), number(), any::<Option<i64>>(), vec(any::<String>(), 0..4));
    parts.prop_map(|(temperature, top_p, frequency_penalty, presence_penalty, seed, stop)| Sampling {
        temperature,
        top_p,
        top_k: None,
        seed,
        frequency_penalty,
        presence_penalty,
        stop,
    })
}

prop_compose! {
    fn chat()(
        messages in messages(),
        (tools, tool_choice, parallel_tools) in tools(),
        format in format(),
        sampling in sampling(),
        max_tokens in option::of(1u32..),
        effort in option::of(select(vec![Effort::None, Effort::Low, Effort::Xhigh, Effort::Max])),
        user in option::of(any::<String>()),
        own in option::of(select(OWN)),
    ) -> Chat {
        let extra = own.into_iter().map(|name| Extra { value: json("[7]"), ..extra(name) }).collect();
        Chat { messages, tools, tool_choice, parallel_tools, format, max_tokens, sampling, effort, user, extra }
    }
}

proptest! {
    #[test]
    fn printed_chat_parses_to_the_same_chat(chat in chat(), stream: bool) {
        let encoded = encode(&chat, "m", stream).unwrap();
        prop_assert_eq!(&encoded.notes, &[]);
        let request = request(encoded.body).unwrap();
        prop_assert_eq!(request.head().stream, stream);
        prop_assert!(request.raw_in(Dialect::OpenAi).is_some());
        prop_assert_eq!(request.chat().unwrap(), &chat);
    }
}
