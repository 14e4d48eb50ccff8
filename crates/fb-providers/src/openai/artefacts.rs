//! What is bound to a provider: proofs of thinking, encrypted thinking, marks for its cache. None of it goes to another.
//!
//! Providers are told apart by their kind. What a kind wrote or reads goes to that kind as it came.

use fb_core::{Note, RawBody, Refusal};

use crate::{
    edits::{Edits, has, quoted, value},
    nested::{Element, array, empty, holds, object},
};

/// One thing that is bound.
#[derive(Debug)]
pub(crate) struct Artefact {
    /// Its field, or for [`Place::Kind`] the type of its content part.
    pub(crate) name: &'static str,
    /// A text within its quoted name that its neighbours share, so that one look finds that none of them is there.
    sign: &'static str,
    /// Where it stands.
    pub(crate) places: &'static [Place],
    /// Which values of the field are meant.
    pub(crate) shape: Shape,
    /// Who gets it.
    pub(crate) goes: Goes,
    /// What becomes of it elsewhere, in a note's words.
    pub(crate) what: &'static str,
}

/// Where an artefact stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the body itself.
    Body,
    /// In a message.
    Message,
    /// In a part of a message's content.
    Part,
    /// It is a part of a message's content, of the type that it is named after.
    Kind,
    /// In a tool call of a message.
    Call,
    /// In a tool or its function.
    Tool,
}

/// Which values of a field are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All.
    Any,
    /// Objects and arrays.
    Nested,
    /// All others.
    Plain,
}

/// The kinds that get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    /// These only.
    To(&'static [&'static str]),
    /// All but these.
    ToAllBut(&'static [&'static str]),
}

const BOUND: &str = "left out: bound to the provider that wrote it";
const MARK: &str = "left out: a mark for another provider's cache";
const REJECTED: &str = "left out: the provider rejects it";

/// Every artefact, those of one sign together. What no preset is known to write comes from a server that only
/// `compatible` can name.
pub(crate) static ARTEFACTS: &[Artefact] = {
    use Goes::{To, ToAllBut};
    use Place::{Body, Call, Kind, Message, Part, Tool};
    use Shape::{Any, Nested, Plain};
    &[
        artefact("reasoning_details", "ing_", &[Message], Any, To(&["openrouter"]), BOUND),
        artefact("thinking_blocks", "ing_", &[Message], Any, To(&["compatible"]), BOUND),
        // Plain thinking proves nothing, and DeepSeek, Moonshot and most local servers want it back.
        artefact("reasoning_content", "ing_", &[Message], Any, ToAllBut(STRICT), REJECTED),
        artefact("reasoning", "ing\"", &[Message], Plain, ToAllBut(&["mistral"]), REJECTED),
        artefact("reasoning", "ing\"", &[Message], Nested, To(&["compatible"]), BOUND),
        // Mistral's thinking is a list of parts; Anthropic's, which some servers pass on, is a text with a signature.
        artefact("thinking", "ing\"", &[Kind], Nested, To(&["mistral"]), BOUND),
        artefact("thinking", "ing\"", &[Kind], Plain, To(&["compatible"]), BOUND),
        artefact("redacted_thinking", "ing\"", &[Kind], Any, To(&["compatible"]), BOUND),
        artefact("extra_content", "_content\"", &[Message, Part, Call], Any, To(&["gemini"]), BOUND),
        artefact("encrypted_content", "_content\"", &[Message], Any, To(&["compatible"]), BOUND),
        artefact("cache_control", "cache_", &[Body, Message, Part, Call, Tool], Any, To(MARKED), MARK),
        artefact("prompt_cache_breakpoint", "cache_", &[Part], Any, To(OPENAI), MARK),
        artefact("prompt_cache_key", "cache_", &[Body], Any, To(KEYED), MARK),
        artefact("prompt_cache_options", "cache_", &[Body], Any, To(OPENAI), MARK),
        artefact("prompt_cache_retention", "cache_", &[Body], Any, To(OPENAI), MARK),
    ]
};

/// Those who serve OpenAI's own models.
const OPENAI: &[&str] = &["openai", "azure"];
/// Those who cache under a name that the caller gives; OpenRouter passes it on.
const KEYED: &[&str] = &["openai", "azure", "openrouter", "mistral", "fireworks"];
/// Those who cache up to a mark, as Anthropic does.
const MARKED: &[&str] = &["openrouter", "dashscope"];
/// Those who answer a field they do not know with a 400 or 422, and have another word for thinking.
const STRICT: &[&str] = &["groq", "cerebras", "mistral"];

const fn artefact(
    name: &'static str,
    sign: &'static str,
    places: &'static [Place],
    shape: Shape,
    goes: Goes,
    what: &'static str,
) -> Artefact {
    Artefact { name, sign, places, shape, goes, what }
}

impl Artefact {
    /// Whether a provider of this kind gets it.
    pub(crate) fn goes_to(&self, kind: &str) -> bool {
        match self.goes {
            Goes::To(kinds) => kinds.contains(&kind),
            Goes::ToAllBut(kinds) => !kinds.contains(&kind),
        }
    }

    /// Whether it is this field of an object, or this part if `raw` is one. `null` is no list and no object.
    fn is_in(&self, raw: &RawBody) -> bool {
        let nested = value(raw, self.name).is_some_and(|text| text.starts_with(['{', '[']));
        match self.shape {
            Shape::Any => true,
            Shape::Nested => nested,
            Shape::Plain => !nested,
        }
    }
}

