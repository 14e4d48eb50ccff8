use fb_core::{Level, Note, Reply, Report, ToolCall, Trace, Usage};

/// A provider's reply, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the provider said.
    pub reply: Reply,
    /// Who was tried, why it failed, who answered.
    pub report: Report,
}

impl Answer {
    /// The answer's text; empty when the model only called tools.
    pub fn text(&self) -> &str {
        &self.reply.text
    }

    /// Tools the model calls.
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.reply.tool_calls
    }

    /// Who answered, as `PROVIDER/MODEL`.
    pub fn served_by(&self) -> String {
        self.report.served_by.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// On which rung of the ladder.
    pub const fn level(&self) -> Level {
        self.report.level
    }

    /// Tokens, if the provider counted them.
    pub const fn usage(&self) -> Option<Usage> {
        self.reply.usage
    }

    /// What the target was sent differently from what was asked.
    pub fn notes(&self) -> &[Note] {
        &self.reply.meta.notes
    }

    /// Every attempt, one line each.
    pub const fn trace(&self) -> &Trace {
        &self.report.trace
    }
}
