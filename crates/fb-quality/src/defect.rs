//! What is wrong with an answer.

use std::fmt;

use thiserror::Error;

use crate::quote::{cut, one_line};

/// Most bytes of a message: it goes into logs, and into the prompt of a repair.
const MAX_MESSAGE: usize = 600;

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{gate}: {message}")]
pub struct Defect {
    gate: GateKind,
    message: String,
}

impl Defect {
    /// A defect found by a gate of the program's own. The message is for the operator and for the model; it is cut to
    /// 600 bytes, and control characters become spaces.
    pub fn new(message: impl AsRef<str>) -> Self {
        Self::of(GateKind::Custom, message)
    }

    pub(crate) fn of(gate: GateKind, message: impl AsRef<str>) -> Self {
        Self { gate, message: one_line(cut(message.as_ref(), MAX_MESSAGE)) }
    }

    /// Which gate said so.
    pub const fn gate(&self) -> GateKind {
        self.gate
    }

    /// What was found and what was expected, in at most 600 bytes of one line. The built-in gates quote nothing of
    /// the prompt, and of the answer only names and places, no values.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The gates; a closed set, so that it may label metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GateKind {
    /// Neither text nor a tool call.
    Empty,
    /// Cut at a limit of tokens.
    Truncated,
    /// Ends in a loop.
    Repetition,
    /// Too short or too long.
    Length,
    /// Not the JSON that was asked for.
    Schema,
    /// Tool calls that cannot be carried out, or are missing.
    Tools,
    /// A gate of the program's own.
    Custom,
}

impl GateKind {
    /// Every gate once.
    pub const ALL: [Self; 7] = [
        Self::Empty,
        Self::Truncated,
        Self::Repetition,
        Self::Length,
        Self::Schema,
        Self::Tools,
        Self::Custom,
    ];

    /// The gate's word in configs, logs and metrics.
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
