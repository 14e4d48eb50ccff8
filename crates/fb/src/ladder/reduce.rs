use fb_core::{Chat, ChatRequest, Level, Note, Part, ToolChoice};

use super::config::{Feature, Rung};

/// Returns a request as it is sent at a level, with notes on the changes. Returns `None` if the request cannot be served
/// without a feature that the level leaves out, or cannot be parsed.
pub(crate) fn reduce(request: &ChatRequest, rung: &Rung, level: Level) -> Option<(ChatRequest, Vec<Note>)> {
    let mut chat = request.chat().ok()?.clone();
    let mut notes = Vec::new();
    let mut note =
        |field: &str, change: String| notes.push(Note::new(field, format!("{change} at level {level}")));
    let exceeds = |most: &u32| chat.max_tokens.is_none_or(|requested| requested > *most);
    if let Some(most) = rung.max_tokens.filter(exceeds) {
        chat.max_tokens = Some(most);
        note("max_tokens", format!("{most}"));
    }
    if let Some(temperature) = rung.temperature.filter(|new| chat.sampling.temperature != Some(*new)) {
        chat.sampling.temperature = Some(temperature);
        note("temperature", format!("{temperature}"));
    }
    if !rung.keeps(Feature::Vision) && has_images(&chat) {
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
        // An unchanged request keeps the caller's bytes.
        return Some((request.clone(), notes));
    }
    // A provider might refuse fields that have no translation, and a lower level serves to get any answer at all.
    if level > Level::Full {
        for extra in std::mem::take(&mut chat.extra) {
            notes.push(Note::new(extra.path, format!("dropped at level {level}")));
        }
    }
    let head = request.head();
    let reduced = ChatRequest::from_chat(head.model.clone(), chat).with_options(request.options().clone());
    Some((reduced, notes))
}

impl Rung {
    /// Returns true if requests keep the feature at this level.
    pub(crate) fn keeps(&self, feature: Feature) -> bool {
        self.features.as_ref().is_none_or(|kept| kept.contains(&feature))
    }
}

fn needs_tools(chat: &Chat) -> bool {
    let required = matches!(chat.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    required || chat.messages.iter().any(|message| message.parts.iter().any(is_tool_part))
}

fn is_tool_part(part: &Part) -> bool {
    matches!(part, Part::ToolCall(_) | Part::ToolResult(_))
}

fn has_images(chat: &Chat) -> bool {
    chat.messages.iter().any(|message| message.parts.iter().any(|part| matches!(part, Part::Image(_))))
}
