use fb_core::{ToolCall, Usage};

use super::*;

fn text(text: &str) -> Reply {
    Reply { text: text.to_owned(), ..Reply::default() }
}

fn verdict(result: Result<(), Defect>) -> String {
    result.map_or_else(|defect| defect.to_string(), |()| "passes".to_owned())
}

fn calling() -> Reply {
    let call = ToolCall { id: "1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
    Reply { tool_calls: vec![call], ..Reply::default() }
}

#[test]
fn answer_without_text_and_calls_is_empty() {
    let thinking = Reply { thinking: "hm".to_owned(), ..Reply::default() };
    let cases = [
        (text("a"), "passes"),
        (calling(), "passes"),
        (text(""), "empty: nothing, expected text or a tool call"),
        (text(" \n"), "empty: only white space, expected text or a tool call"),
        (thinking, "empty: only thinking, expected text or a tool call"),
    ];
    for (reply, expected) in cases {
        assert_eq!(verdict(not_empty(&reply)), expected);
    }
}

#[test]
fn cut_is_a_defect_unless_at_the_callers_limit() {
    let cut = |requested, used: Option<u64>, finish| {
        let chat = Chat { max_tokens: requested, ..Chat::default() };
        let usage = used.map(|output| Usage { output, ..Usage::default() });
        verdict(not_truncated(&chat, &Reply { usage, finish, ..text("a") }))
    };
    assert_eq!(cut(None, Some(9), FinishReason::Stop), "passes");
    assert_eq!(cut(None, None, FinishReason::Length), "truncated: cut by a limit of the provider");
    assert_eq!(
        cut(None, Some(9), FinishReason::Length),
        "truncated: cut after 9 tokens by a limit of the provider"
    );
    assert_eq!(cut(Some(10), Some(9), FinishReason::Length), "truncated: cut after 9 of 10 tokens");
    assert_eq!(cut(Some(9), Some(9), FinishReason::Length), "passes");
    assert_eq!(cut(Some(9), None, FinishReason::Length), "passes");
}

#[test]
fn length_counts_characters_without_surrounding_white_space() {
    let config = QualityConfig { min_chars: Some(2), max_chars: Some(3), ..QualityConfig::default() };
    let check = |reply| verdict(length(&config, &reply));
    assert_eq!(check(text("äö\n")), "passes");
    assert_eq!(check(text(" ä ")), "length: 1 characters, expected at least 2");
    assert_eq!(check(text("äöüß")), "length: 4 characters, expected at most 3");
    assert_eq!(check(calling()), "passes");
}
