//! Artefacts: content that only the provider that produced it accepts, such as signed or encrypted thinking and cache
//! markers. It is removed from requests to other providers.
//!
//! Providers are distinguished by their kind. Artefacts that a kind accepts are sent to it unchanged.

use std::ptr;

use fb_core::{Note, RawBody, Refusal};
use memchr::memmem::Finder;

use crate::{
    edits::{Edits, has, quoted, value},
    nested::{Element, Needle, contains, edit_array, edit_object, is_empty},
};

/// A kind of content that is bound to some providers.
#[derive(Debug)]
pub(crate) struct Artefact {
    /// The name of its field, or for [`Position::PartType`] the type of its content part.
    pub(crate) name: &'static str,
    /// A part of the quoted name that adjacent entries share, so that one search can exclude all of them.
    signature: &'static Needle,
    pub(crate) positions: &'static [Position],
    pub(crate) shape: Shape,
    pub(crate) recipients: Recipients,
    /// The text of the note when it is removed.
    pub(crate) what: &'static str,
}

/// The position of an artefact within a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// A top-level field of the body.
    Body,
    /// A field of a message.
    Message,
    /// A field of a part of a message's content.
    Part,
    /// A whole part of a message's content, identified by its type.
    PartType,
    /// A field of a tool call.
    Call,
    /// A field of a tool or its function.
    Tool,
}

/// The values of a field that an artefact covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All values.
    Any,
    /// Objects and arrays.
    Nested,
    /// All other values.
    Plain,
}

/// The kinds of providers that accept an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// Only these.
    Only(&'static [&'static str]),
    /// All except these.
    AllExcept(&'static [&'static str]),
}

const BOUND: &str = "left out: bound to the provider that wrote it";
const MARK: &str = "left out: a mark for another provider's cache";
const REJECTED: &str = "left out: the provider rejects it";

static ING_INSIDE: Needle = Needle::new(|| Finder::new("ing_"));
static ING_AT_END: Needle = Needle::new(|| Finder::new("ing\""));
static CONTENT_AT_END: Needle = Needle::new(|| Finder::new("_content\""));
static CACHE_INSIDE: Needle = Needle::new(|| Finder::new("cache_"));

/// All artefacts; entries with the same signature are adjacent. Those that no preset produces come from servers of
/// kind `compatible`.
pub(crate) static ARTEFACTS: &[Artefact] = {
    use Position::{Body, Call, Message, Part, PartType, Tool};
    use Recipients::{AllExcept, Only};
    use Shape::{Any, Nested, Plain};
    &[
        artefact("reasoning_details", &ING_INSIDE, &[Message], Any, Only(&["openrouter"]), BOUND),
        artefact("thinking_blocks", &ING_INSIDE, &[Message], Any, Only(&["compatible"]), BOUND),
        // Plain thinking is not signed, and DeepSeek, Moonshot and most local servers expect it back.
        artefact("reasoning_content", &ING_INSIDE, &[Message], Any, AllExcept(STRICT), REJECTED),
        artefact("reasoning", &ING_AT_END, &[Message], Plain, AllExcept(&["mistral"]), REJECTED),
        artefact("reasoning", &ING_AT_END, &[Message], Nested, Only(&["compatible"]), BOUND),
        // Mistral's thinking is a list of parts; Anthropic's, which some servers forward, is a text with a signature.
        artefact("thinking", &ING_AT_END, &[PartType], Nested, Only(&["mistral"]), BOUND),
        artefact("thinking", &ING_AT_END, &[PartType], Plain, Only(&["compatible"]), BOUND),
        artefact("redacted_thinking", &ING_AT_END, &[PartType], Any, Only(&["compatible"]), BOUND),
        artefact("extra_content", &CONTENT_AT_END, &[Message, Part, Call], Any, Only(&["gemini"]), BOUND),
        artefact("encrypted_content", &CONTENT_AT_END, &[Message], Any, Only(&["compatible"]), BOUND),
        artefact("cache_control", &CACHE_INSIDE, &[Body, Message, Part, Call, Tool], Any, Only(MARKED), MARK),
        artefact("prompt_cache_breakpoint", &CACHE_INSIDE, &[Part], Any, Only(OPENAI), MARK),
        artefact("prompt_cache_key", &CACHE_INSIDE, &[Body], Any, Only(KEYED), MARK),
        artefact("prompt_cache_options", &CACHE_INSIDE, &[Body], Any, Only(OPENAI), MARK),
        artefact("prompt_cache_retention", &CACHE_INSIDE, &[Body], Any, Only(OPENAI), MARK),
    ]
};

