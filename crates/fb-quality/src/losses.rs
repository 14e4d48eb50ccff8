//! Losses: the parts of a request that its translation into a target's dialect drops or changes.

use std::fmt;

use fb_core::{Capabilities, Chat, Format, Note, Part, Role};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The largest loss that a route allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxLoss {
    /// No loss at all.
    None,
    /// Losses that change neither form nor meaning of the answer.
    Minor,
    /// Every loss that the adapter accepts.
    #[default]
    Any,
}

/// The weight of a single loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// The answer keeps the requested form and meaning: labels, caching, tiers, sampling parameters.
    Minor,
    /// The answer may differ in form or meaning: schemas, tools, stop sequences, images, and every unknown field.
    Major,
}

/// One part of a request that the target receives changed or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The field and what the adapter did to it.
    pub note: Note,
    /// The weight of the loss.
    pub severity: Severity,
}

/// All losses of one request at one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// The adapter's notes in their order, then the features that the model lacks.
    pub items: Vec<Loss>,
}

/// The first loss that exceeds the allowed maximum.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("lost in translation: {0}")]
pub struct TooMuchLost(pub Note);

impl Losses {
    /// Classifies an adapter's notes by their weight for this request, and adds the features that the request needs and
    /// the model lacks.
    pub fn new(chat: &Chat, notes: &[Note], capabilities: &Capabilities) -> Self {
        let loss = |note: &Note| Loss { note: note.clone(), severity: severity(chat, &note.field) };
        let unable = [
            (!capabilities.tools && !chat.tools.is_empty(), "tools", "the model calls none"),
            (
                !capabilities.json_schema && matches!(chat.format, Format::JsonSchema(_)),
                "response_format",
                "the model follows no schema",
            ),
            (!capabilities.vision && has_images(chat), "messages", "the model sees no pictures"),
        ];
        let unable = unable.into_iter().filter(|(is_lost, ..)| *is_lost);
        let unable =
            unable.map(|(_, field, what)| Loss { note: Note::new(field, what), severity: Severity::Major });
        Self { items: notes.iter().map(loss).chain(unable).collect() }
    }

    /// The highest severity, or `None` if nothing is lost.
    pub fn worst(&self) -> Option<Severity> {
        self.items.iter().map(|loss| loss.severity).max()
    }

    /// Checks the losses against the allowed maximum.
    ///
    /// # Errors
    /// Returns the first loss that is not allowed.
    pub fn check(&self, most: MaxLoss) -> Result<(), TooMuchLost> {
        let is_allowed = |loss: &&Loss| match most {
            MaxLoss::None => false,
            MaxLoss::Minor => loss.severity == Severity::Minor,
            MaxLoss::Any => true,
        };
        let refused = self.items.iter().find(|loss| !is_allowed(loss));
        refused.map_or(Ok(()), |loss| Err(TooMuchLost(loss.note.clone())))
    }
}

impl fmt::Display for Losses {
    /// Writes one line for each loss, such as `major  seed: left out`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.iter().try_for_each(|loss| {
            let severity = match loss.severity {
                Severity::Minor => "minor",
                Severity::Major => "major",
            };
            writeln!(f, "{severity}  {}", loss.note)
        })
    }
}

/// Fields that can be dropped without a change in the form or meaning of the answer.
const MINOR: &[&str] = &[
    // Labels and records.
    "user",
    "metadata",
    "safety_identifier",
    "store",
    "name",
    "diagnostics",
    "caller",
    // Price and speed.
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "prompt_cache_breakpoint",
    "cache_control",
    "service_tier",
    "speed",
    "defer_loading",
    "eager_input_streaming",
    "fallbacks",
    "fallback_credit_token",
    // Reasoning effort and sampling.
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "budget_tokens",
    "verbosity",
    "max_tokens",
    // Thinking and annotations of earlier turns.
    "thinking",
    "thinking_blocks",
    "redacted_thinking",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "encrypted_content",
    "extra_content",
    "signature",
    "display",
    "annotations",
    "role",
    "is_error",
    "detail",
];

/// Classifies a field by the last segment of its path; unknown fields are major.
fn severity(chat: &Chat, field: &str) -> Severity {
    let last = field.rsplit('.').next().unwrap_or(field);
    let is_minor = MINOR.contains(&last)
        || is_thinking(chat, field)
        // A note on the order of turns. The order changes the meaning only when the caller prefilled the answer.
        || (field == "messages" && !is_prefilled(chat));
    if is_minor { Severity::Minor } else { Severity::Major }
}

/// Returns `true` if a path such as `messages[2].content[0]` points to thinking from an earlier turn.
fn is_thinking(chat: &Chat, field: &str) -> bool {
    let part = || {
        let (message, part) = field.strip_prefix("messages[")?.split_once("].content[")?;
        let message = chat.messages.get(message.parse::<usize>().ok()?)?;
        message.parts.get(part.strip_suffix(']')?.parse::<usize>().ok()?)
    };
    match part() {
        Some(Part::Thinking { .. }) => true,
        Some(Part::Other { kind, .. }) => matches!(&**kind, "thinking" | "redacted_thinking"),
        _ => false,
    }
}

/// Returns `true` if the caller prefilled the beginning of the answer.
fn is_prefilled(chat: &Chat) -> bool {
    chat.messages.last().is_some_and(|message| message.role == Role::Assistant)
}

fn has_images(chat: &Chat) -> bool {
    chat.messages.iter().any(|message| message.parts.iter().any(|part| matches!(part, Part::Image(_))))
}

#[cfg(test)]
mod tests;
