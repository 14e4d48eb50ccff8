use fb_core::{Json, Schema, Tool};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Gates;

fn with_format(schema: &Value) -> Chat {
    let schema = Schema {
        name: "s".to_owned(),
        description: None,
        schema: Json::print(schema).unwrap(),
        strict: None,
    };
    Chat { format: Format::JsonSchema(schema), ..Chat::default() }
}

fn with_tool(parameters: &Value) -> Chat {
    let parameters = Some(Json::print(parameters).unwrap());
    let tool = Tool { name: "f".to_owned(), description: None, parameters, strict: None };
    Chat { tools: vec![tool], ..Chat::default() }
}

fn config() -> QualityConfig {
    QualityConfig { schema: true, tools: true, ..QualityConfig::default() }
}

fn text(text: &str) -> Reply {
    Reply { text: text.to_owned(), ..Reply::default() }
}

fn calling(arguments: &str) -> Reply {
    let call = ToolCall { id: "1".to_owned(), name: "f".to_owned(), arguments: arguments.to_owned() };
    Reply { tool_calls: vec![call], ..Reply::default() }
}

fn verdict(config: QualityConfig, chat: &Chat, reply: &Reply) -> String {
    let gates = Gates::new(config, Vec::new()).unwrap();
    gates.check(chat, reply).map_or_else(|defect| defect.to_string(), |()| "passes".to_owned())
}

