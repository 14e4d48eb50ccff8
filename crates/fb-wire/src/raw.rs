//! Edits of the top-level fields of a body that keep all other bytes.

use std::fmt;

use bytes::Bytes;
use fb_core::{Field, InvalidRequest, RawBody};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The most top-level fields of a body. No dialect has a tenth of them, and each takes more memory than its bytes.
pub const MAX_FIELDS: usize = 512;

/// Locates the top-level fields of a JSON object, including duplicates, in one pass. Nested values are not parsed, so
/// any depth of nesting is accepted.
///
/// # Errors
/// When the bytes are not UTF-8, not JSON, or not a single object; the error contains the position. When the object has
/// more than [`MAX_FIELDS`] fields; the error contains their number.
pub fn scan(bytes: &[u8]) -> Result<Vec<Field>, InvalidRequest> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        InvalidRequest::body(format!(
            "the body is not UTF-8 (byte {}); expected a JSON object",
            error.valid_up_to()
        ))
    })?;
    let fields: Fields<'_> = serde_json::from_str(text)
        .map_err(|error| InvalidRequest::body(format!("the body is not a JSON object: {error}")))?;
    if fields.count > MAX_FIELDS {
        return Err(InvalidRequest::body(format!(
            "the body has {} top-level fields; expected at most {MAX_FIELDS}",
            fields.count
        )));
    }
    let base = text.as_ptr().addr();
    let span = |value: &RawValue| {
        let start = value.get().as_ptr().addr() - base;
        start..start + value.get().len()
    };
    let field = |(key, value): (&RawValue, &RawValue)| {
        let name: String = serde_json::from_str(key.get())
            .map_err(|error| InvalidRequest::body(format!("a key of the body is no string: {error}")))?;
        Ok(Field { name: name.into(), key: span(key), value: span(value) })
    };
    fields.kept.into_iter().map(field).collect()
}

/// The first [`MAX_FIELDS`] fields of an object, and the number of all of them.
struct Fields<'a> {
    kept: Vec<(&'a RawValue, &'a RawValue)>,
    count: usize,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields { kept: Vec::with_capacity(16), count: 0 };
                while let Some(key) = map.next_key()? {
                    let value = map.next_value()?;
                    fields.count += 1;
                    if fields.count <= MAX_FIELDS {
                        fields.kept.push((key, value));
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// An edit of a top-level field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Sets every field with this name to this JSON value, or appends a field.
    Set(&'a str, &'a str),
    /// Removes every field with this name.
    Remove(&'a str),
    /// Renames every field with the first name to the second.
    Rename(&'a str, &'a str),
}

/// Applies the edits. The result consists of slices of the original and of the edits; all other bytes are unchanged. A
/// name must occur in at most one edit.
pub fn splice_parts(raw: &RawBody, edits: &[Edit<'_>]) -> Vec<Bytes> {
    let mut cuts = cuts(&raw.fields, edits);
    cuts.extend(append(raw, edits));
    cuts.sort_by_key(|cut| (cut.from, cut.to));
    let mut parts = Vec::with_capacity(cuts.len() * 2 + 1);
    let mut at = 0;
    for cut in cuts {
        if cut.from > at {
            parts.push(raw.bytes.slice(at..cut.from));
        }
        if !cut.with.is_empty() {
            parts.push(Bytes::from(cut.with));
        }
        at = at.max(cut.to);
    }
    if at < raw.bytes.len() {
        parts.push(raw.bytes.slice(at..));
    }
    parts
}

/// Applies the edits and returns the body in one piece.
pub fn splice(raw: &RawBody, edits: &[Edit<'_>]) -> Bytes {
    match splice_parts(raw, edits).as_slice() {
        [one] => one.clone(),
        parts => parts.concat().into(),
    }
}

/// A range of the body and its replacement.
struct Cut {
    from: usize,
    to: usize,
    with: String,
}

fn is_removed(field: &Field, edits: &[Edit<'_>]) -> bool {
    edits.iter().any(|edit| matches!(edit, Edit::Remove(name) if *name == &*field.name))
}

fn cuts(fields: &[Field], edits: &[Edit<'_>]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        for edit in edits {
            match edit {
                Edit::Set(name, json) if *name == &*field.name => {
                    cuts.push(Cut { from: field.value.start, to: field.value.end, with: (*json).to_owned() });
                }
                Edit::Rename(name, new) if *name == &*field.name => {
                    cuts.push(Cut { from: field.key.start, to: field.key.end, with: quoted(new) });
                }
                Edit::Remove(name) if *name == &*field.name => {
                    // Also removes the comma after it, or for the last field the one before it.
                    let (from, to) = if let Some(next) = fields.get(index + 1) {
                        (field.key.start, next.key.start)
                    } else {
                        let last_kept = fields[..index].iter().rev().find(|field| !is_removed(field, edits));
                        (
                            last_kept.map_or(fields[0].key.start, |last_kept| last_kept.value.end),
                            field.value.end,
                        )
                    };
                    cuts.push(Cut { from, to, with: String::new() });
                }
                Edit::Set(..) | Edit::Rename(..) | Edit::Remove(_) => {}
            }
        }
    }
    cuts
}

/// Appends the fields that are set but do not exist, after the last remaining field.
fn append(raw: &RawBody, edits: &[Edit<'_>]) -> Option<Cut> {
    let last_kept = raw.fields.iter().rev().find(|field| !is_removed(field, edits));
    let mut with = String::new();
    for edit in edits {
        if let Edit::Set(name, json) = edit
            && !raw.fields.iter().any(|field| *name == &*field.name)
        {
            if last_kept.is_some() || !with.is_empty() {
                with.push(',');
            }
            with.push_str(&quoted(name));
            with.push(':');
            with.push_str(json);
        }
    }
    if with.is_empty() {
        return None;
    }
    let at = match last_kept {
        Some(last_kept) => last_kept.value.end,
        None => raw.bytes.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1),
    };
    Some(Cut { from: at, to: at, with })
}

/// Returns `text` as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
