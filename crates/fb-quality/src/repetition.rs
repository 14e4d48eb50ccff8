//! Detection of answers that end in a loop.

use fb_core::Reply;

use crate::{Defect, GateKind};

/// Maximum length of a loop's unit in bytes: a few sentences.
const MAX_UNIT: usize = 512;
/// Minimum number of repeats. A refrain, a litany or a table row repeats fewer times in succession.
const MIN_REPEATS: usize = 10;
/// Minimum length of a loop in bytes. A loop usually continues up to the token limit and is therefore long; a list of
/// zeros in code is shorter.
const MIN_BYTES: usize = 1_000;
/// Minimum length of a loop without letters and digits in bytes: rules of dashes and deep indents are no defect.
const MIN_BYTES_OF_SIGNS: usize = 4_000;
/// Length of the suffix that is examined, in bytes: enough for the longest detectable loop.
const WINDOW: usize = 8_192;

/// Rejects a text that ends in one unit, repeated up to the last byte.
pub(crate) fn no_loop(reply: &Reply) -> Result<(), Defect> {
    let Some((unit, covered)) = tail(&reply.text) else { return Ok(()) };
    let repeats = covered / unit;
    let message = format!("ends with the same {unit} bytes {repeats} times or more");
    Err(Defect::found_by(GateKind::Repetition, message))
}

/// Returns the length of the shortest unit that the text ends with often enough, and the number of examined bytes that
/// its repeats cover.
fn tail(text: &str) -> Option<(usize, usize)> {
    let start = text.len().saturating_sub(WINDOW);
    let reversed: Vec<u8> = text.as_bytes()[start..].iter().rev().copied().collect();
    let shared = z_function(&reversed);
    (1..reversed.len().min(MAX_UNIT + 1)).map(|unit| (unit, unit + shared[unit])).find(|(unit, covered)| {
        let has_words = || {
            // The unit ends at the end of the text, so it begins on a character boundary as well.
            String::from_utf8_lossy(&text.as_bytes()[text.len() - unit..]).chars().any(char::is_alphanumeric)
        };
        *covered >= MIN_BYTES
            && *covered >= MIN_REPEATS * unit
            && (*covered >= MIN_BYTES_OF_SIGNS || has_words())
    })
}

/// Returns, for every position, the length of the common prefix of `bytes` and the suffix that begins there. Linear
/// time (Gusfield's Z algorithm).
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
