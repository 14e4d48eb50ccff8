use fb_core::{Image, ImageSource, Json, Message, Schema, Tool};

use super::*;

fn able() -> Capabilities {
    Capabilities::default()
}

fn severity_of(chat: &Chat, field: &str) -> Severity {
    Losses::of(chat, &[Note::new(field, "left out")], &able()).items[0].severity
}

#[test]
fn what_changes_neither_form_nor_meaning_is_minor() {
    let chat = Chat { messages: vec![Message::text(Role::User, "hi")], ..Chat::default() };
    for field in ["user", "metadata", "temperature", "reasoning_effort", "messages[0].name", "messages"] {
        assert_eq!(severity_of(&chat, field), Severity::Minor, "{field}");
    }
    for field in [
        "seed",
        "stop",
        "response_format",
        "tool_choice",
        "parallel_tool_calls",
        "tools[0].function.strict",
        "messages[0].content[0]",
        "messages[7].content[0]",
        "messages[x].content[0]",
        "what_nobody_knows",
        "",
    ] {
        assert_eq!(severity_of(&chat, field), Severity::Major, "{field}");
    }
}

#[test]
fn what_is_bound_to_a_provider_is_minor_elsewhere() {
    let chat = Chat { messages: vec![Message::text(Role::User, "hi")], ..Chat::default() };
    for field in [
        "messages[1].reasoning_details",
        "messages[1].thinking_blocks",
        "messages[1].encrypted_content",
        "messages[1].reasoning",
        "messages[1].reasoning_content",
        "messages[1].extra_content",
        "messages[1].tool_calls[0].extra_content",
        "messages[1].content[0].thinking",
        "messages[1].content[0].redacted_thinking",
        "messages[0].content[0].cache_control",
        "messages[0].content[0].prompt_cache_breakpoint",
        "tools[0].function.cache_control",
        "cache_control",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
    ] {
        let losses = Losses::of(&chat, &[Note::new(field, "left out")], &able());
        assert_eq!(losses.worst(), Some(Severity::Minor), "{field}");
        assert_eq!(losses.check(MaxLoss::Minor), Ok(()), "{field}");
        let said = losses.check(MaxLoss::None).unwrap_err().to_string();
        assert_eq!(said, format!("lost in translation: {field}: left out"));
    }
}

#[test]
fn the_same_note_matters_more_or_less_by_what_was_asked() {
    let thinking = Part::Thinking { text: "hm".to_owned(), signature: None };
    let other = |kind: &str| Part::Other { kind: kind.to_owned(), value: Json::parse("{}").unwrap() };
    let parts = vec![thinking, other("thinking"), other("redacted_thinking"), other("input_audio")];
    let answered = Message { role: Role::Assistant, name: None, parts };
    let chat = Chat { messages: vec![answered], ..Chat::default() };
    for (index, severity) in
        [Severity::Minor, Severity::Minor, Severity::Minor, Severity::Major].into_iter().enumerate()
    {
        assert_eq!(severity_of(&chat, &format!("messages[0].content[{index}]")), severity, "{index}");
    }
    // The answer was begun by the caller, and the order of turns decides whether it is continued.
    assert_eq!(severity_of(&chat, "messages"), Severity::Major);
}

#[test]
fn what_the_model_cannot_do_is_lost() {
    let image = Image { source: ImageSource::Url("https://example.invalid/a".to_owned()), detail: None };
    let shows = Message { role: Role::User, name: None, parts: vec![Part::Image(image)] };
    let schema =
        Schema { name: "s".to_owned(), description: None, schema: Json::parse("{}").unwrap(), strict: None };
    let tool = Tool { name: "f".to_owned(), description: None, parameters: None, strict: None };
    let chat = Chat {
        messages: vec![shows],
        tools: vec![tool],
        format: Format::JsonSchema(schema),
        ..Chat::default()
    };
    let unable = Capabilities { tools: false, json_schema: false, vision: false, ..able() };
    let losses = Losses::of(&chat, &[Note::new("user", "left out: no records")], &unable);
    assert_eq!(
        losses.to_string(),
        "minor  user: left out: no records\n\
         major  tools: the model calls none\n\
         major  response_format: the model follows no schema\n\
         major  messages: the model sees no pictures\n"
    );
    assert_eq!(Losses::of(&chat, &[], &able()), Losses::default());
    assert_eq!(Losses::of(&Chat::default(), &[], &unable), Losses::default());
}

#[test]
fn no_more_may_be_lost_than_allowed() {
    let of = |fields: &[&str]| {
        let notes: Vec<Note> = fields.iter().map(|field| Note::new(*field, "left out")).collect();
        let losses = Losses::of(&Chat::default(), &notes, &able());
        let checks = [MaxLoss::None, MaxLoss::Minor, MaxLoss::Any].map(|most| losses.check(most).err());
        (losses.worst(), checks.map(|refused| refused.map(|refused| refused.to_string())))
    };
    let said = |field: &str| Some(format!("lost in translation: {field}: left out"));
    assert_eq!(of(&[]), (None, [None, None, None]));
    assert_eq!(of(&["user"]), (Some(Severity::Minor), [said("user"), None, None]));
    assert_eq!(of(&["user", "seed"]), (Some(Severity::Major), [said("user"), said("seed"), None]));
}
