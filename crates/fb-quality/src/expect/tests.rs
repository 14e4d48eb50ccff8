use serde_json::json;

use super::*;

fn text(text: &str) -> AnswerContent {
    AnswerContent { text: text.to_owned(), ..AnswerContent::default() }
}

fn call(tool: &str, arguments: &str) -> AnswerContent {
    let calls = vec![CalledTool { tool: tool.to_owned(), arguments: arguments.to_owned() }];
    AnswerContent { calls, ..AnswerContent::default() }
}

fn expectation(expect: Value) -> Result<Expectation, String> {
    let expect = serde_json::from_value(expect).map_err(|error| error.to_string())?;
    Expectation::new(expect).map_err(|error| error.to_string())
}

#[track_caller]
fn check(expect: Value, answer: &AnswerContent, expected: Result<(), &str>) {
    let found = expectation(expect).unwrap().check(answer).map_err(|mismatch| mismatch.to_string());
    assert_eq!(found, expected.map_err(str::to_owned));
}

#[test]
fn empty_expectation_is_met_by_any_answer_but_no_refusal() {
    check(json!({}), &text(""), Ok(()));
    check(json!({}), &AnswerContent::refusal("I cannot."), Err("refused: in the words `I cannot.`"));
    check(json!({ "refused": true }), &AnswerContent::refusal("I cannot."), Ok(()));
    check(json!({ "refused": true }), &text("Sure!"), Err("refused: answered with `Sure!`"));
}

#[test]
fn texts_are_searched_case_insensitively() {
    check(json!({ "contains": "paris" }), &text("It is PARIS."), Ok(()));
    check(
        json!({ "contains": ["paris", "seine"] }),
        &text("Paris\n"),
        Err("contains: no `seine` in `Paris`"),
    );
    check(
        json!({ "lacks": ["as an AI"] }),
        &text("As an ai model"),
        Err("lacks: `as an AI` occurs in the answer"),
    );
    check(json!({ "lacks": "sorry" }), &text("Here it is."), Ok(()));
}

#[test]
fn answer_is_compared_as_text_or_as_json() {
    check(json!({ "equals": "4" }), &text(" 4\n"), Ok(()));
    check(json!({ "equals": "4" }), &text("four"), Err("equals: `four`, expected `4`"));
    check(json!({ "equals": { "sum": 4 } }), &text("{ \"sum\" : 4 }"), Ok(()));
    check(
        json!({ "equals": { "sum": 4 } }),
        &text("{\"sum\":5}"),
        Err("equals: `{\"sum\":5}`, expected `{\"sum\":4}`"),
    );
    let error = expectation(json!({ "equals": [1] })).unwrap().check(&text("one")).unwrap_err();
    assert!(error.to_string().starts_with("equals: not JSON"), "{error}");
}

#[test]
fn long_answer_is_quoted_by_its_beginning_on_one_line() {
    let long = format!("one\ntwo {}", "é".repeat(200));
    let error = expectation(json!({ "contains": "Paris" })).unwrap().check(&text(&long)).unwrap_err();
    assert!(
        error.message.starts_with("no `Paris` in `one two é") && error.message.ends_with("é…`"),
        "{error}"
    );
    assert!(error.message.len() < 130, "{error}");
}

#[test]
fn null_is_a_value_and_numbers_are_compared_by_value() {
    check(json!({ "equals": null }), &text("null"), Ok(()));
    check(json!({ "equals": null }), &text("7"), Err("equals: `7`, expected `null`"));
    let many = json!([4711, -1, 0, 0.5, 1e300, u64::MAX, { "a": 1.0 }]);
    let same = format!("[4711.0, -1.0, -0.0, 5e-1, 1.0e300, {}, {{\"a\": 1}}]", u64::MAX);
    check(json!({ "equals": many }), &text(&same), Ok(()));
    check(json!({ "equals": 4711 }), &text("4711.5"), Err("equals: `4711.5`, expected `4711`"));
    let large = 9_007_199_254_740_993_u64;
    let other = "9007199254740992.0";
    let why = "equals: `9007199254740992.0`, expected `9007199254740993`";
    check(json!({ "equals": large }), &text(other), Err(why));
    let expect = || json!({ "tool": "find", "arguments": { "number": 4711 } });
    check(expect(), &call("find", r#"{"number": 4711.0}"#), Ok(()));
    let why = "arguments: `number` is `4712.0`, expected `4711`";
    check(expect(), &call("find", r#"{"number": 4712.0}"#), Err(why));
}

#[cfg(feature = "schema")]
#[test]
fn schema_violations_are_reported() {
    let expect = || json!({ "schema": { "type": "object", "required": ["city"] } });
    check(expect(), &text(r#"{"city":"Paris"}"#), Ok(()));
    check(expect(), &text("{}"), Err("schema: \"city\" is a required property"));
    check(expect(), &text(""), Err("schema: nothing, expected JSON"));
}

#[test]
fn tool_call_may_have_additional_arguments() {
    let expect = || json!({ "tool": "weather", "arguments": { "city": "Paris" } });
    check(expect(), &call("weather", r#"{"city":"Paris","unit":"C"}"#), Ok(()));
    let two = AnswerContent {
        calls: ["{}", r#"{"city":"Paris"}"#]
            .map(|arguments| CalledTool { tool: "weather".to_owned(), arguments: arguments.to_owned() })
            .to_vec(),
        ..AnswerContent::default()
    };
    check(expect(), &two, Ok(()));
    check(expect(), &text("Sunny."), Err("tool: no tool was called, expected `weather`"));
    check(expect(), &call("time", "{}"), Err("tool: `time` was called, expected `weather`"));
    check(expect(), &call("weather", "{}"), Err("arguments: `city` is nothing, expected `\"Paris\"`"));
    check(expect(), &call("weather", "[]"), Err("arguments: a list of 0, expected an object"));
}

#[test]
fn impossible_expectations_are_rejected() {
    for (expect, message) in [
        (json!({ "contain": "x" }), "unknown field `contain`"),
        (json!({ "contains": 7 }), "expected a text or a list of texts"),
        (json!({ "refused": true, "contains": "x" }), "refused = true: expected nothing else beside it"),
        (json!({ "arguments": {} }), "arguments = set: expected the `tool`"),
        (json!({ "contains": "" }), "contains = an empty text"),
        (json!({ "lacks": ["x", ""] }), "lacks = an empty text"),
        (json!({ "tool": null }), "invalid type: null"),
        (json!({ "arguments": null }), "invalid type: null"),
        (json!({ "schema": { "type": "objct" } }), "schema = "),
        (json!({ "schema": null }), "schema = "),
    ] {
        let error = expectation(expect).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}
