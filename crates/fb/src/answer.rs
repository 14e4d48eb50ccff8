use serde::Serialize;

use fb_core::{Level, Message, Note, Reply, Report, ToolCall, Trace, Usage};

/// A provider's reply, with the report on the calls that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// The reply.
    pub reply: Reply,
    /// The attempts, the target that answered, and the level of service.
    pub report: Report,
}

impl Answer {
    /// Returns the text; empty when the model only called tools.
    pub fn text(&self) -> &str {
        &self.reply.text
    }

    /// Returns the answer as a message of the model, for the next request of the conversation: its text and its tool calls.
    pub fn message(&self) -> Message {
        self.reply.message()
    }

    /// Returns the tool calls of the model.
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.reply.tool_calls
    }

    /// Returns the source of the answer: `PROVIDER/MODEL`, `cache` or `static`.
    pub fn served_by(&self) -> String {
        self.report.served_by.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Returns the level of service.
    pub const fn level(&self) -> Level {
        self.report.level
    }

    /// Returns the token counts, if the provider reported them.
    pub const fn usage(&self) -> Option<Usage> {
        self.reply.usage
    }

    /// Returns the differences between the caller's request and the one sent to the target.
    pub fn notes(&self) -> &[Note] {
        &self.reply.meta.notes
    }

    /// Returns the trace of all attempts; it prints as one line each.
    pub const fn trace(&self) -> &Trace {
        &self.report.trace
    }
}
