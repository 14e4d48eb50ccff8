/// Returns the candidate with the smallest edit distance to `word`, if it is small enough for a typing error.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let max = 1 + word.chars().count() / 4;
    let ranked = candidates.into_iter().map(|candidate| (edit_distance(word, candidate), candidate));
    ranked.filter(|(edits, _)| *edits <= max).min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

/// Returns the Levenshtein distance, ignoring case.
fn edit_distance(from: &str, to: &str) -> usize {
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
    fn nearest_finds_the_intended_word() {
        let words = ["openai", "openrouter", "anthropic", "azure"];
        assert_eq!(nearest("opnai", words), Some("openai"));
        assert_eq!(nearest("Anthropc", words), Some("anthropic"));
        assert_eq!(nearest("bedrock", words), None);
        assert_eq!(nearest("", words), None);
    }
}
