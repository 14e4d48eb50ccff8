use std::fmt;

use bytes::Bytes;

use crate::{Dialect, ToolCall};

/// What one provider said to one plain request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// What came with it.
    pub meta: Meta,
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that really answered, by its provider's word.
    pub model: Option<String>,
    /// The answer's text; empty when the model only called tools.
    pub text: String,
    /// Thinking the model showed.
    pub thinking: String,
    /// Tools the model calls.
    pub tool_calls: Vec<ToolCall>,
    /// Why the answer ended.
    pub finish: FinishReason,
    /// Tokens, if the provider counted them.
    pub usage: Option<Usage>,
    /// The answer as it came.
    pub raw: Option<Raw>,
    /// Whether `raw` is known to have every field its dialect requires, so that it can go out as it is.
    pub complete: bool,
}

/// A body as it came, and its wire language.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    /// The wire language.
    pub dialect: Dialect,
    /// The bytes.
    pub bytes: Bytes,
}

impl fmt::Debug for Raw {
    /// Prints the size, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({}, {} bytes)", self.dialect, self.bytes.len())
    }
}

/// What came with an answer beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// The provider's id of the request, for its support.
    pub request_id: Option<String>,
    /// What the target was sent differently from what the caller asked.
    pub notes: Vec<Note>,
}

/// One thing the target was sent differently from what the caller asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The field, such as `seed`.
    pub field: String,
    /// What became of it.
    pub what: String,
}

impl Note {
    /// Names the field and what became of it.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done, or met a stop text.
    #[default]
    Stop,
    /// The token limit was reached.
    Length,
    /// The model waits for the results of its tool calls.
    ToolCalls,
    /// A filter cut the answer; always comes with a [`Block`](crate::Block).
    ContentFilter,
    /// The model declined; always comes with a [`Block`](crate::Block).
    Refusal,
    /// A reason without a word here, in the provider's own.
    Other(String),
}

/// Tokens of one call, in OpenAI's sense: `input` holds cached tokens, `output` holds thinking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input: u64,
    /// Generated tokens, thinking included.
    pub output: u64,
    /// Of the input: read from the provider's cache.
    pub cached: u64,
    /// Of the input: written to the provider's cache.
    pub cache_written: u64,
    /// Of the output: thinking.
    pub reasoning: u64,
}

impl Usage {
    /// Input and output.
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
