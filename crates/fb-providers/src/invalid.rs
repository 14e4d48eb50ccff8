use std::fmt;

use thiserror::Error;

/// Why a provider cannot be built: the field, what stands there, and what was expected. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} = {value}: {expected}")]
pub struct InvalidConfig {
    /// The field, such as `base_url`.
    pub field: String,
    /// What stands there, shortened.
    pub value: String,
    /// What was expected, and perhaps what was meant.
    pub expected: String,
}

impl InvalidConfig {
    pub(crate) fn new(
        field: impl Into<String>,
        value: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), value: value.into(), expected: expected.into() }
    }

    /// A field whose value is shown quoted and cut.
    pub(crate) fn quoted(field: &str, value: &str, expected: impl Into<String>) -> Self {
        Self::new(field, Quoted(value).to_string(), expected)
    }
}

/// A value for a message: quoted, at most 64 characters.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.chars().take(64).collect::<String>())
    }
}

/// The candidate that `word` was probably meant to be: the one with the fewest edits, if they are few.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = 1 + word.chars().count() / 4;
    let near = candidates.into_iter().map(|candidate| (edits(word, candidate), candidate));
    near.filter(|(edits, _)| *edits <= most).min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements that make one word of the other, regardless of case.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().flat_map(char::to_lowercase).take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().flat_map(char::to_lowercase).take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(&to) {
            let next = (*cell + 1).min(left + 1).min(diagonal + usize::from(a != *b));
            diagonal = *cell;
            left = next;
            *cell = next;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_the_word_that_was_meant() {
        let words = ["openai", "openrouter", "anthropic", "azure"];
        assert_eq!(nearest("opnai", words), Some("openai"));
        assert_eq!(nearest("Anthropc", words), Some("anthropic"));
        assert_eq!(nearest("bedrock", words), None);
        assert_eq!(nearest("", words), None);
    }
}
