//! The dialects of callers: one file each.

mod anthropic_messages;
mod openai_chat;

pub(crate) use self::{anthropic_messages::AnthropicMessages, openai_chat::OpenAiChat};
use crate::door::Door;

/// Returns the door of a path; any other than a door's own has OpenAI's.
pub(crate) fn of(path: &str) -> &'static dyn Door {
    if path == "/v1/messages" || path.starts_with("/v1/messages/") { &AnthropicMessages } else { &OpenAiChat }
}
