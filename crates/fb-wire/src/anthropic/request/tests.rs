use std::fmt::Write;

use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<ChatRequest, InvalidRequest> {
    request(Bytes::copy_from_slice(body.as_bytes()))
}

#[test]
fn the_head_is_read_and_the_messages_are_not() {
    let body = r#"{"model":"x","model":"default","max_tokens":10,"messages":[{"role":"nobody"}],"stream":true,"tools":[{}]}"#;
    let request = read(body).unwrap();
    let head = Head {
        model: "default".to_owned(),
        stream: true,
        include_usage: true,
        max_tokens: Some(10),
        tools: true,
    };
    assert_eq!(*request.head(), head);
    assert_eq!(request.raw_in(Dialect::Anthropic).unwrap().bytes, body);
    assert_eq!(request.chat().unwrap_err().param.as_deref(), Some("messages[0].role"));
    let least = read(r#" {"model":"m","max_tokens":0,"messages":[{}],"stream":null,"tools":[ ]} "#).unwrap();
    let head =
        Head { model: "m".to_owned(), stream: false, include_usage: true, max_tokens: Some(0), tools: false };
    assert_eq!(*least.head(), head);
}

#[test]
fn a_wrong_head_is_named_with_what_was_expected() {
    let mut lines = String::new();
    for body in [
        "",
        "<html>",
        "[]",
        r#"{"max_tokens":1,"messages":[{}]}"#,
        r#"{"model":7,"max_tokens":1,"messages":[{}]}"#,
        r#"{"model":" ","max_tokens":1,"messages":[{}]}"#,
        r#"{"model":"\ud800","max_tokens":1,"messages":[{}]}"#,
        r#"{"model":"m","messages":[{}]}"#,
        r#"{"model":"m","max_tokens":-1,"messages":[{}]}"#,
        r#"{"model":"m","max_tokens":"10","messages":[{}]}"#,
        r#"{"model":"m","max_tokens":1.5,"messages":[{}]}"#,
        r#"{"model":"m","max_tokens":1}"#,
        r#"{"model":"m","max_tokens":1,"messages":null}"#,
        r#"{"model":"m","max_tokens":1,"messages":"hi"}"#,
        r#"{"model":"m","max_tokens":1,"messages":[ ]}"#,
        r#"{"model":"m","max_tokens":1,"messages":[{}],"stream":"yes"}"#,
        r#"{"model":"m","max_tokens":1,"messages":[{}],"tools":{}}"#,
    ] {
        let error = read(body).unwrap_err();
        writeln!(lines, "{:?} {error}", error.param.as_deref().unwrap_or_default()).unwrap();
    }
    expect![[r#"
        "" the body is not a JSON object: EOF while parsing a value at line 1 column 0
        "" the body is not a JSON object: expected value at line 1 column 1
        "" the body is not a JSON object: invalid type: sequence, expected an object at line 1 column 0
        "model" model: missing; expected the name of a route or PROVIDER/MODEL
        "model" model: expected a string, got 7
        "model" model: expected the name of a route or PROVIDER/MODEL, got an empty string
        "model" model: not valid JSON: unexpected end of hex escape at line 1 column 8
        "max_tokens" max_tokens: missing; expected an integer of at least 0
        "max_tokens" max_tokens: expected an integer of at least 0, got -1
        "max_tokens" max_tokens: expected an integer of at least 0, got a string
        "max_tokens" max_tokens: expected an integer of at least 0, got 1.5
        "messages" messages: missing; expected an array of at least one message
        "messages" messages: missing; expected an array of at least one message
        "messages" messages: expected an array of at least one message, got a string
        "messages" messages: expected an array of at least one message, got none
        "stream" stream: expected a boolean, got a string
        "tools" tools: expected an array, got an object
    "#]]
    .assert_eq(&lines);
}

/// Nesting and lone surrogates pass as bytes; only the typed view refuses them.
#[test]
fn what_only_the_typed_view_refuses_is_carried() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for content in [deep.as_str(), r#""\ud800""#] {
        let body =
            format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":{content}}}]}}"#);
        let request = read(&body).unwrap();
        let error = request.chat().unwrap_err();
        assert!(error.param.as_deref().unwrap().starts_with("messages[0].content"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        drop(request(Bytes::from(bytes)).map(|request| drop(request.chat().cloned())));
    }

    #[test]
    fn any_fields_are_read_without_panic(
        field in "(messages|system|tools|tool_choice|output_config|thinking|metadata|stop_sequences|top_k|extra)",
        value in "(null|1|-1|\"\"|\"x\"|\\[\\]|\\{\\}|\\[1\\]|\\[\\{\\}\\]|\\{\"type\":1\\}|\\{\"type\":\"tool\"\\}|\\[\\{\"role\":\"user\",\"content\":[1{}\"\\[\\]]{0,4}\\}\\])",
    ) {
        let body = format!(r#"{{"model":"m","max_tokens":1,"messages":[{{}}],"{field}":{value}}}"#);
        drop(read(&body).map(|request| drop(request.chat().cloned())));
    }
}
