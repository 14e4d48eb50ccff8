use expect_test::{Expect, expect};
use fb_core::Head;
use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Result<Head, InvalidRequest> {
    request(Bytes::copy_from_slice(body.as_bytes())).map(|request| request.head().clone())
}

#[track_caller]
fn refused(body: &str, expected: &Expect) {
    let error = read(body).unwrap_err();
    expected.assert_eq(&format!("{} | {error}", error.param.as_deref().unwrap_or("-")));
}

#[test]
fn head_is_read() {
    let head = read(
        r#" {"model":"fast","messages":[{"role":"user","content":"hi"}],"tools":[{}],"max_tokens":7,
            "stream":true,"stream_options":{"include_usage":true}} "#,
    );
    let expected = Head {
        model: "fast".to_owned(),
        stream: true,
        include_usage: true,
        max_tokens: Some(7),
        tools: true,
    };
    assert_eq!(head, Ok(expected));
}

#[test]
fn null_is_missing_and_the_newer_limit_wins() {
    let head = read(
        r#"{"model":"m","messages":[],"tools":[ ],"max_tokens":7,"max_completion_tokens":8,"stream":null,
            "stream_options":null,"functions":null}"#,
    );
    let expected = Head { model: "m".to_owned(), max_tokens: Some(8), ..Head::default() };
    assert_eq!(head, Ok(expected));
}

#[test]
fn last_duplicate_key_wins() {
    let head = read(r#"{"model":"a","messages":5,"messages":[],"mod\u0065l":"b"}"#).unwrap();
    assert_eq!(head.model, "b");
    assert!(read(r#"{"model":"a","messages":[],"model":null}"#).is_err());
}

#[test]
fn messages_are_not_parsed() {
    let body = r#"{"model":"m","messages":[{"role":5,"content":"\ud800"},"nonsense"]}"#;
    let request = request(Bytes::from_static(body.as_bytes())).unwrap();
    assert_eq!(request.raw_in(Dialect::OpenAi).unwrap().bytes, body);
    assert!(request.chat().is_err());
}

#[test]
fn errors_name_field_value_and_expectation() {
    refused(
        r#"{"messages":[]}"#,
        &expect!["model | model: missing; expected the name of a route or PROVIDER/MODEL"],
    );
    refused(r#"{"model":5,"messages":[]}"#, &expect!["model | model: expected a string, got 5"]);
    refused(
        r#"{"model":" ","messages":[]}"#,
        &expect!["model | model: expected the name of a route or PROVIDER/MODEL, got an empty string"],
    );
    refused(r#"{"model":"m"}"#, &expect!["messages | messages: missing; expected an array of messages"]);
    refused(
        r#"{"model":"m","messages":"hi"}"#,
        &expect!["messages | messages: expected an array of messages, got a string"],
    );
    refused(
        r#"{"model":"m","messages":[],"stream":"yes"}"#,
        &expect!["stream | stream: expected a boolean, got a string"],
    );
    refused(
        r#"{"model":"m","messages":[],"max_tokens":-1}"#,
        &expect!["max_tokens | max_tokens: expected a positive integer, got -1"],
    );
    refused(
        r#"{"model":"m","messages":[],"max_completion_tokens":0}"#,
        &expect!["max_completion_tokens | max_completion_tokens: expected a positive integer, got 0"],
    );
    refused(
        r#"{"model":"m","messages":[],"max_tokens":1.5}"#,
        &expect!["max_tokens | max_tokens: expected a positive integer, got 1.5"],
    );
    refused(
        r#"{"model":"m","messages":[],"tools":{}}"#,
        &expect!["tools | tools: expected an array, got an object"],
    );
    refused(
        r#"{"model":"m","messages":[],"stream_options":true}"#,
        &expect!["stream_options | stream_options: expected an object, got true"],
    );
    refused(
        r#"{"model":"m","messages":[],"stream_options":{"include_usage":1}}"#,
        &expect!["stream_options.include_usage | stream_options.include_usage: expected a boolean, got 1"],
    );
}

#[test]
fn missing_fields_get_their_defaults() {
    let defaults = [("model", "\"default\""), ("temperature", "0.7")];
    let read = |text: &'static str| {
        let request = request_with_defaults(text.into(), &defaults).unwrap();
        let body = request.raw().unwrap().bytes.clone();
        String::from_utf8(body.to_vec()).unwrap()
    };
    assert_eq!(
        read(r#"{"messages":[],"model":null}"#),
        r#"{"messages":[],"model":"default","temperature":0.7}"#
    );
    let complete = r#"{"messages":[],"model":"m","temperature":0}"#;
    assert_eq!(read(complete), complete);
}

#[test]
fn taken_field_leaves_the_rest_of_the_body() {
    let take = |text: &'static str| {
        let (rest, value) = take_field(request(text.into()).unwrap(), "x").unwrap();
        (String::from_utf8(rest.raw().unwrap().bytes.to_vec()).unwrap(), value)
    };
    let rest = || r#"{"model":"m","messages":[]}"#.to_owned();
    assert_eq!(take(r#"{"model":"m","messages":[]}"#), (rest(), None));
    assert_eq!(take(r#"{"model":"m","messages":[],"x":null}"#), (rest(), None));
    assert_eq!(take(r#"{"x":1,"model":"m","messages":[],"x":"y"}"#), (rest(), Some("\"y\"".to_owned())));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        if let Ok(request) = request(bytes.into()) {
            let _parsed = request.chat();
        }
    }

    #[test]
    fn no_corrupted_request_panics(at in 0..EXAMPLE.len(), byte: u8, cut: bool) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(request) = request(bytes.into()) {
            let _parsed = request.chat();
        }
    }
}

const EXAMPLE: &str = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"h\u00e4i"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA","detail":"low"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"a":[1,2.5e3]}}}],"stop":["x"],"seed":0,"n":1}"#;
