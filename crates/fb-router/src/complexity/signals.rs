use std::borrow::Cow;

use fb_core::{Chat, Format, Message, Part, Role};

use crate::facts::{Content, size};

/// What is looked at to tell how hard a request is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signals<'a> {
    /// The text of the latest message of the user, its parts joined by line breaks.
    pub text: Cow<'a, str>,
    /// Estimated tokens of the whole conversation, tools and schema.
    pub tokens: u64,
    /// Messages of user and model.
    pub turns: u64,
    /// Tools declared.
    pub tools: u64,
    /// Whether the answer has to follow a schema.
    pub schema: bool,
    /// Pictures in the whole conversation.
    pub images: u64,
}

impl<'a> Signals<'a> {
    /// Reads them from a request's typed view.
    pub fn from_chat(chat: &'a Chat) -> Self {
        let content = Content::measure(chat);
        let is_turn = |message: &&Message| matches!(message.role, Role::User | Role::Assistant);
        let latest = chat.messages.iter().rfind(|message| message.role == Role::User);
        Self {
            text: latest.map_or(Cow::Borrowed(""), text),
            tokens: content.tokens(),
            turns: size(chat.messages.iter().filter(is_turn).count()),
            tools: size(chat.tools.len()),
            schema: matches!(chat.format, Format::JsonSchema(_)),
            images: content.images,
        }
    }

    /// Of a text alone.
    pub fn from_text(text: &'a str) -> Self {
        let tokens = crate::estimate_tokens(size(text.len()));
        Self { text: Cow::Borrowed(text), tokens, turns: 1, ..Self::default() }
    }

    /// Words of the text: runs without white space.
    pub fn words(&self) -> u64 {
        size(self.text.split_whitespace().count())
    }

    /// Blocks of code in the text: pairs of ` ``` `, an open one included.
    pub fn code_blocks(&self) -> u64 {
        size(self.text.matches("```").count()).div_ceil(2)
    }

    /// Questions in the text: runs of question marks at the end of a word, so those inside URLs are none.
    pub fn questions(&self) -> u64 {
        let asks =
            |word: &&str| word.trim_end_matches(['"', '\'', ')', '*', '!', '”', '»']).ends_with(['?', '？']);
        size(self.text.split_whitespace().filter(asks).count())
    }
}

fn text(message: &Message) -> Cow<'_, str> {
    let mut texts = message.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Image(_)
        | Part::Refusal(_)
        | Part::Thinking { .. }
        | Part::ToolCall(_)
        | Part::ToolResult(_)
        | Part::Other { .. } => None,
    });
    let first = texts.next().unwrap_or_default();
    match texts.next() {
        None => Cow::Borrowed(first),
        Some(second) => [first, second].into_iter().chain(texts).collect::<Vec<_>>().join("\n").into(),
    }
}