/// The artefacts that do not go to a provider of one kind and may be in one JSON text.
#[derive(Debug)]
pub(super) struct Bound(Vec<&'static Artefact>);

impl Bound {
    /// Those that may be in these messages. What only speaks of one has its name without quotes, or escaped ones.
    pub(super) fn in_messages(text: &str, kind: &str) -> Self {
        Self::find(text, &[Place::Message, Place::Part, Place::Kind, Place::Call], kind)
    }

    fn find(text: &str, places: &[Place], kind: &str) -> Self {
        let mut looked = ("", false);
        let mut may_be = |artefact: &&Artefact| {
            if artefact.goes_to(kind) || !artefact.places.iter().any(|place| places.contains(place)) {
                return false;
            }
            if looked.0 != artefact.sign {
                looked = (artefact.sign, holds(text, artefact.sign));
            }
            looked.1 && holds(text, &quoted(artefact.name))
        };
        Self(ARTEFACTS.iter().filter(|artefact| may_be(artefact)).collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them may be in this piece of the text.
    pub(super) fn may_be_in(&self, piece: &str) -> bool {
        self.0.iter().any(|artefact| holds(piece, &quoted(artefact.name)))
    }

    /// Leaves out those that are fields of an object at this path.
    pub(super) fn fields(
        &self,
        raw: &RawBody,
        place: Place,
        path: &str,
        edits: &mut Edits,
        notes: &mut Vec<Note>,
    ) {
        fields(self.0.iter().copied(), raw, place, path, edits, notes);
    }

    /// Leaves out those that are parts, and those in parts, of a message's content at this path.
    pub(super) fn parts(&self, content: &str, path: &str, notes: &mut Vec<Note>) -> Option<String> {
        array(content, |index, text| {
            if !self.may_be_in(text) {
                return Element::Stays;
            }
            let path = format!("{path}[{index}].");
            let mut whole = None;
            let new = object(text, |part, edits| {
                whole = self.part(part);
                if whole.is_none() {
                    self.fields(part, Place::Part, &path, edits, notes);
                }
            });
            match whole {
                Some(artefact) => {
                    note(artefact, &path, notes);
                    Element::Goes
                }
                None => new.map_or(Element::Stays, Element::Becomes),
            }
        })
    }

    /// Leaves out those in tools and their functions; what a function takes is the caller's own.
    fn tools(&self, tools: &str, notes: &mut Vec<Note>) -> Option<String> {
        array(tools, |index, text| {
            if !self.may_be_in(text) {
                return Element::Stays;
            }
            let new = object(text, |tool, edits| {
                self.fields(tool, Place::Tool, &format!("tools[{index}]."), edits, notes);
                let path = format!("tools[{index}].function.");
                let function = value(tool, "function").and_then(|function| {
                    object(function, |raw, edits| self.fields(raw, Place::Tool, &path, edits, notes))
                });
                if let Some(function) = function {
                    edits.set("function", function);
                }
            });
            new.map_or(Element::Stays, Element::Becomes)
        })
    }

    /// The one that the whole part is.
    fn part(&self, part: &RawBody) -> Option<&'static Artefact> {
        let kind = value(part, "type")?;
        let mut kinds = self.0.iter().filter(|artefact| artefact.places.contains(&Place::Kind));
        kinds.find(|artefact| quoted(artefact.name) == kind && artefact.is_in(part)).copied()
    }
}

/// Leaves out those of the artefacts that are fields of an object at this path.
fn fields(
    artefacts: impl Iterator<Item = &'static Artefact>,
    raw: &RawBody,
    place: Place,
    path: &str,
    edits: &mut Edits,
    notes: &mut Vec<Note>,
) {
    for artefact in artefacts.filter(|artefact| artefact.places.contains(&place)) {
        if has(raw, artefact.name) && artefact.is_in(raw) {
            edits.remove(artefact.name);
            if value(raw, artefact.name).is_some_and(|text| text != "\"\"" && !empty(text)) {
                note(artefact, path, notes);
            }
        }
    }
}

/// Says once what became of an artefact, at the first place it stood.
fn note(artefact: &Artefact, path: &str, notes: &mut Vec<Note>) {
    let is_same =
        |old: &Note| old.what == artefact.what && old.field.rsplit('.').next() == Some(artefact.name);
    if !notes.iter().any(is_same) {
        notes.push(Note::new(format!("{path}{}", artefact.name), artefact.what));
    }
}

/// Whether the body builds on an answer that some account stored: without it the question would be another one, and whose it
/// is nobody can tell.
pub(super) fn check(raw: &RawBody) -> Result<(), Refusal> {
    if value(raw, "previous_response_id").is_some() {
        return Err(Refusal::new("previous_response_id", "only the account that stored the answer knows it"));
    }
    Ok(())
}

/// Leaves out what stands in the body itself and in its tools.
pub(super) fn leave_out(raw: &RawBody, kind: &str, edits: &mut Edits, notes: &mut Vec<Note>) {
    let bound = ARTEFACTS.iter().filter(|artefact| !artefact.goes_to(kind));
    fields(bound, raw, Place::Body, "", edits, notes);
    let Some(tools) = value(raw, "tools") else { return };
    let bound = Bound::find(tools, &[Place::Tool], kind);
    if !bound.is_empty()
        && let Some(tools) = bound.tools(tools, notes)
    {
        edits.set("tools", tools);
    }
}

#[cfg(test)]
mod tests;
