use fb_core::{Extra, Json, Tool};
use serde_json::json;

use super::*;

fn call(id: &str, name: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: "{}".to_owned() }
}

fn chat() -> Chat {
    let tool = |name: &str| Tool { name: name.to_owned(), description: None, parameters: None, strict: None };
    Chat { tools: vec![tool("weather"), tool("time")], ..Chat::default() }
}

fn verdict(chat: &Chat, calls: &[ToolCall]) -> String {
    let reply = Reply { tool_calls: calls.to_vec(), ..Reply::default() };
    allowed(chat, &reply).map_or_else(|defect| defect.to_string(), |()| "passes".to_owned())
}

#[test]
fn tool_choice_is_enforced() {
    let with = |choice| Chat { tool_choice: Some(choice), ..chat() };
    let named = with(ToolChoice::Named("time".to_owned()));
    let (weather, time) = ([call("1", "weather")], [call("1", "time")]);
    for (chat, calls, expected) in [
        (chat(), &[][..], "passes"),
        (with(ToolChoice::Auto), &[], "passes"),
        (with(ToolChoice::Required), &[], "tools: no tool was called, expected a call"),
        (with(ToolChoice::Required), &weather, "passes"),
        (named.clone(), &weather, "tools: `time` was not called, expected a call of it"),
        (named, &time, "passes"),
        (with(ToolChoice::None), &weather, "tools: `weather` was called, expected no call"),
        (with(ToolChoice::None), &[], "passes"),
    ] {
        assert_eq!(verdict(&chat, calls), expected);
    }
}

#[test]
fn undeclared_tool_is_a_defect() {
    let long = call("1", &"x".repeat(100));
    assert_eq!(
        verdict(&chat(), &[long]),
        format!("tools: `{}` was called, which is not declared", "x".repeat(64))
    );
    let foreign =
        Extra { path: "tools[2]".to_owned(), name: "tools".to_owned(), value: Json::parse("{}").unwrap() };
    assert_eq!(verdict(&Chat { extra: vec![foreign], ..chat() }, &[call("1", "grep")]), "passes");
}

#[test]
fn parallel_calls_need_permission_and_distinct_ids() {
    let both = [call("1", "weather"), call("2", "time")];
    assert_eq!(verdict(&chat(), &both), "passes");
    let one = Chat { parallel_tools: Some(false), ..chat() };
    assert_eq!(verdict(&one, &both), "tools: 2 calls at once, expected one");
    assert_eq!(verdict(&one, &both[..1]), "passes");
    let same = [call("1", "weather"), call("1", "time")];
    assert_eq!(verdict(&chat(), &same), "tools: two calls with the id `1`, expected one each");
    assert_eq!(verdict(&chat(), &[call("", "weather"), call("", "time")]), "passes");
}

#[test]
fn arguments_must_be_an_object() {
    let parsed = |text: &str| {
        let call = ToolCall { arguments: text.to_owned(), ..call("1", "weather") };
        arguments(&call).map_err(|defect| defect.to_string())
    };
    assert_eq!(parsed(r#"{"city":"Ulm"}"#), Ok(json!({"city": "Ulm"})));
    assert_eq!(parsed(" "), Ok(json!({})));
    assert_eq!(
        parsed("[1]"),
        Err("tools: arguments of `weather`: a list of 1, expected an object".to_owned())
    );
    let cut = "tools: arguments of `weather`: not JSON: EOF while parsing a value at line 1 column 8";
    assert_eq!(parsed(r#"{"city":"#), Err(cut.to_owned()));
    let deep = "tools: arguments of `weather`: nested more than 64 deep";
    assert_eq!(parsed(&"[".repeat(100_000)), Err(deep.to_owned()));
}
