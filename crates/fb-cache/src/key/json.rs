//! JSON by its meaning: one sequence of bytes for all ways to write a document.
//!
//! | value | bytes |
//! |---|---|
//! | null, true, false | `n`, `t`, `f` |
//! | number | its sign (`+`, `-`), the exponent of its last digit, its digits without zeros at the ends |
//! | string | `"`, its length, its characters |
//! | array | `[`, its elements, `]` |
//! | object | `{`, its members by name (name as a string, value), `}` |

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::key::push_bytes;

/// Arrays and objects around a value; the limit of `serde_json`.
const MAX_DEPTH: usize = 128;

/// Why no key is made of a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidJson {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// It is nested in more than 128 arrays and objects.
    #[error("JSON nested more than 128 deep")]
    TooDeep,
    /// An object has two members of one name.
    #[error("a JSON object has two members of one name")]
    Duplicate,
    /// The exponent of a number does not fit into 64 bits.
    #[error("a JSON number has an exponent beyond 64 bits")]
    Exponent,
}

impl From<serde_json::Error> for InvalidJson {
    fn from(error: serde_json::Error) -> Self {
        Self::Syntax(error.to_string())
    }
}

/// Appends the document's bytes. After an error some of them may have been.
pub(super) fn push(out: &mut Vec<u8>, json: &[u8]) -> Result<(), InvalidJson> {
    push_value(out, serde_json::from_slice(json)?, 0)
}

/// Numbers must be seen as they are written, or large ones lose digits; so every value is read as its text first.
fn push_value(out: &mut Vec<u8>, value: &RawValue, depth: usize) -> Result<(), InvalidJson> {
    let text = value.get();
    let first = text.as_bytes().first().copied().unwrap_or_default();
    if matches!(first, b'{' | b'[') && depth == MAX_DEPTH {
        return Err(InvalidJson::TooDeep);
    }
    match first {
        b'{' => push_object(out, serde_json::from_str(text)?, depth),
        b'[' => {
            out.push(first);
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            elements.into_iter().try_for_each(|element| push_value(out, element, depth + 1))?;
            out.push(b']');
            Ok(())
        }
        b'"' => {
            push_string(out, &serde_json::from_str(text)?);
            Ok(())
        }
        b'n' | b't' | b'f' => {
            out.push(first);
            Ok(())
        }
        _ => push_number(out, text),
    }
}

fn push_object(
    out: &mut Vec<u8>,
    Members(mut members): Members<'_>,
    depth: usize,
) -> Result<(), InvalidJson> {
    members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    if members.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        return Err(InvalidJson::Duplicate);
    }
    out.push(b'{');
    for (name, value) in members {
        push_string(out, &name);
        push_value(out, value, depth + 1)?;
    }
    out.push(b'}');
    Ok(())
}

fn push_string(out: &mut Vec<u8>, Characters(characters): &Characters<'_>) {
    out.push(b'"');
    push_bytes(out, characters);
}

fn push_number(out: &mut Vec<u8>, text: &str) -> Result<(), InvalidJson> {
    let (sign, text) = text.strip_prefix('-').map_or((b'+', text), |text| (b'-', text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let upto = digits.trim_end_matches('0');
    let significant = upto.trim_start_matches('0');
    if significant.is_empty() {
        out.extend_from_slice(b"+0");
        return Ok(());
    }
    // What the point moves left by, less what the zeros move it right by.
    let shift = fraction.len().cast_signed() - (digits.len() - upto.len()).cast_signed();
    let exponent = exponent.parse::<i64>().ok().and_then(|exponent| exponent.checked_sub(shift as i64));
    out.push(sign);
    out.extend_from_slice(&exponent.ok_or(InvalidJson::Exponent)?.to_le_bytes());
    push_bytes(out, significant.as_bytes());
    Ok(())
}

/// A string's characters; a surrogate without a partner is written as if it were a character.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Characters<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Characters<'de> {
    // As bytes, because a `str` cannot hold a surrogate without a partner.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Characters<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Characters(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Characters(Cow::Owned(bytes.to_vec())))
            }
        }

        deserializer.deserialize_bytes(Reader)
    }
}

/// An object's members as they are written.
struct Members<'a>(Vec<(Characters<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests;
