use fb_core::{Image, ImageSource, Json, Message, Schema, Tool};

use super::*;

fn able() -> Capabilities {
    Capabilities::default()
}

fn severity_of(chat: &Chat, field: &str) -> Severity {
    Losses::new(chat, &[Note::new(field, "left out")], &able()).items[0].severity
}

#[test]
fn loss_without_effect_on_form_or_meaning_is_minor() {
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
        "unknown_field",
        "",
    ] {
        assert_eq!(severity_of(&chat, field), Severity::Major, "{field}");
    }
}

#[test]
fn provider_specific_fields_are_minor_losses_elsewhere() {
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
        let losses = Losses::new(&chat, &[Note::new(field, "left out")], &able());
        assert_eq!(losses.worst(), Some(Severity::Minor), "{field}");
        assert_eq!(losses.check(MaxLoss::Minor), Ok(()), "{field}");
        let error = losses.check(MaxLoss::None).unwrap_err().to_string();
        assert_eq!(error, format!("lost in translation: {field}: left out"));
    }
}

#[test]
fn severity_of_a_note_depends_on_the_request() {
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
    // The caller prefilled the answer, and the order of turns decides whether it is continued.
    assert_eq!(severity_of(&chat, "messages"), Severity::Major);
}

#[test]
fn missing_model_features_are_losses() {
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
    let losses = Losses::new(&chat, &[Note::new("user", "left out: no records")], &unable);
    assert_eq!(
        losses.to_string(),
        "minor  user: left out: no records\n\
         major  tools: the model calls none\n\
         major  response_format: the model follows no schema\n\
         major  messages: the model sees no pictures\n"
    );
    assert_eq!(Losses::new(&chat, &[], &able()), Losses::default());
    assert_eq!(Losses::new(&Chat::default(), &[], &unable), Losses::default());
}

#[test]
fn losses_above_the_maximum_are_refused() {
    let checks = |fields: &[&str]| {
        let notes: Vec<Note> = fields.iter().map(|field| Note::new(*field, "left out")).collect();
        let losses = Losses::new(&Chat::default(), &notes, &able());
        let checks = [MaxLoss::None, MaxLoss::Minor, MaxLoss::Any].map(|most| losses.check(most).err());
        (losses.worst(), checks.map(|refused| refused.map(|refused| refused.to_string())))
    };
    let refusal = |field: &str| Some(format!("lost in translation: {field}: left out"));
    assert_eq!(checks(&[]), (None, [None, None, None]));
    assert_eq!(checks(&["user"]), (Some(Severity::Minor), [refusal("user"), None, None]));
    assert_eq!(checks(&["user", "seed"]), (Some(Severity::Major), [refusal("user"), refusal("seed"), None]));
}
