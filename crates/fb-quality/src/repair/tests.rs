use fb_core::{Chat, Options, ToolCall};

use super::*;

fn request() -> ChatRequest {
    let chat = Chat { messages: vec![Message::text(Role::User, "a colour as JSON")], ..Chat::default() };
    let options = Options { session: Some("s".to_owned()), ..Options::default() };
    ChatRequest::from_chat("default", chat).with_options(options)
}

fn added(reply: &Reply, defect: &Defect) -> Option<Vec<Message>> {
    let again = repair(&request(), reply, defect)?;
    assert_eq!(again.head().model, "default");
    assert_eq!(again.options(), request().options());
    let messages = &again.chat().unwrap().messages;
    assert_eq!(messages[..1], request().chat().unwrap().messages);
    Some(messages[1..].to_vec())
}

#[test]
fn rejected_answer_and_its_defect_follow_the_question() {
    let reply = Reply { text: "red\n".to_owned(), ..Reply::default() };
    let defect = Defect::found_by(GateKind::Schema, "the answer: not JSON");
    let expected = vec![
        Message::text(Role::Assistant, "red"),
        Message::text(
            Role::User,
            "Your last answer was rejected by an automatic check: the answer: not JSON. Answer again with nothing but \
             the corrected JSON: no Markdown fence, no remarks.",
        ),
    ];
    assert_eq!(added(&reply, &defect), Some(expected));
}

#[test]
fn calls_are_rendered_as_text() {
    let call = |name: &str, arguments: &str| ToolCall {
        id: "1".to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    let calls = vec![call("f", "{\"a\":"), call("g", "{}")];
    let reply = Reply { text: "Let me see.".to_owned(), tool_calls: calls, ..Reply::default() };
    let messages = added(&reply, &Defect::found_by(GateKind::Tools, "no")).unwrap();
    assert_eq!(
        messages[0],
        Message::text(Role::Assistant, "Let me see.\ncalled f with {\"a\":\ncalled g with {}")
    );
    assert_eq!(messages.len(), 2);
}

#[test]
fn empty_answer_is_left_out_and_a_long_one_is_cut() {
    let defect = Defect::found_by(GateKind::Empty, "nothing");
    let messages = added(&Reply::default(), &defect).unwrap();
    assert_eq!(messages.iter().map(|message| message.role).collect::<Vec<_>>(), [Role::User]);
    let long = Reply { text: "ä".repeat(20_000), ..Reply::default() };
    let shown = format!("{} [cut]", "ä".repeat(8_192));
    assert_eq!(added(&long, &Defect::new("too long")).unwrap()[0], Message::text(Role::Assistant, shown));
}

#[test]
fn truncated_and_repetitive_answers_are_not_repaired() {
    let is_repaired = |gate| repair(&request(), &Reply::default(), &Defect::found_by(gate, "no")).is_some();
    assert_eq!(GateKind::ALL.map(is_repaired), [true, false, false, true, true, true, true]);
}
