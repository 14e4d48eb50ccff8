//! Answers that end in a loop.

use fb_core::Reply;

use crate::{Defect, GateKind};

/// Longest unit of a loop in bytes: a few sentences.
const MAX_UNIT: usize = 512;
/// Fewest repeats. A refrain, a litany or a row of a table comes fewer times in a row.
const MIN_REPEATS: usize = 10;
/// Fewest bytes a loop covers. One that has begun goes on to the token limit, so it is long when an answer ends; a list
/// of zeros in code is not.
const MIN_BYTES: usize = 1_000;
/// Fewest bytes of a loop without letters and digits: rules of dashes and deep indents are no defect.
const MIN_BYTES_OF_SIGNS: usize = 4_000;
/// How much of the end is looked at: enough for the longest loop that is looked for.
const WINDOW: usize = 8_192;

/// Whether the text ends otherwise than in one unit, repeated again and again to the last byte.
pub(crate) fn no_loop(reply: &Reply) -> Result<(), Defect> {
    let Some((unit, covered)) = tail(&reply.text) else { return Ok(()) };
    let repeats = covered / unit;
    let message = format!("ends with the same {unit} bytes {repeats} times or more");
    Err(Defect::of(GateKind::Repetition, message))
}

/// The shortest unit that the text ends with often enough, and how many bytes its repeats cover, of those looked at.
fn tail(text: &str) -> Option<(usize, usize)> {
    let start = text.len().saturating_sub(WINDOW);
    let reversed: Vec<u8> = text.as_bytes()[start..].iter().rev().copied().collect();
    let shared = z_function(&reversed);
    (1..reversed.len().min(MAX_UNIT + 1)).map(|unit| (unit, unit + shared[unit])).find(|(unit, covered)| {
        let has_words = || {
            // The unit ends where the text does, so it begins between two characters too.
            String::from_utf8_lossy(&text.as_bytes()[text.len() - unit..]).chars().any(char::is_alphanumeric)
        };
        *covered >= MIN_BYTES
            && *covered >= MIN_REPEATS * unit
            && (*covered >= MIN_BYTES_OF_SIGNS || has_words())
    })
}

/// For every place, how many bytes from there on equal the beginning; linear (Gusfield's Z algorithm).
fn z_function(bytes: &[u8]) -> Vec<usize> {
    let mut shared = vec![0; bytes.len()];
    let (mut left, mut right) = (0, 0);
    for at in 1..bytes.len() {
        let mut length = if at < right { shared[at - left].min(right - at) } else { 0 };
        while at + length < bytes.len() && bytes[length] == bytes[at + length] {
            length += 1;
        }
        if at + length > right {
            (left, right) = (at, at + length);
        }
        shared[at] = length;
    }
    shared
}

#[cfg(test)]
mod tests;
