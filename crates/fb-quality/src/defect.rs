//! Defects: the reasons for which gates reject answers.

use std::fmt;

use thiserror::Error;

use crate::quote::{cut, one_line};

/// Maximum length of a message in bytes: it goes into logs, and into the prompt of a repair.
const MAX_MESSAGE: usize = 600;

/// The reason for which a gate rejected an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{gate}: {message}")]
pub struct Defect {
    gate: GateKind,
    message: String,
}

impl Defect {
    /// Creates a defect for a custom gate.
    ///
    /// The message is read by operators and, in a repair, by the model. It is cut to 600 bytes, and control characters
    /// become spaces.
    pub fn new(message: impl AsRef<str>) -> Self {
        Self::found_by(GateKind::Custom, message)
    }

    pub(crate) fn found_by(gate: GateKind, message: impl AsRef<str>) -> Self {
        Self { gate, message: one_line(cut(message.as_ref(), MAX_MESSAGE)) }
    }

    /// The gate that found the defect.
    pub const fn gate(&self) -> GateKind {
        self.gate
    }

    /// The finding and the expectation, on one line of at most 600 bytes.
    ///
    /// Built-in gates quote nothing of the prompt. Of the answer they quote names and JSON paths, but no values.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The kind of a gate. The set is closed, so that it can label metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GateKind {
    /// Neither text nor a tool call.
    Empty,
    /// Cut at a token limit.
    Truncated,
    /// Ends in a loop.
    Repetition,
    /// Too short or too long.
    Length,
    /// Not the JSON that was requested.
    Schema,
    /// Tool calls that cannot be executed, or that are missing.
    Tools,
    /// A gate that the embedding program added.
    Custom,
}

impl GateKind {
    /// All kinds, in the order in which the gates run.
    pub const ALL: [Self; 7] = [
        Self::Empty,
        Self::Truncated,
        Self::Repetition,
        Self::Length,
        Self::Schema,
        Self::Tools,
        Self::Custom,
    ];

    /// The name used in configs, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Repetition => "repetition",
            Self::Length => "length",
            Self::Schema => "schema",
            Self::Tools => "tools",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for GateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests;
