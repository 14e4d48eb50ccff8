use fb_core::{Field, RawBody};
use fb_wire::raw::{Edit, splice_parts};

use crate::http::BodyParts;

/// Edits of a body's top-level fields. The last edit of a field wins.
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
            // A field renamed to this name would duplicate it.
            for (_, other) in &mut self.0 {
                if matches!(other, Change::Rename(new) if *new == name) {
                    *other = Change::Remove;
                }
            }
        }
        self.0.push((name, change));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies the edits. The result consists of slices of the original where possible.
    pub(crate) fn apply(&self, raw: &RawBody) -> BodyParts {
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

/// Returns `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the JSON text of a top-level field's value. The last duplicate wins, and `null` counts as missing.
pub(crate) fn value<'a>(raw: &'a RawBody, name: &str) -> Option<&'a str> {
    let field: &Field = raw.fields.iter().rev().find(|field| &*field.name == name)?;
    let bytes = raw.bytes.get(field.value.clone())?;
    std::str::from_utf8(bytes).ok().filter(|text| *text != "null")
}

/// Returns true if a top-level field is present, even if it is `null`.
pub(crate) fn has(raw: &RawBody, name: &str) -> bool {
    raw.fields.iter().any(|field| &*field.name == name)
}