#[test]
fn answer_must_follow_the_format_of_its_request() {
    let chat = with_format(&json!({"type": "object", "required": ["a"]}));
    let object = Chat { format: Format::JsonObject, ..Chat::default() };
    for (chat, answer, expected) in [
        (&chat, r#"{"a":1}"#, "passes"),
        (&chat, " {\"a\":1}\n", "passes"),
        (&chat, "{}", "schema: the answer: \"a\" is a required property"),
        (&chat, "", "schema: the answer: nothing, expected JSON"),
        (&chat, "Sure: {}", "schema: the answer: not JSON: expected value at line 1 column 1"),
        (&object, "{}", "passes"),
        (&object, "[]", "schema: the answer: a list of 0, expected an object"),
        (&Chat::default(), "hello", "passes"),
    ] {
        assert_eq!(verdict(config(), chat, &text(answer)), expected);
        assert_eq!(verdict(QualityConfig::default(), chat, &text(answer)), "passes");
    }
    // Not the final answer.
    assert_eq!(verdict(QualityConfig { tools: false, ..config() }, &chat, &calling("{}")), "passes");
}

#[test]
fn fence_must_enclose_the_whole_text() {
    assert_eq!(inside_fence("```json\n{}\n```\n"), Some("{}\n"));
    assert_eq!(inside_fence("```\n{}```"), Some("{}"));
    for none in ["{}", "```json {} ```", "Here:\n```json\n{}\n```", "```json\n{}"] {
        assert_eq!(inside_fence(none), None, "{none}");
    }
}

#[test]
fn fence_is_a_defect_unless_allowed() {
    let chat = with_format(&json!({"type": "object"}));
    let fenced = text("```json\n{}\n```");
    let expected = "schema: the answer: JSON in a Markdown fence, expected the JSON alone";
    assert_eq!(verdict(config(), &chat, &fenced), expected);
    let strips = QualityConfig { strip_fences: true, ..config() };
    assert_eq!(verdict(strips.clone(), &chat, &fenced), "passes");
    let list = text("```json\n[]\n```");
    assert_eq!(verdict(strips, &chat, &list), "schema: the answer: a list of 0 is not of type \"object\"");
}

#[test]
fn answer_must_follow_the_schema_of_its_route() {
    let route = QualityConfig { answer_schema: Some(r#"{"maximum": 3}"#.to_owned()), ..config() };
    assert_eq!(verdict(route.clone(), &Chat::default(), &text("3")), "passes");
    let expected = "schema: the answer: a number is greater than the maximum of 3";
    assert_eq!(verdict(route.clone(), &with_format(&json!({"minimum": 4})), &text("4")), expected);
    let expected = "schema: the answer: a number is less than the minimum of 4";
    assert_eq!(verdict(route, &with_format(&json!({"minimum": 4})), &text("3")), expected);
    let broken = QualityConfig { answer_schema: Some("{".to_owned()), ..config() };
    assert_eq!(
        Gates::new(broken, Vec::new()).unwrap_err().to_string(),
        "answer_schema = not JSON: EOF while parsing an object at line 1 column 1: \
         expected a JSON schema that can be checked"
    );
}

#[test]
fn arguments_must_follow_the_schema_of_their_tool() {
    let chat = with_tool(
        &json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
    );
    for (arguments, expected) in [
        (r#"{"city":"Ulm"}"#, "passes"),
        ("", "tools: arguments of `f`: \"city\" is a required property"),
        (r#"{"city":1}"#, "tools: arguments of `f`: /city: a number is not of type \"string\""),
    ] {
        assert_eq!(verdict(config(), &chat, &calling(arguments)), expected);
    }
}

#[test]
fn unusable_schema_is_reported_by_prepare_and_skipped_by_check() {
    let remote = json!({"$ref": "http://127.0.0.1:1/schema"});
    let why = "$ref \"http://127.0.0.1:1/schema\": not a subschema of this schema, such as \"#/$defs/name\"";
    let gates = Gates::new(config(), Vec::new()).unwrap();
    for (chat, field, reply) in [
        (with_format(&remote), "response_format", text("{}")),
        (with_tool(&remote), "tools[0].parameters", calling("{}")),
    ] {
        let expected = UnusableSchema { field: field.to_owned(), why: why.to_owned() };
        assert_eq!(gates.prepare(&chat), Err(expected));
        assert_eq!(gates.check(&chat, &reply), Ok(()));
        let off = Gates::new(QualityConfig::default(), Vec::new()).unwrap();
        assert_eq!(off.prepare(&chat), Ok(()));
    }
    assert_eq!(gates.prepare(&with_format(&json!({}))), Ok(()));
}

#[test]
fn hostile_nesting_is_a_defect() {
    let chat = with_format(&json!({}));
    let expected = "schema: the answer: nested more than 64 deep";
    assert_eq!(verdict(config(), &chat, &text(&"[".repeat(100_000))), expected);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (-9_i64..9).prop_map(|n| json!(n)),
        "[ab]{0,3}".prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec!["null", "boolean", "integer", "string", "array", "object"]);
    let leaf = prop_oneof![
        word.prop_map(|word| json!({"type": word})),
        (-9_i64..9).prop_map(|n| json!({"maximum": n})),
        Just(json!({"minLength": 2})),
        Just(json!({"pattern": "^a"})),
        value().prop_map(|value| json!({"enum": [value, "a"]})),
    ];
    leaf.prop_recursive(3, 20, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|of| json!({"items": of, "maxItems": 3})),
            inner.clone().prop_map(|of| json!({"properties": {"a": of}, "required": ["b"]})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"anyOf": all})),
            inner.prop_map(|of| json!({"not": of})),
        ]
    })
}

proptest! {
    #[test]
    fn verdict_matches_the_schema_library(schema in schema(), value in value()) {
        let is_valid = jsonschema::is_valid(&schema, &value);
        let found = verdict(config(), &with_format(&schema), &text(&value.to_string()));
        prop_assert_eq!(found == "passes", is_valid, "{}", found);
    }

    #[test]
    fn garbage_never_panics(schema in "\\PC{0,60}", answer in "[\\[\\]{}\",:0-9a`\\\\\n]{0,60}") {
        let schema = json!({"pattern": schema, "items": {"enum": [schema], "$ref": format!("#{schema}")}});
        let gates = Gates::new(config(), Vec::new()).unwrap();
        let _prepared = gates.prepare(&with_format(&schema));
        let _checked = gates.check(&with_format(&schema), &text(&answer));
        let _called = gates.check(&with_tool(&json!({})), &calling(&answer));
    }
}
