use super::*;

fn text(text: &str) -> AnswerContent {
    AnswerContent { text: text.to_owned(), ..AnswerContent::default() }
}

fn call(calls: &[(&str, &str)]) -> AnswerContent {
    let called = |(tool, arguments): &(&str, &str)| CalledTool {
        tool: (*tool).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    AnswerContent { calls: calls.iter().map(called).collect(), ..AnswerContent::default() }
}

#[track_caller]
fn check(primary: &AnswerContent, other: &AnswerContent, expected: Option<&str>) {
    assert_eq!(difference(primary, other).as_deref(), expected);
}

#[test]
fn form_is_compared_and_wording_is_not() {
    check(&text("Paris."), &text("The capital is Paris."), None);
    check(&text("4"), &text("four"), None);
    check(&AnswerContent::refusal("No."), &AnswerContent::refusal("I cannot."), None);
    check(&text("Paris."), &AnswerContent::refusal("No."), Some("a refusal, where the primary gives text"));
    check(&text("[1]"), &text("one"), Some("text, where the primary gives JSON"));
    check(&text("Sunny."), &call(&[("weather", "{}")]), Some("a tool call, where the primary gives text"));
}

#[test]
fn json_and_arguments_are_compared_as_values() {
    check(&text(r#"{"a":1,"b":2}"#), &text("{ \"b\": 2, \"a\": 1 }"), None);
    check(&text(r#"{"a":1}"#), &text(r#"{"a":"1"}"#), Some("other JSON than the primary's"));
    let paris = |text| call(&[("weather", text)]);
    check(&paris(r#"{"city":"Paris"}"#), &paris(r#"{ "city": "Paris" }"#), None);
    let other = Some("calls with other arguments than the primary");
    check(&paris(r#"{"city":"Paris"}"#), &paris(r#"{"city":"Rome"}"#), other);
    check(&paris("{}"), &paris("{"), other);
    check(&text(r#"{"a":[1]}"#), &text(r#"{"a":[1.0]}"#), None);
    check(&paris(r#"{"days":1.0}"#), &paris(r#"{"days":1}"#), None);
}

#[test]
fn order_of_calls_is_not_compared() {
    let (one, two) = (("a", "{}"), ("b", "{}"));
    check(&call(&[one, two]), &call(&[two, one]), None);
    check(&call(&[one, two]), &call(&[one]), Some("calls `a`, the primary `a, b`"));
}

#[test]
fn control_characters_in_tool_names_are_removed() {
    let hostile = call(&[("\u{1b}[31mred\n\u{7}", "{}"), (&"x".repeat(1 << 20), "{}")]);
    let message = difference(&hostile, &call(&[("a", "{}")])).unwrap();
    assert_eq!(message, format!("calls `a`, the primary ` [31mred  , {}…`", "x".repeat(68)));
}
