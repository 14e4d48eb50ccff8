//! Edits of objects and arrays inside a body that keep all other bytes.

use std::sync::LazyLock;

use bytes::Bytes;
use fb_core::{Dialect, RawBody};
use memchr::memmem;
use serde_json::value::RawValue;

use crate::{edits::Edits, translate};

/// The edit of one element of an array.
#[derive(Debug)]
pub(crate) enum Element {
    Keep,
    /// Remove it together with one comma.
    Remove,
    Replace(String),
}

/// A text that is searched for in every request. The search is prepared once.
pub(crate) type Needle = LazyLock<memmem::Finder<'static>>;

/// Returns true if `text` contains `needle`.
pub(crate) fn contains(text: &str, needle: &str) -> bool {
    memmem::find(text.as_bytes(), needle.as_bytes()).is_some()
}

/// Returns true if a JSON text is an empty object or array.
pub(crate) fn is_empty(text: &str) -> bool {
    let inside = |open, close| text.strip_prefix(open).and_then(|text: &str| text.strip_suffix(close));
    inside('{', '}').or_else(|| inside('[', ']')).is_some_and(|text| text.trim().is_empty())
}

/// Edits the fields of an object. Returns `None` if there was no edit or the text is not an object.
pub(crate) fn edit_object(text: &str, edit: impl FnOnce(&RawBody, &mut Edits)) -> Option<String> {
    let raw = translate::editable(Dialect::OpenAi, Bytes::copy_from_slice(text.as_bytes())).ok()?;
    let mut edits = Edits::default();
    edit(&raw, &mut edits);
    if edits.is_empty() {
        return None;
    }
    String::from_utf8(edits.apply(&raw).concat()).ok()
}

/// Edits the elements of an array; `edit` gets the index and the text of each. Returns `None` if there was no edit or
/// the text is not an array.
pub(crate) fn edit_array(text: &str, mut edit: impl FnMut(usize, &str) -> Element) -> Option<String> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let start_of = |element: &RawValue| element.get().as_ptr().addr() - text.as_ptr().addr();
    let first = elements.first().map(|element| start_of(element))?;
    let mut new = text.get(..first)?.to_owned();
    // All bytes before `at` are in `new` or removed; `kept` is the length of `new` after the last kept element.
    let (mut at, mut kept, mut changed) = (first, first, false);
    for (index, element) in elements.iter().enumerate() {
        let start = start_of(element);
        new.push_str(text.get(at..start)?);
        at = start + element.get().len();
        match edit(index, element.get()) {
            Element::Keep => new.push_str(element.get()),
            Element::Replace(other) => {
                changed = true;
                new.push_str(&other);
            }
            Element::Remove => {
                changed = true;
                // Also removes the comma after it, or for the last element the one before it.
                match elements.get(index + 1) {
                    Some(next) => at = start_of(next),
                    None => new.truncate(kept),
                }
                continue;
            }
        }
        kept = new.len();
    }
    new.push_str(text.get(at..)?);
    changed.then_some(new)
}

#[cfg(test)]
mod tests;
