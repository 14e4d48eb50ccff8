use fb_core::{Tool, ToolCall, ToolChoice};

use super::*;

fn all() -> QualityConfig {
    QualityConfig {
        tools: true,
        empty: true,
        truncated: true,
        repetition: true,
        min_chars: Some(2),
        ..QualityConfig::default()
    }
}

fn gates(config: QualityConfig) -> Gates {
    Gates::new(config, Vec::new()).unwrap()
}

fn text(text: &str) -> Reply {
    Reply { text: text.to_owned(), ..Reply::default() }
}

fn verdict(gates: &Gates, chat: &Chat, reply: &Reply) -> String {
    gates.check(chat, reply).map_or_else(|defect| defect.to_string(), |()| "passes".to_owned())
}

#[test]
fn every_answer_passes_without_gates() {
    let none = gates(QualityConfig { buffer: true, repair: true, ..QualityConfig::default() });
    assert!(none.is_empty());
    let chat = Chat { tool_choice: Some(ToolChoice::Required), ..Chat::default() };
    assert_eq!(verdict(&none, &chat, &Reply { finish: FinishReason::Length, ..Reply::default() }), "passes");
    for config in [
        QualityConfig { empty: true, ..QualityConfig::default() },
        QualityConfig { max_chars: Some(9), ..QualityConfig::default() },
    ] {
        assert!(!gates(config).is_empty());
    }
}

#[test]
fn refusal_is_not_a_defect() {
    for finish in [FinishReason::Refusal, FinishReason::ContentFilter] {
        assert_eq!(verdict(&gates(all()), &Chat::default(), &Reply { finish, ..Reply::default() }), "passes");
    }
}

#[test]
fn first_defect_is_reported() {
    let gates = gates(all());
    let required = Chat { tool_choice: Some(ToolChoice::Required), ..Chat::default() };
    for (reply, expected) in [
        (
            Reply { finish: FinishReason::Length, ..Reply::default() },
            "empty: nothing, expected text or a tool call",
        ),
        (Reply { finish: FinishReason::Length, ..text("a") }, "truncated: cut by a limit of the provider"),
        (text(&"ab".repeat(600)), "repetition: ends with the same 2 bytes 600 times or more"),
        (text("a"), "length: 1 characters, expected at least 2"),
        (text("ab"), "tools: no tool was called, expected a call"),
    ] {
        assert_eq!(verdict(&gates, &required, &reply), expected);
    }
    assert_eq!(verdict(&gates, &Chat::default(), &text("ab")), "passes");
}

#[test]
fn arguments_are_checked_without_a_schema() {
    let call = ToolCall { id: "1".to_owned(), name: "f".to_owned(), arguments: "{".to_owned() };
    let tool = Tool { name: "f".to_owned(), description: None, parameters: None, strict: None };
    let chat = Chat { tools: vec![tool], ..Chat::default() };
    let expected = "tools: arguments of `f`: not JSON: EOF while parsing an object at line 1 column 1";
    assert_eq!(
        verdict(&gates(all()), &chat, &Reply { tool_calls: vec![call], ..Reply::default() }),
        expected
    );
}

#[test]
fn custom_gates_run_last_in_their_order() {
    let first = |_: &Chat, reply: &Reply| {
        if reply.text.contains("one") { Err(Defect::new("first")) } else { Ok(()) }
    };
    let second = |_: &Chat, _: &Reply| Err(Defect::new("second"));
    let gates = Gates::new(all(), vec![Box::new(first), Box::new(second)]).unwrap();
    assert!(!gates.is_empty());
    assert_eq!(verdict(&gates, &Chat::default(), &text("one")), "custom: first");
    assert_eq!(verdict(&gates, &Chat::default(), &text("two")), "custom: second");
    assert_eq!(verdict(&gates, &Chat::default(), &text("")), "empty: nothing, expected text or a tool call");
}
