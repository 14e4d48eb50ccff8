use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;

use super::print::{Stamp, fallback_id};
use crate::{
    print::print,
    value::{Fields, holds_items},
};

/// Adds the fields that OpenAI's schema requires and the provider left out. A complete body is returned unchanged.
///
/// Intended for bodies that [`reply`](super::reply) accepted; a body that is not an answer is returned unchanged too.
pub fn complete(body: &Bytes, stamp: Stamp, fallback_model: &str) -> Bytes {
    let Ok(text) = std::str::from_utf8(body) else { return body.clone() };
    let mut gaps = Gaps { text, edits: Vec::new() };
    if gaps.answer(stamp, fallback_model).is_none() || gaps.edits.is_empty() {
        return body.clone();
    }
    gaps.fill()
}

/// The missing fields and their positions.
struct Gaps<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'a> Gaps<'a> {
    fn answer(&mut self, stamp: Stamp, fallback_model: &str) -> Option<()> {
        let text = self.text.trim();
        let answer: Fields<'a> = serde_json::from_str(text).ok()?;
        self.require(text, &answer, "id", Requirement::Value, &fallback_id(stamp));
        self.require(text, &answer, "object", Requirement::Value, &"chat.completion");
        self.require(text, &answer, "created", Requirement::Value, &stamp.created);
        self.require(text, &answer, "model", Requirement::Value, &fallback_model);
        let choices: Vec<&serde_json::value::RawValue> = serde_json::from_str(answer.get("choices")?).ok()?;
        for (index, choice) in choices.iter().enumerate() {
            self.choice(index, choice.get())?;
        }
        Some(())
    }

    fn choice(&mut self, index: usize, text: &'a str) -> Option<()> {
        let choice: Fields<'a> = serde_json::from_str(text).ok()?;
        let message_text = choice.get("message")?;
        let message: Fields<'a> = serde_json::from_str(message_text).ok()?;
        let has_tool_calls = message.get("tool_calls").is_some_and(holds_items);
        self.require(text, &choice, "index", Requirement::Value, &index);
        self.require(
            text,
            &choice,
            "finish_reason",
            Requirement::Value,
            if has_tool_calls { &"tool_calls" } else { &"stop" },
        );
        self.require(text, &choice, "logprobs", Requirement::Key, &());
        self.require(message_text, &message, "role", Requirement::Value, &"assistant");
        self.require(message_text, &message, "content", Requirement::Key, &());
        self.require(message_text, &message, "refusal", Requirement::Key, &());
        Some(())
    }

    /// Adds the field to the object at `text` if it is missing.
    fn require<T: Serialize>(
        &mut self,
        text: &'a str,
        object: &Fields<'a>,
        name: &str,
        requirement: Requirement,
        value: &T,
    ) {
        let existing = object.0.iter().rev().find(|(key, _)| key == name);
        match existing {
            None => {
                let end = self.offset(text) + text.len() - 1;
                let first = object.0.is_empty() && self.edits.iter().all(|(at, _)| at.start != end);
                let mut field = if first { Vec::new() } else { vec![b','] };
                field.extend(print(&name));
                field.push(b':');
                field.extend(print(value));
                self.edits.push((end..end, field));
            }
            Some((_, blank @ ("null" | "\"\""))) if matches!(requirement, Requirement::Value) => {
                let start = self.offset(blank);
                self.edits.push((start..start + blank.len(), print(value)));
            }
            Some(_) => {}
        }
    }

    /// Returns the offset of a part of the body.
    fn offset(&self, part: &str) -> usize {
        part.as_ptr().addr() - self.text.as_ptr().addr()
    }

    fn fill(mut self) -> Bytes {
        self.edits.sort_by_key(|(at, _)| at.start);
        let mut out = Vec::with_capacity(self.text.len() + 256);
        let mut from = 0;
        for (at, new) in &self.edits {
            out.extend_from_slice(self.text.get(from..at.start).unwrap_or_default().as_bytes());
            out.extend_from_slice(new);
            from = at.end;
        }
        out.extend_from_slice(self.text.get(from..).unwrap_or_default().as_bytes());
        out.into()
    }
}

/// The requirement for a field: the key must exist, or it must also have a value other than `null` and `""`.
#[derive(Clone, Copy)]
enum Requirement {
    Key,
    Value,
}

#[cfg(test)]
mod tests;
