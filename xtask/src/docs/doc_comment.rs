//! Doc comments: the first paragraph as plain text, and the default that it states.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Returns the first paragraph on one line, with the links of rustdoc as plain text.
pub(crate) fn first_paragraph(attributes: &[Attribute]) -> String {
    without_links(&lines(attributes).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

/// Returns all paragraphs up to an example or a heading, on one line.
pub(crate) fn paragraphs(attributes: &[Attribute]) -> String {
    let text = lines(attributes).take_while(|line| !line.starts_with(['#', '~']) && !line.starts_with("```"));
    without_links(&text.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

fn lines(attributes: &[Attribute]) -> impl Iterator<Item = String> {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    lines.map(|line| line.trim().to_owned())
}

/// Replaces links to items by their text. Links to web pages stay.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = if rest.starts_with('`') { code_end(rest) } else { link(rest, &mut plain) };
        if rest.starts_with('`') || end == 1 {
            plain.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    plain + rest
}

/// Returns the length of the code span at the start of the text.
fn code_end(text: &str) -> usize {
    text[1..].find('`').map_or(text.len(), |length| length + 2)
}

/// Appends the label of the link to an item at the start of `text` to `plain` and returns the length of the link.
/// Returns 1 and appends nothing if the text starts with anything else.
fn link(text: &str, plain: &mut String) -> usize {
    let mut end = 1;
    while let Some(at) = text[end..].find(['`', ']']) {
        end += at;
        if text[end..].starts_with(']') {
            break;
        }
        end += code_end(&text[end..]);
    }
    if !text[end..].starts_with(']') {
        return 1;
    }
    let (label, after) = (&text[1..end], &text[end + 1..]);
    let target = after.strip_prefix('(').and_then(|after| after.split_once(')')).map(|(target, _)| target);
    match target {
        Some(target) if target.starts_with("http") => 1,
        Some(target) => {
            plain.push_str(label);
            end + target.len() + 3
        }
        None if label.starts_with('`') => {
            plain.push_str(label);
            end + 1
        }
        None => 1,
    }
}

/// Splits a paragraph into sentences, each with its full stop. Quotations and code spans stay whole.
fn sentences(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '`' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, ' ') if text[..at].ends_with('.') => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found
}

/// The documentation of a setting.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FieldDoc {
    /// The text without `Required.`, and without the default unless its sentence explains it.
    pub(crate) meaning: String,
    /// A value as it is written in a config file, or a description of the value.
    pub(crate) default: Option<String>,
    pub(crate) is_required: bool,
}

/// Parses the first paragraph of a field's doc comment.
///
/// The sentence `Required.` marks a setting without a default, the sentence `Defaults to VALUE.` states the default.
/// `literal` converts a value to the notation of the config file; anything that it does not accept is a description.
pub(crate) fn field_doc(text: &str, literal: impl Fn(&str) -> Option<String>) -> FieldDoc {
    let mut doc = FieldDoc::default();
    let mut meaning = Vec::new();
    for sentence in sentences(text) {
        if sentence == "Required." {
            doc.is_required = true;
            continue;
        }
        match sentence.strip_prefix("Defaults to ").and_then(|words| words.strip_suffix('.')) {
            Some(words) if doc.default.is_none() => {
                let (default, is_explained) = default(words, &literal);
                doc.default = Some(default);
                meaning.extend(is_explained.then_some(sentence));
            }
            _ => meaning.push(sentence),
        }
    }
    doc.meaning = meaning.join(" ");
    doc
}

/// Returns the default in `VALUE`, in `VALUE, EXPLANATION` or in a description, and true if there is an explanation.
fn default(words: &str, literal: &impl Fn(&str) -> Option<String>) -> (String, bool) {
    if let Some(default) = literal(words) {
        return (default, false);
    }
    let end = [", ", ": "].iter().filter_map(|end| words.find(end)).min();
    match end.and_then(|end| literal(&words[..end])) {
        Some(default) => (default, true),
        None => (words.to_owned(), false),
    }
}
