//! What a request loses when it is said in a target's words.

use std::fmt;

use fb_core::{Capabilities, Chat, Format, Note, Part, Role};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most that may be lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxLoss {
    /// Nothing.
    None,
    /// What changes neither form nor meaning of the answer.
    Minor,
    /// Anything that an adapter does not refuse.
    #[default]
    Any,
}

/// How much one thing matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The answer has the form and the meaning that was asked for: labels, caching, tiers, how tokens are chosen.
    Minor,
    /// The answer may differ in form or meaning: schemas, tools, stop texts, pictures; and all that is not known.
    Major,
}

/// One thing that is sent differently from what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What, and what became of it.
    pub note: Note,
    /// How much it matters.
    pub severity: Severity,
}

/// Everything that is sent to a target differently from what was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// In the order of the notes, then what the model cannot do.
    pub items: Vec<Loss>,
}

/// More is lost than allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("lost in translation: {0}")]
pub struct TooMuchLost(pub Note);

impl Losses {
    /// Sorts an adapter's notes by how much they matter to this request, and adds what the request asks of a model
    /// that cannot do it.
    pub fn of(chat: &Chat, notes: &[Note], capabilities: &Capabilities) -> Self {
        let loss = |note: &Note| Loss { note: note.clone(), severity: severity(chat, &note.field) };
        let unable = [
            (!capabilities.tools && !chat.tools.is_empty(), "tools", "the model calls none"),
            (
                !capabilities.json_schema && matches!(chat.format, Format::JsonSchema(_)),
                "response_format",
                "the model follows no schema",
            ),
            (!capabilities.vision && shows_pictures(chat), "messages", "the model sees no pictures"),
        ];
        let unable = unable.into_iter().filter(|(is_lost, ..)| *is_lost);
        let unable =
            unable.map(|(_, field, what)| Loss { note: Note::new(field, what), severity: Severity::Major });
        Self { items: notes.iter().map(loss).chain(unable).collect() }
    }

    /// The worst of them; `None` if nothing is lost.
    pub fn worst(&self) -> Option<Severity> {
        self.items.iter().map(|loss| loss.severity).max()
    }

    /// Whether no more is lost than allowed.
    ///
    /// # Errors
    /// The first loss that is not allowed.
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
    /// One line for each, such as `major  seed: left out`.
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

/// Names of fields without which an answer has the form and the meaning that was asked for.
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
    // How hard to think and how to choose tokens.
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "budget_tokens",
    "verbosity",
    "max_tokens",
    // Thinking and marks of earlier turns.
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

/// By the field's last name; a name that is not known is major.
fn severity(chat: &Chat, field: &str) -> Severity {
    let last = field.rsplit('.').next().unwrap_or(field);
    let is_minor = MINOR.contains(&last)
        || is_thinking(chat, field)
        // Notes on the order of turns; only a begun answer is read otherwise when turns are ordered otherwise.
        || (field == "messages" && !is_begun(chat));
    if is_minor { Severity::Minor } else { Severity::Major }
}

/// Whether the path, such as `messages[2].content[0]`, is that of thinking the model showed earlier.
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

/// Whether the caller began the answer.
fn is_begun(chat: &Chat) -> bool {
    chat.messages.last().is_some_and(|message| message.role == Role::Assistant)
}

fn shows_pictures(chat: &Chat) -> bool {
    chat.messages.iter().any(|message| message.parts.iter().any(|part| matches!(part, Part::Image(_))))
}

#[cfg(test)]
mod tests;
