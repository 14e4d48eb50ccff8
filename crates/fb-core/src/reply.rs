use std::fmt;

use bytes::Bytes;
use serde::Serialize;

use crate::{Dialect, Message, Part, Role, ToolCall, Usage};

/// A provider's whole answer to a request that was not streamed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// Metadata of the answer.
    pub meta: Meta,
    /// The provider's id for the answer.
    pub id: Option<String>,
    /// The model that answered, as reported by the provider.
    pub model: Option<String>,
    /// The text of the answer; empty if the model only called tools.
    pub text: String,
    /// The visible reasoning of the model.
    pub thinking: String,
    /// The tool calls of the model.
    pub tool_calls: Vec<ToolCall>,
    /// The reason why the answer ended.
    pub finish: FinishReason,
    /// Token counts, if the provider reported them.
    pub usage: Option<Usage>,
    /// The response body as received.
    pub raw: Option<Raw>,
    /// `true` if `raw` contains every field that its dialect requires and can be forwarded unchanged.
    pub complete: bool,
}

impl Reply {
    /// Returns the reply as a message of the model, for the next request of the conversation: its text and its tool calls.
    /// The visible reasoning is left out, because a provider accepts it only with a signature of its own.
    pub fn message(&self) -> Message {
        let text = (!self.text.is_empty()).then(|| Part::Text(self.text.clone()));
        let calls = self.tool_calls.iter().cloned().map(Part::ToolCall);
        Message { role: Role::Assistant, name: None, parts: text.into_iter().chain(calls).collect() }
    }
}

/// A body as received, with its dialect.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    /// The dialect of the body.
    pub dialect: Dialect,
    /// The bytes.
    pub bytes: Bytes,
}

impl fmt::Debug for Raw {
    /// Writes the size, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({}, {} bytes)", self.dialect, self.bytes.len())
    }
}

/// Metadata of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// The provider's request id, for support requests.
    pub request_id: Option<String>,
    /// The differences between the caller's request and the request that was sent.
    pub notes: Vec<Note>,
}

/// A difference between the caller's request and the request sent to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The field, such as `seed`.
    pub field: String,
    /// The change made to it.
    pub what: String,
}

impl Note {
    /// Creates a note about a field.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}

/// The reason why an answer ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FinishReason {
    /// The model finished, or generated a stop sequence.
    #[default]
    Stop,
    /// The token limit was reached.
    Length,
    /// The model called tools and needs their results.
    ToolCalls,
    /// A filter cut the answer; always comes with a [`Block`](crate::Block).
    ContentFilter,
    /// The model declined; always comes with a [`Block`](crate::Block).
    Refusal,
    /// Another reason, with the provider's name for it.
    Other(String),
}