/// The kinds that serve OpenAI's own models.
const OPENAI: &[&str] = &["openai", "azure"];
/// The kinds with a cache that uses a key given by the caller; OpenRouter forwards it.
const KEYED: &[&str] = &["openai", "azure", "openrouter", "mistral", "fireworks"];
/// The kinds with a cache that uses markers, as Anthropic's does.
const MARKED: &[&str] = &["openrouter", "dashscope"];
/// The kinds that reject unknown fields with 400 or 422 and name the field for thinking differently.
const STRICT: &[&str] = &["groq", "cerebras", "mistral"];

const fn artefact(
    name: &'static str,
    signature: &'static Needle,
    positions: &'static [Position],
    shape: Shape,
    recipients: Recipients,
    what: &'static str,
) -> Artefact {
    Artefact { name, signature, positions, shape, recipients, what }
}

impl Artefact {
    /// Returns true if a provider of this kind accepts it.
    pub(crate) fn is_accepted_by(&self, kind: &str) -> bool {
        match self.recipients {
            Recipients::Only(kinds) => kinds.contains(&kind),
            Recipients::AllExcept(kinds) => !kinds.contains(&kind),
        }
    }

    /// Returns true if the field of `raw` with its name, if any, has a value that it covers.
    fn covers(&self, raw: &RawBody) -> bool {
        let nested = value(raw, self.name).is_some_and(|text| text.starts_with(['{', '[']));
        match self.shape {
            Shape::Any => true,
            Shape::Nested => nested,
            Shape::Plain => !nested,
        }
    }
}

