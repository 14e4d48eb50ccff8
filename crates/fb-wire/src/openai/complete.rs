use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;

use super::print::{made_up_id, print};
use crate::value::{Fields, holds_items};

/// Fills in what OpenAI's schema requires and the provider forgot; a body that lacks nothing is returned as it is.
///
/// For bodies that [`reply`](super::reply) has read: what is no answer is returned as it is, too.
pub fn complete(body: &Bytes, created: u64, fallback_model: &str) -> Bytes {
    let Ok(text) = std::str::from_utf8(body) else { return body.clone() };
    let mut gaps = Gaps { text, edits: Vec::new() };
    if gaps.answer(created, fallback_model).is_none() || gaps.edits.is_empty() {
        return body.clone();
    }
    gaps.fill()
}

/// What is missing, and where it goes.
struct Gaps<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'a> Gaps<'a> {
    fn answer(&mut self, created: u64, fallback_model: &str) -> Option<()> {
        let text = self.text.trim();
        let answer: Fields<'a> = serde_json::from_str(text).ok()?;
        self.need(text, &answer, "id", Need::Value, &made_up_id(created));
        self.need(text, &answer, "object", Need::Value, &"chat.completion");
        self.need(text, &answer, "created", Need::Value, &created);
        self.need(text, &answer, "model", Need::Value, &fallback_model);
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
        let called = message.get("tool_calls").is_some_and(holds_items);
        self.need(text, &choice, "index", Need::Value, &index);
        self.need(text, &choice, "finish_reason", Need::Value, if called { &"tool_calls" } else { &"stop" });
        self.need(text, &choice, "logprobs", Need::Key, &());
        self.need(message_text, &message, "role", Need::Value, &"assistant");
        self.need(message_text, &message, "content", Need::Key, &());
        self.need(message_text, &message, "refusal", Need::Key, &());
        Some(())
    }

    /// Sees to it that the object at `text` has the field.
    fn need<T: Serialize>(&mut self, text: &'a str, object: &Fields<'a>, name: &str, need: Need, value: &T) {
        let there = object.0.iter().rev().find(|(key, _)| key == name);
        match there {
            None => {
                let end = self.offset(text) + text.len() - 1;
                let first = object.0.is_empty() && self.edits.iter().all(|(at, _)| at.start != end);
                let mut field = if first { Vec::new() } else { vec![b','] };
                field.extend(print(&name));
                field.push(b':');
                field.extend(print(value));
                self.edits.push((end..end, field));
            }
            Some((_, blank @ ("null" | "\"\""))) if matches!(need, Need::Value) => {
                let start = self.offset(blank);
                self.edits.push((start..start + blank.len(), print(value)));
            }
            Some(_) => {}
        }
    }

    /// Where a part of the body begins in it.
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

/// Whether a field must only stand there, or say something.
#[derive(Clone, Copy)]
enum Need {
    Key,
    Value,
}

#[cfg(test)]
mod tests;
