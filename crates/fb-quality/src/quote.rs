//! Foreign words in a message: short, and on one line.

/// Most bytes of a text that a message quotes.
const MAX_QUOTE: usize = 80;

/// The longest beginning of so many bytes that ends between two characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Control characters as spaces: a terminal obeys none of them.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text as a message says it: its beginning.
pub(crate) fn quoted(text: &str) -> String {
    let text = text.trim();
    let kept = cut(text, MAX_QUOTE);
    if kept.len() < text.len() { format!("`{kept}…`") } else { format!("`{kept}`") }
}
