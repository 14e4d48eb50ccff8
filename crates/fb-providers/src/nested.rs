//! Objects and arrays inside a body, rewritten without touching what stays.

use bytes::Bytes;
use fb_core::{Dialect, RawBody};
use memchr::memmem;
use serde_json::value::RawValue;

use crate::{edits::Edits, typed};

/// What becomes of an element of an array.
#[derive(Debug)]
pub(crate) enum Element {
    /// It stays as it is.
    Stays,
    /// It goes, with one comma.
    Goes,
    /// This stands in its place.
    Becomes(String),
}

/// Whether a text holds another.
pub(crate) fn holds(text: &str, needle: &str) -> bool {
    memmem::find(text.as_bytes(), needle.as_bytes()).is_some()
}

/// Whether a JSON text is an empty object or array.
pub(crate) fn empty(text: &str) -> bool {
    let inside = |open, close| text.strip_prefix(open).and_then(|text: &str| text.strip_suffix(close));
    inside('{', '}').or_else(|| inside('[', ']')).is_some_and(|text| text.trim().is_empty())
}

/// The object with changes made to its fields, every other byte as it was; `None` when none was made or it is no
/// object.
pub(crate) fn object(text: &str, change: impl FnOnce(&RawBody, &mut Edits)) -> Option<String> {
    let raw = typed::printed(Dialect::OpenAi, Bytes::copy_from_slice(text.as_bytes())).ok()?;
    let mut edits = Edits::default();
    change(&raw, &mut edits);
    if edits.is_empty() {
        return None;
    }
    String::from_utf8(edits.apply(&raw).concat()).ok()
}

/// The array with changes made to its elements, told by their index, every other byte as it was; `None` when none was
/// made or it is no array.
pub(crate) fn array(text: &str, mut change: impl FnMut(usize, &str) -> Element) -> Option<String> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let start_of = |element: &RawValue| element.get().as_ptr().addr() - text.as_ptr().addr();
    let first = elements.first().map(|element| start_of(element))?;
    let mut new = text.get(..first)?.to_owned();
    // What stands before `at` is in `new` or has gone; `kept` is how long `new` was after the last element in it.
    let (mut at, mut kept, mut changed) = (first, first, false);
    for (index, element) in elements.iter().enumerate() {
        let start = start_of(element);
        new.push_str(text.get(at..start)?);
        at = start + element.get().len();
        match change(index, element.get()) {
            Element::Stays => new.push_str(element.get()),
            Element::Becomes(other) => {
                changed = true;
                new.push_str(&other);
            }
            Element::Goes => {
                changed = true;
                // With the comma after it; the last one takes the comma before it instead.
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
