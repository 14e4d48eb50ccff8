use fb_core::{Field, RawBody};
use fb_wire::raw::{Edit, splice_parts};

use crate::http::Parts;

/// The changes of a body's top-level fields; the last one said about a field counts.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<(String, Change)>);

#[derive(Debug)]
enum Change {
    Set(String),
    Remove,
    Rename(&'static str),
}

impl Edits {
    pub(crate) fn set(&mut self, name: impl Into<String>, json: impl Into<String>) {
        self.change(name.into(), Change::Set(json.into()));
    }

    pub(crate) fn remove(&mut self, name: impl Into<String>) {
        self.change(name.into(), Change::Remove);
    }

    pub(crate) fn rename(&mut self, name: &str, new: &'static str) {
        self.change(name.to_owned(), Change::Rename(new));
    }

    fn change(&mut self, name: String, change: Change) {
        self.0.retain(|(other, _)| *other != name);
        if let Change::Set(_) = change {
            // A field that was to take this name would stand beside it.
            for (_, other) in &mut self.0 {
                if matches!(other, Change::Rename(new) if *new == name) {
                    *other = Change::Remove;
                }
            }
        }
        self.0.push((name, change));
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The body with the changes made, in slices of the original.
    pub(crate) fn apply(&self, raw: &RawBody) -> Parts {
        let edits: Vec<Edit<'_>> = self
            .0
            .iter()
            .map(|(name, change)| match change {
                Change::Set(json) => Edit::Set(name, json),
                Change::Remove => Edit::Remove(name),
                Change::Rename(new) => Edit::Rename(name, new),
            })
            .collect();
        splice_parts(raw, &edits).into_iter().collect()
    }
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text of a top-level field's value; of duplicates the last one counts, and `null` is no field.
pub(crate) fn value<'a>(raw: &'a RawBody, name: &str) -> Option<&'a str> {
    let field: &Field = raw.fields.iter().rev().find(|field| &*field.name == name)?;
    let bytes = raw.bytes.get(field.value.clone())?;
    std::str::from_utf8(bytes).ok().filter(|text| *text != "null")
}

/// Whether a top-level field is there, `null` or not.
pub(crate) fn has(raw: &RawBody, name: &str) -> bool {
    raw.fields.iter().any(|field| &*field.name == name)
}
