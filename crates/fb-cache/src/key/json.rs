//! A canonical encoding of JSON: equal documents have equal bytes, whatever their notation.
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

use super::encoding::push_bytes;

/// The maximum nesting of arrays and objects, equal to the limit of `serde_json`.
const MAX_DEPTH: usize = 128;

/// The reason why a JSON document cannot be part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidJson {
    /// The document is not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// The document is nested more than 128 levels deep.
    #[error("JSON nested more than 128 deep")]
    TooDeep,
    /// An object has two members with the same name.
    #[error("a JSON object has two members with the same name")]
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

/// Appends the encoding of a document. After an error, part of it may have been appended.
pub(super) fn push(out: &mut Vec<u8>, json: &[u8]) -> Result<(), InvalidJson> {
    push_value(out, serde_json::from_slice(json)?, 0)
}

/// Appends the encoding of a value. Values are read as raw text first, because parsed numbers would lose digits.
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
    let trimmed = digits.trim_end_matches('0');
    let significant = trimmed.trim_start_matches('0');
    if significant.is_empty() {
        out.extend_from_slice(b"+0");
        return Ok(());
    }
    // The digits after the point lower the exponent, and the removed zeros raise it.
    let shift = fraction.len().cast_signed() - (digits.len() - trimmed.len()).cast_signed();
    let exponent = exponent.parse::<i64>().ok().and_then(|exponent| exponent.checked_sub(shift as i64));
    out.push(sign);
    out.extend_from_slice(&exponent.ok_or(InvalidJson::Exponent)?.to_le_bytes());
    push_bytes(out, significant.as_bytes());
    Ok(())
}

/// The characters of a string; an unpaired surrogate is encoded like a character.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Characters<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Characters<'de> {
    // As bytes, because a `str` cannot contain an unpaired surrogate.
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

/// The members of an object in their written order.
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
