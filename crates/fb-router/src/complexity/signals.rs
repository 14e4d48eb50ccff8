//! The counts that a classifier decides by.

use std::borrow::Cow;

use fb_core::{Chat, Format, Message, Part, Role};

use crate::facts::{Content, size};

/// The properties of a request that a [`Classifier`](crate::Classifier) decides by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signals<'a> {
    /// The text of the latest user message, with its parts joined by line breaks.
    pub text: Cow<'a, str>,
    /// The estimated tokens of the whole conversation with tools and schema.
    pub tokens: u64,
    /// The number of messages of user and model.
    pub turns: u64,
    /// The number of declared tools.
    pub tools: u64,
    /// Set if the answer must follow a JSON schema.
    pub schema: bool,
    /// The number of images in the whole conversation.
    pub images: u64,
}

impl<'a> Signals<'a> {
    /// Reads the signals of a parsed conversation.
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

    /// Creates the signals of a single user message without tools, schema or images.
    pub fn from_text(text: &'a str) -> Self {
        let tokens = crate::estimate_tokens(size(text.len()));
        Self { text: Cow::Borrowed(text), tokens, turns: 1, ..Self::default() }
    }

    /// Counts the words of the text, separated by white space.
    pub fn words(&self) -> u64 {
        size(self.text.split_whitespace().count())
    }

    /// Counts the code blocks in the text, as pairs of ` ``` `; an unclosed block counts.
    pub fn code_blocks(&self) -> u64 {
        size(self.text.matches("```").count()).div_ceil(2)
    }

    /// Counts the words that end in question marks; a question mark inside a URL does not count.
    pub fn questions(&self) -> u64 {
        let is_question =
            |word: &&str| word.trim_end_matches(['"', '\'', ')', '*', '!', '”', '»']).ends_with(['?', '？']);
        size(self.text.split_whitespace().filter(is_question).count())
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
