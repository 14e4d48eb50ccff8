//! What of the messages a provider would reject, or must not see.

use std::borrow::Cow;

use fb_core::{Note, RawBody};

use crate::{
    edits::{Edits, quoted, value},
    nested::{Element, array, empty, holds, object},
    openai::artefacts::{Bound, Place},
    preset::{Preset, ToolIds},
};

/// Rewrites the messages as this provider needs them. Those that need nothing pass as bytes; they are looked through
/// for a few texts, and parsed only when one is there.
pub(super) fn rewrite(raw: &RawBody, model: &str, preset: &Preset, edits: &mut Edits, notes: &mut Vec<Note>) {
    let Some(text) = value(raw, "messages") else { return };
    let quirks = &preset.quirks;
    let calls = || holds(text, "\"tool_calls\"");
    let rewriting = Rewriting {
        bound: Bound::in_messages(text, preset.name),
        roles: !quirks.developer && holds(text, "\"developer\""),
        ids: quirks.tool_ids == ToolIds::NineAlphanumeric && (calls() || holds(text, "\"tool_call_id\"")),
        signs: quirks.signed_calls && wants_signed(model) && calls(),
    };
    let Rewriting { bound, roles, ids, signs } = &rewriting;
    if bound.is_empty() && !roles && !ids && !signs {
        return;
    }
    let messages = array(text, |index, message| {
        let new = rewriting.message(message, &format!("messages[{index}]."), notes);
        new.map_or(Element::Stays, Element::Becomes)
    });
    if let Some(messages) = messages {
        edits.set("messages", messages);
    }
}

/// What has to be done.
#[derive(Debug)]
struct Rewriting {
    /// Artefacts are left out.
    bound: Bound,
    /// The role `developer` is the system's.
    roles: bool,
    /// Ids of calls are replaced.
    ids: bool,
    /// Calls without a signature get [`UNSIGNED`].
    signs: bool,
}

impl Rewriting {
    fn message(&self, text: &str, path: &str, notes: &mut Vec<Note>) -> Option<String> {
        let bound = self.bound.may_be_in(text);
        if !bound && !self.roles && !self.ids && !self.signs {
            return None;
        }
        object(text, |message, edits| {
            if self.roles && value(message, "role") == Some("\"developer\"") {
                edits.set("role", "\"system\"");
                let note = Note::new("messages", "role developer sent as system");
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            if self.ids
                && let Some(id) = value(message, "tool_call_id").and_then(nine)
            {
                edits.set("tool_call_id", quoted(&id));
            }
            if bound {
                self.bound.fields(message, Place::Message, path, edits, notes);
                self.content(message, path, edits, notes);
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
        let Some(left) = self.bound.parts(content, &format!("{path}content"), notes) else { return };
        // No provider takes a list of nothing, and many take nothing at all only beside calls.
        edits.set(
            "content",
            match value(message, "tool_calls") {
                _ if !empty(&left) => left,
                Some(calls) if !empty(calls) => "null".to_owned(),
                _ => "\"\"".to_owned(),
            },
        );
    }

    fn calls(&self, calls: &str, path: &str, notes: &mut Vec<Note>) -> Option<String> {
        // Of calls made at once only the first is signed.
        let unsigned = self.signs && !holds(calls, "\"extra_content\"");
        array(calls, |index, text| {
            let new = object(text, |call, edits| {
                self.bound.fields(call, Place::Call, &format!("{path}tool_calls[{index}]."), edits, notes);
                if self.ids
                    && let Some(id) = value(call, "id").and_then(nine)
                {
                    edits.set("id", quoted(&id));
                }
                if unsigned && index == 0 {
                    edits.set("extra_content", UNSIGNED);
                }
            });
            new.map_or(Element::Stays, Element::Becomes)
        })
    }
}

/// Google's own word for a call that none of its models made; without it or a signature the request is rejected.
const UNSIGNED: &str = r#"{"google":{"thought_signature":"skip_thought_signature_validator"}}"#;

/// Whether a model of Google's looks for signatures; those before Gemini 3 do not.
fn wants_signed(model: &str) -> bool {
    let name = model.strip_prefix("models/").unwrap_or(model);
    name.starts_with("gemini-") && !name.starts_with("gemini-1.") && !name.starts_with("gemini-2.")
}

/// Nine letters and digits that stand for an id, the same for the same id; `None` when it is such already.
fn nine(json: &str) -> Option<String> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let id: Cow<'_, str> = serde_json::from_str(json).ok()?;
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    // FNV-1a; 62^9 is about 2^53, so two ids of one conversation meet about never.
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
