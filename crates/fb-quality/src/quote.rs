//! Quoting of untrusted text in messages: short, and on one line.

/// Maximum length in bytes of a text quoted in a message.
const MAX_QUOTE: usize = 80;

/// Maximum length in bytes of a tool's name in a message; providers accept 64.
const MAX_NAME: usize = 64;

/// Returns the longest prefix of at most `max` bytes that ends on a character boundary.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// Replaces control characters by spaces, so that a message cannot control a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Quotes the beginning of a text in backticks.
pub(crate) fn quoted(text: &str) -> String {
    let text = text.trim();
    let kept = cut(text, MAX_QUOTE);
    if kept.len() < text.len() { format!("`{kept}…`") } else { format!("`{kept}`") }
}

/// Quotes a tool's name in backticks.
pub(crate) fn named(name: &str) -> String {
    format!("`{}`", cut(name, MAX_NAME))
}
