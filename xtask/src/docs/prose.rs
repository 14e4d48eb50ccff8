//! What doc comments say: the first paragraph in plain words, and the default in it.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The first paragraph on one line, with the links of rustdoc as plain words.
pub(crate) fn first_paragraph(attributes: &[Attribute]) -> String {
    without_links(&lines(attributes).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

/// All paragraphs up to an example or a heading, on one line.
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

/// Links to items become their text; links to the web stay.
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

/// The length of the code span that the text begins with.
fn code_end(text: &str) -> usize {
    text[1..].find('`').map_or(text.len(), |length| length + 2)
}

/// Prints the text of the link that `text` begins with and gives the link's length; 1 when it is none.
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

/// The sentences of a paragraph, each with its end; a quotation or a code span is never cut.
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

/// What a doc comment says of a setting's default.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// Without the words about the default where they say nothing else.
    pub(crate) meaning: String,
    /// A value as it is written in a config file, or words.
    pub(crate) default: Option<String>,
    /// Whether it says `Required.`
    pub(crate) is_required: bool,
}

/// Looks for `Default VALUE.`, `Default: words.`, `…; VALUE.` and ``…; `None`: words.``; `value` writes a value of the
/// field's type as in a config file, if the words are one.
pub(crate) fn said(text: &str, value: impl Fn(&str) -> Option<String>) -> Said {
    let mut said = Said::default();
    let mut kept = Vec::new();
    for sentence in sentences(text) {
        let words = sentence.strip_suffix('.').unwrap_or(sentence);
        if words == "Required" {
            said.is_required = true;
        } else if said.default.is_some() {
            kept.push(sentence.to_owned());
        } else if let Some((rest, default)) = default_in(words, &value) {
            said.default = Some(default);
            kept.extend(rest.map(|rest| format!("{rest}.")));
        } else {
            kept.push(sentence.to_owned());
        }
    }
    said.meaning = kept.join(" ");
    said
}

/// The default that a sentence without its full stop says, and what is left of the sentence.
fn default_in(words: &str, value: &impl Fn(&str) -> Option<String>) -> Option<(Option<String>, String)> {
    let written = |words: &str| value(words).unwrap_or_else(|| words.to_owned());
    if let Some(default) = words.strip_prefix("Default: ") {
        return Some((None, written(default)));
    }
    if let Some(default) = words.strip_prefix("Default ") {
        let first = until(default, &[", ", ": "]);
        let rest = (first.len() < default.len()).then(|| words.to_owned());
        return Some((rest, written(first)));
    }
    if let Some((rest, default)) = words.split_once("; `None`: ") {
        return Some((Some(rest.to_owned()), written(default)));
    }
    for (at, mark) in words.match_indices("; ") {
        let after = &words[at + mark.len()..];
        let first = until(after, &[", ", ": ", "; ", " ("]);
        if let Some(default) = value(first) {
            let rest = if first.len() < after.len() { words } else { &words[..at] };
            return Some((Some(rest.to_owned()), default));
        }
    }
    None
}

fn until<'a>(text: &'a str, ends: &[&str]) -> &'a str {
    let end = ends.iter().filter_map(|end| text.find(end)).min();
    &text[..end.unwrap_or(text.len())]
}
