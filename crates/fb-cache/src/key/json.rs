//! A canonical encoding of JSON: equal documents have equal bytes, whatever their notation.
//!
//! | value | bytes |
//! |---|---|
//! | null, true, false | `n`, `t`, `f` |
//! | number | its sign (`+`, `-`), the exponent of its last digit, its digits without zeros at the ends |
//! | string | `"`, its length, its characters with `"`, `\` and the control characters that have a short escape escaped |
//! | array | `[`, its elements, `]` |
//! | object | `{`, its members by name (name as a string, value), `}` |

use std::{borrow::Cow, fmt};

use memchr::memchr2;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Visitor},
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

/// Appends the encoding of a document. After an error, part of it may have been appended.
pub(super) fn push(out: &mut Vec<u8>, json: &[u8]) -> std::result::Result<(), InvalidJson> {
    let encoded = Reader::new(json).and_then(|mut reader| reader.document(out));
    encoded.map_err(|error| match serde_json::from_slice::<&RawValue>(json) {
        // A document that is not JSON is that first, and the error has the position.
        Err(syntax) => InvalidJson::Syntax(syntax.to_string()),
        Ok(_) => error.unwrap_or_else(|| InvalidJson::Syntax("an unknown notation".to_owned())),
    })
}

/// `None` stands for a document that is not JSON.
type Result<T, E = Option<InvalidJson>> = std::result::Result<T, E>;

/// A document that is read once, from front to back.
struct Reader<'a> {
    json: &'a [u8],
    at: usize,
}

/// A member of an object in the output: where it begins and ends, and where its name ends.
struct Member {
    begin: usize,
    name_end: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn new(json: &'a [u8]) -> Result<Self> {
        str::from_utf8(json).map_or(Err(None), |_| Ok(Self { json, at: 0 }))
    }

    fn document(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.value(out, 0)?;
        if self.next_token().is_some() { Err(None) } else { Ok(()) }
    }

    /// Skips white space, and returns the byte after it.
    fn next_token(&mut self) -> Option<u8> {
        while let Some(byte) = self.json.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Reads a byte if it is the next one after white space.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.next_token() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<()> {
        let first = self.next_token().ok_or(None)?;
        match first {
            b'{' | b'[' if depth == MAX_DEPTH => Err(Some(InvalidJson::TooDeep)),
            b'{' => self.object(out, depth),
            b'[' => self.array(out, depth),
            b'"' => self.string(out),
            b'n' => self.literal(b"null", out),
            b't' => self.literal(b"true", out),
            b'f' => self.literal(b"false", out),
            _ => self.number(out),
        }
    }

    fn literal(&mut self, literal: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if !self.json[self.at..].starts_with(literal) {
            return Err(None);
        }
        self.at += literal.len();
        out.extend(literal.first());
        Ok(())
    }

    fn number(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let rest = &self.json[self.at..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let text = &rest[..rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len())];
        serde_json::from_slice::<IgnoredAny>(text).map_or(Err(None), |_| Ok(()))?;
        self.at += text.len();
        push_number(out, str::from_utf8(text).map_or(Err(None), Ok)?).map_err(Some)
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<()> {
        self.at += 1;
        out.push(b'[');
        if !self.take(b']') {
            loop {
                self.value(out, depth + 1)?;
                if !self.take(b',') {
                    break;
                }
            }
            if !self.take(b']') {
                return Err(None);
            }
        }
        out.push(b']');
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<()> {
        self.at += 1;
        out.push(b'{');
        let mut members = Vec::new();
        if !self.take(b'}') {
            loop {
                members.push(self.member(out, depth)?);
                if !self.take(b',') {
                    break;
                }
            }
            if !self.take(b'}') {
                return Err(None);
            }
        }
        sort(out, members)?;
        out.push(b'}');
        Ok(())
    }

    fn member(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<Member> {
        let begin = out.len();
        if self.next_token() != Some(b'"') {
            return Err(None);
        }
        self.string(out)?;
        let name_end = out.len();
        if !self.take(b':') {
            return Err(None);
        }
        self.value(out, depth + 1)?;
        Ok(Member { begin, name_end, end: out.len() })
    }

    fn string(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let (begin, mut end, mut is_canonical) = (self.at, self.at + 1, true);
        loop {
            end += memchr2(b'"', b'\\', self.json.get(end..).ok_or(None)?).ok_or(None)?;
            if self.json[end] == b'"' {
                break;
            }
            // Each of these characters has another notation, which is not used in the encoding.
            is_canonical &=
                matches!(self.json.get(end + 1), Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't'));
            end += 2;
        }
        let text = &self.json[begin + 1..end];
        self.at = end + 1;
        // The least of all instead of a search for the first, because only that is vectorised.
        if text.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < b' ' {
            return Err(None);
        }
        let text = if is_canonical { Cow::Borrowed(text) } else { escaped(&self.json[begin..=end])? };
        out.push(b'"');
        push_bytes(out, &text);
        Ok(())
    }
}

/// Returns the characters of a quoted string in the notation of the encoding.
fn escaped(quoted: &[u8]) -> Result<Cow<'static, [u8]>> {
    // As bytes, because a `str` cannot contain an unpaired surrogate; it is encoded like a character.
    let characters: ByteBuf = serde_json::from_slice(quoted).map_or(Err(None), Ok)?;
    let mut escaped = Vec::with_capacity(quoted.len());
    for byte in characters.0 {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                escaped.push(byte);
                continue;
            }
        };
        escaped.extend([b'\\', short]);
    }
    Ok(Cow::Owned(escaped))
}

/// Puts the members at the end of the output in the order of their names.
fn sort(out: &mut Vec<u8>, mut members: Vec<Member>) -> Result<()> {
    let is_sorted = |members: &[Member], out: &[u8]| {
        let name = |member: &Member| &out[member.begin..member.name_end];
        members.is_sorted_by(|one, other| name(one) < name(other))
    };
    if is_sorted(&members, out) {
        return Ok(());
    }
    let begin = members.first().map_or(out.len(), |first| first.begin);
    members
        .sort_unstable_by(|one, other| out[one.begin..one.name_end].cmp(&out[other.begin..other.name_end]));
    if !is_sorted(&members, out) {
        return Err(Some(InvalidJson::Duplicate));
    }
    let mut sorted = Vec::with_capacity(out.len() - begin);
    for member in members {
        sorted.extend_from_slice(&out[member.begin..member.end]);
    }
    out.truncate(begin);
    out.append(&mut sorted);
    Ok(())
}

fn push_number(out: &mut Vec<u8>, text: &str) -> std::result::Result<(), InvalidJson> {
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

/// The characters of a string.
struct ByteBuf(Vec<u8>);

impl<'de> Deserialize<'de> for ByteBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = ByteBuf;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> std::result::Result<ByteBuf, E> {
                Ok(ByteBuf(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests;