/// The artefacts that a provider does not accept and that may occur in a JSON text.
#[derive(Debug)]
pub(super) struct Bound(Vec<&'static Artefact>);

impl Bound {
    /// Finds those that may occur in these messages. A name in running text has no quotes or escaped ones, and does not
    /// match.
    pub(super) fn in_messages(text: &str, kind: &str) -> Self {
        Self::find(text, &[Position::Message, Position::Part, Position::PartType, Position::Call], kind)
    }

    fn find(text: &str, positions: &[Position], kind: &str) -> Self {
        let mut last_search: Option<(&Needle, bool)> = None;
        let mut may_occur = |artefact: &&Artefact| {
            if artefact.is_accepted_by(kind)
                || !artefact.positions.iter().any(|position| positions.contains(position))
            {
                return false;
            }
            let is_found = match last_search {
                Some((signature, is_found)) if ptr::eq(signature, artefact.signature) => is_found,
                _ => artefact.signature.find(text.as_bytes()).is_some(),
            };
            last_search = Some((artefact.signature, is_found));
            is_found && contains(text, &quoted(artefact.name))
        };
        Self(ARTEFACTS.iter().filter(|artefact| may_occur(artefact)).collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if one of them may occur in this part of the text.
    pub(super) fn may_occur_in(&self, piece: &str) -> bool {
        self.0.iter().any(|artefact| contains(piece, &quoted(artefact.name)))
    }

    /// Removes those that are fields of an object; `path` is the object's path for the notes.
    pub(super) fn remove_fields(
        &self,
        raw: &RawBody,
        position: Position,
        path: &str,
        edits: &mut Edits,
        notes: &mut Vec<Note>,
    ) {
        remove_fields(self.0.iter().copied(), raw, position, path, edits, notes);
    }

    /// Removes those that are parts of a message's content, or fields of such a part.
    pub(super) fn remove_parts(&self, content: &str, path: &str, notes: &mut Vec<Note>) -> Option<String> {
        edit_array(content, |index, text| {
            if !self.may_occur_in(text) {
                return Element::Keep;
            }
            let path = format!("{path}[{index}].");
            let mut whole = None;
            let new = edit_object(text, |part, edits| {
                whole = self.matching_part(part);
                if whole.is_none() {
                    self.remove_fields(part, Position::Part, &path, edits, notes);
                }
            });
            match whole {
                Some(artefact) => {
                    add_note(artefact, &path, notes);
                    Element::Remove
                }
                None => new.map_or(Element::Keep, Element::Replace),
            }
        })
    }

    /// Removes those in tools and their functions, but not in the parameters of a function, which are the caller's own.
    fn remove_from_tools(&self, tools: &str, notes: &mut Vec<Note>) -> Option<String> {
        edit_array(tools, |index, text| {
            if !self.may_occur_in(text) {
                return Element::Keep;
            }
            let new = edit_object(text, |tool, edits| {
                self.remove_fields(tool, Position::Tool, &format!("tools[{index}]."), edits, notes);
                let path = format!("tools[{index}].function.");
                let function = value(tool, "function").and_then(|function| {
                    edit_object(function, |raw, edits| {
                        self.remove_fields(raw, Position::Tool, &path, edits, notes);
                    })
                });
                if let Some(function) = function {
                    edits.set("function", function);
                }
            });
            new.map_or(Element::Keep, Element::Replace)
        })
    }

    /// Returns the artefact that the whole part consists of.
    fn matching_part(&self, part: &RawBody) -> Option<&'static Artefact> {
        let kind = value(part, "type")?;
        let mut kinds = self.0.iter().filter(|artefact| artefact.positions.contains(&Position::PartType));
        kinds.find(|artefact| quoted(artefact.name) == kind && artefact.covers(part)).copied()
    }
}

/// Removes those of `artefacts` that are fields of an object.
fn remove_fields(
    artefacts: impl Iterator<Item = &'static Artefact>,
    raw: &RawBody,
    position: Position,
    path: &str,
    edits: &mut Edits,
    notes: &mut Vec<Note>,
) {
    for artefact in artefacts.filter(|artefact| artefact.positions.contains(&position)) {
        if has(raw, artefact.name) && artefact.covers(raw) {
            edits.remove(artefact.name);
            if value(raw, artefact.name).is_some_and(|text| text != "\"\"" && !is_empty(text)) {
                add_note(artefact, path, notes);
            }
        }
    }
}

/// Adds a note for the first occurrence of an artefact.
fn add_note(artefact: &Artefact, path: &str, notes: &mut Vec<Note>) {
    let is_same =
        |old: &Note| old.what == artefact.what && old.field.rsplit('.').next() == Some(artefact.name);
    if !notes.iter().any(is_same) {
        notes.push(Note::new(format!("{path}{}", artefact.name), artefact.what));
    }
}

/// Refuses a body that continues an answer stored by an account: the account is unknown, and the request is incomplete
/// without that answer.
pub(super) fn check(raw: &RawBody) -> Result<(), Refusal> {
    if value(raw, "previous_response_id").is_some() {
        return Err(Refusal::new("previous_response_id", "only the account that stored the answer knows it"));
    }
    Ok(())
}

/// Removes artefacts from the top level of the body and from its tools.
pub(super) fn remove(raw: &RawBody, kind: &str, edits: &mut Edits, notes: &mut Vec<Note>) {
    let bound = ARTEFACTS.iter().filter(|artefact| !artefact.is_accepted_by(kind));
    remove_fields(bound, raw, Position::Body, "", edits, notes);
    let Some(tools) = value(raw, "tools") else { return };
    let bound = Bound::find(tools, &[Position::Tool], kind);
    if !bound.is_empty()
        && let Some(tools) = bound.remove_from_tools(tools, notes)
    {
        edits.set("tools", tools);
    }
}

#[cfg(test)]
mod tests;
