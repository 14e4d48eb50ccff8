use std::fmt::Write;

use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<ChatRequest, InvalidRequest> {
    request(Bytes::copy_from_slice(body.as_bytes()))
}

#[test]
fn head_is_read_without_the_messages() {
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
fn invalid_head_names_field_and_expectation() {
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

/// Deep nesting and lone surrogates are accepted in the bytes and rejected by the typed view only.
#[test]
fn bodies_that_only_the_typed_view_rejects_are_accepted() {
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
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        drop(request(Bytes::from(bytes)).map(|request| drop(request.chat().cloned())));
    }

    #[test]
    fn no_fields_panic(
        field in "(messages|system|tools|tool_choice|output_config|thinking|metadata|stop_sequences|top_k|extra)",
        value in "(null|1|-1|\"\"|\"x\"|\\[\\]|\\{\\}|\\[1\\]|\\[\\{\\}\\]|\\{\"type\":1\\}|\\{\"type\":\"tool\"\\}|\\[\\{\"role\":\"user\",\"content\":[1{}\"\\[\\]]{0,4}\\}\\])",
    ) {
        let body = format!(r#"{{"model":"m","max_tokens":1,"messages":[{{}}],"{field}":{value}}}"#);
        drop(read(&body).map(|request| drop(request.chat().cloned())));
    }
}
