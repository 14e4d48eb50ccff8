//! Removes from messages what a provider would reject or must not receive.

use std::borrow::Cow;

use fb_core::{Note, RawBody};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::artefacts::{Bound, Position};
use crate::{
    edits::{Edits, quoted, value},
    nested::{Element, Needle, contains, edit_array, edit_object, is_empty},
    preset::{Preset, ToolIds},
};

static DEVELOPER: Needle = Needle::new(|| Finder::new("\"developer\""));
static ASSISTANT: Needle = Needle::new(|| Finder::new("\"assistant\""));

/// Adapts the messages to a provider. The bytes are searched for a few texts and parsed only if one is found; messages
/// without changes stay byte-identical.
pub(super) fn rewrite(raw: &RawBody, model: &str, preset: &Preset, edits: &mut Edits, notes: &mut Vec<Note>) {
    let Some(text) = value(raw, "messages") else { return };
    let quirks = &preset.quirks;
    let has_calls = || contains(text, "\"tool_calls\"");
    let rewriting = Rewriting {
        bound: Bound::in_messages(text, preset.name),
        roles: !quirks.developer && DEVELOPER.find(text.as_bytes()).is_some(),
        ids: quirks.tool_ids == ToolIds::NineAlphanumeric
            && (has_calls() || contains(text, "\"tool_call_id\"")),
        signs: quirks.signed_calls && wants_signed(model) && has_calls(),
        prefixed: if quirks.prefix && ASSISTANT.find(text.as_bytes()).is_some() {
            last_if_assistant(text)
        } else {
            None
        },
    };
    if rewriting.is_empty() {
        return;
    }
    let messages = edit_array(text, |index, message| {
        let new = rewriting.message(message, index, notes);
        new.map_or(Element::Keep, Element::Replace)
    });
    if let Some(messages) = messages {
        edits.set("messages", messages);
    }
}

/// The required changes.
#[derive(Debug)]
struct Rewriting {
    /// Artefacts to remove.
    bound: Bound,
    /// Replace the role `developer` by `system`.
    roles: bool,
    /// Replace the ids of tool calls.
    ids: bool,
    /// Add [`UNSIGNED`] to calls without a signature.
    signs: bool,
    /// The index of the message to mark as the beginning of the answer.
    prefixed: Option<usize>,
}

impl Rewriting {
    const fn is_empty(&self) -> bool {
        self.bound.is_empty() && self.is_without_artefacts()
    }

    const fn is_without_artefacts(&self) -> bool {
        !self.roles && !self.ids && !self.signs && self.prefixed.is_none()
    }

    fn message(&self, text: &str, index: usize, notes: &mut Vec<Note>) -> Option<String> {
        let bound = self.bound.may_occur_in(text);
        if !bound && self.is_without_artefacts() {
            return None;
        }
        let path = &format!("messages[{index}].");
        edit_object(text, |message, edits| {
            if self.roles && value(message, "role") == Some("\"developer\"") {
                edits.set("role", "\"system\"");
                let note = Note::new("messages", "role developer sent as system");
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            if self.ids
                && let Some(id) = value(message, "tool_call_id").and_then(nine_alphanumeric)
            {
                edits.set("tool_call_id", quoted(&id));
            }
            if bound {
                self.bound.remove_fields(message, Position::Message, path, edits, notes);
                self.content(message, path, edits, notes);
            }
            if self.prefixed == Some(index) {
                edits.set("prefix", "true");
            }
            let calls = value(message, "tool_calls");
            if let Some(calls) = calls.and_then(|calls| self.calls(calls, path, notes)) {
                edits.set("tool_calls", calls);
            }
        })
    }

    fn content(&self, message: &RawBody, path: &str, edits: &mut Edits, notes: &mut Vec<Note>) {
        let Some(content) = value(message, "content").filter(|content| content.starts_with('[')) else {
            return;
        };
        let Some(remaining) = self.bound.remove_parts(content, &format!("{path}content"), notes) else {
            return;
        };
        // No provider accepts an empty list, and many accept missing content only beside tool calls.
        edits.set(
            "content",
            match value(message, "tool_calls") {
                _ if !is_empty(&remaining) => remaining,
                Some(calls) if !is_empty(calls) => "null".to_owned(),
                _ => "\"\"".to_owned(),
            },
        );
    }

    fn calls(&self, calls: &str, path: &str, notes: &mut Vec<Note>) -> Option<String> {
        // Of parallel calls only the first one is signed.
        let unsigned = self.signs && !contains(calls, "\"extra_content\"");
        edit_array(calls, |index, text| {
            let new = edit_object(text, |call, edits| {
                self.bound.remove_fields(
                    call,
                    Position::Call,
                    &format!("{path}tool_calls[{index}]."),
                    edits,
                    notes,
                );
                if self.ids
                    && let Some(id) = value(call, "id").and_then(nine_alphanumeric)
                {
                    edits.set("id", quoted(&id));
                }
                if unsigned && index == 0 {
                    edits.set("extra_content", UNSIGNED);
                }
            });
            new.map_or(Element::Keep, Element::Replace)
        })
    }
}

/// Returns the index of the last message if it is an answer of the model, without tool calls.
fn last_if_assistant(messages: &str) -> Option<usize> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
        #[serde(borrow)]
        tool_calls: Option<&'a RawValue>,
    }
    let messages: Vec<&RawValue> = serde_json::from_str(messages).ok()?;
    let last: Message<'_> = serde_json::from_str(messages.last()?.get()).ok()?;
    (last.role == "assistant" && last.tool_calls.is_none()).then(|| messages.len() - 1)
}

/// Google's marker for a call that none of its models made; without it or a signature the request is rejected.
const UNSIGNED: &str = r#"{"google":{"thought_signature":"skip_thought_signature_validator"}}"#;

/// Returns true if a model of Google's checks signatures; models before Gemini 3 do not.
fn wants_signed(model: &str) -> bool {
    let name = model.strip_prefix("models/").unwrap_or(model);
    name.starts_with("gemini-") && !name.starts_with("gemini-1.") && !name.starts_with("gemini-2.")
}

/// Maps an id to nine letters and digits, deterministically; `None` if it already has this form.
fn nine_alphanumeric(json: &str) -> Option<String> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let id: Cow<'_, str> = serde_json::from_str(json).ok()?;
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    // FNV-1a; 62^9 is about 2^53, so collisions within a conversation are negligible.
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut letters = String::with_capacity(9);
    for _ in 0..9 {
        let index = usize::try_from(hash % 62).unwrap_or_default();
        letters.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'0')));
        hash /= 62;
    }
    Some(letters)
}
