use fb_core::{Chat, ChatRequest, Note, Part, ToolChoice};

use super::{Feature, Rung};

/// The request as it is asked at a level, and what was changed in it; `None` when it cannot do without what the level
/// leaves out, or says nothing that could be read.
pub(crate) fn reduce(request: &ChatRequest, rung: &Rung, level: &str) -> Option<(ChatRequest, Vec<Note>)> {
    let mut chat = request.chat().ok()?.clone();
    let mut notes = Vec::new();
    let mut note =
        |field: &str, what: String| notes.push(Note::new(field, format!("{what} at level {level}")));
    if let Some(most) = rung.max_tokens.filter(|most| chat.max_tokens.is_none_or(|asked| asked > *most)) {
        chat.max_tokens = Some(most);
        note("max_tokens", format!("{most}"));
    }
    if let Some(temperature) = rung.temperature.filter(|new| chat.sampling.temperature != Some(*new)) {
        chat.sampling.temperature = Some(temperature);
        note("temperature", format!("{temperature}"));
    }
    if !rung.keeps(Feature::Vision) && shows_pictures(&chat) {
        return None;
    }
    if !rung.keeps(Feature::Tools) {
        if needs_tools(&chat) {
            return None;
        }
        if !chat.tools.is_empty() {
            chat.tools.clear();
            (chat.tool_choice, chat.parallel_tools) = (None, None);
            note("tools", "dropped".to_owned());
        }
    }
    if notes.is_empty() {
        // The caller's own bytes go on.
        return Some((request.clone(), notes));
    }
    // What has no word of ours is the provider's to refuse, and this level is for getting an answer at all.
    for extra in std::mem::take(&mut chat.extra) {
        notes.push(Note::new(extra.path, format!("dropped at level {level}")));
    }
    let head = request.head();
    let reduced = ChatRequest::from_chat(head.model.clone(), chat).with_options(request.options().clone());
    Some((reduced, notes))
}

impl Rung {
    pub(crate) fn keeps(&self, feature: Feature) -> bool {
        self.features.as_ref().is_none_or(|kept| kept.contains(&feature))
    }
}

fn needs_tools(chat: &Chat) -> bool {
    let required = matches!(chat.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    required || chat.messages.iter().any(|message| message.parts.iter().any(is_of_a_tool))
}

fn is_of_a_tool(part: &Part) -> bool {
    matches!(part, Part::ToolCall(_) | Part::ToolResult(_))
}

fn shows_pictures(chat: &Chat) -> bool {
    chat.messages.iter().any(|message| message.parts.iter().any(|part| matches!(part, Part::Image(_))))
}
