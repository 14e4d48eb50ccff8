//! Foreign words in a message: short, and on one line.

/// Most bytes of a text that a message quotes.
const MAX_QUOTE: usize = 80;

/// Most bytes of a tool's name in a message; providers take 64.
const MAX_NAME: usize = 64;

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

/// The name of a tool as a message says it.
pub(crate) fn named(name: &str) -> String {
    format!("`{}`", cut(name, MAX_NAME))
}
