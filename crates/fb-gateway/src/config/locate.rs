use std::{fmt, ops::Range};

use fb::InvalidConfig;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// An error with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Line, from 1; 0 when the place is unknown.
    pub line: usize,
    /// Column, from 1; 0 when the place is unknown.
    pub column: usize,
    /// The field, the value and what was expected.
    pub message: String,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, " {}", self.message),
            (line, column) => write!(f, "{line}:{column}  {}", self.message),
        }
    }
}

/// A parsed config with the place of every value.
pub(super) struct Document<'a> {
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Vec<Located>> {
        let at = |error: &toml::de::Error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            vec![Located { line, column, message: error.message().to_owned() }]
        };
        let root = DeTable::parse(text).map_err(|error| at(&error))?;
        Ok(Self { text, root })
    }

    /// A type error with its place and its field. Only the parser's own words are used: its full text would repeat
    /// the line, and with it a secret.
    pub(super) fn type_error(&self, error: &toml::de::Error) -> Located {
        let start = error.span().map_or(0, |span| span.start);
        let (line, column) = position(self.text, start);
        let mut path = String::new();
        field_at(self.root.get_ref(), start, &mut path);
        let message = error.message();
        let message = if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") };
        Located { line, column, message }
    }

    /// An error of meaning with its place: that of the deepest part of its field that is in the file.
    pub(super) fn locate(&self, problem: &InvalidConfig) -> Located {
        let InvalidConfig { field, value, expected } = problem;
        let message = format!("{field} = {value}   {expected}");
        match find(self.root.get_ref(), field) {
            Some(span) => {
                let (line, column) = position(self.text, span.start);
                Located { line, column, message }
            }
            None => Located { line: 0, column: 0, message },
        }
    }
}

/// Line and column, both from 1, of a byte.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    (line, column)
}

/// Appends the path of the innermost value that holds the byte.
fn field_at(table: &DeTable<'_>, byte: usize, path: &mut String) {
    for (key, value) in table {
        // A key's own span counts too: an unknown field is reported at its key.
        if key.span().contains(&byte) || holds(value, byte) {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key.get_ref());
            return field_in(value.get_ref(), byte, path);
        }
    }
}

fn field_in(value: &DeValue<'_>, byte: usize, path: &mut String) {
    match value {
        DeValue::Table(table) => field_at(table, byte, path),
        DeValue::Array(items) => {
            if let Some(index) = items.iter().position(|item| holds(item, byte)) {
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
                if let Some(item) = items.get(index) {
                    field_in(item.get_ref(), byte, path);
                }
            }
        }
        _ => {}
    }
}

/// Whether a byte lies in a value. The span of a `[table]` ends with its header, so its values are asked too.
fn holds(value: &Spanned<DeValue<'_>>, byte: usize) -> bool {
    value.span().contains(&byte)
        || match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().any(|(key, value)| key.span().contains(&byte) || holds(value, byte))
            }
            DeValue::Array(items) => items.iter().any(|item| holds(item, byte)),
            _ => false,
        }
}

/// The span of the value at a path such as `routes.default.targets[1].provider`, or of the deepest part there is.
fn find(table: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    // Names may hold dots, so the longest key that the path begins with is taken.
    let (key, value) = table
        .iter()
        .filter(|(key, _)| {
            path.strip_prefix(key.get_ref().as_ref())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
        .max_by_key(|(key, _)| key.get_ref().len())?;
    let rest = &path[key.get_ref().len()..];
    let inner = within(value.get_ref(), rest);
    Some(inner.unwrap_or_else(|| match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) => key.span(),
        _ => value.span(),
    }))
}

fn within(value: &DeValue<'_>, rest: &str) -> Option<Range<usize>> {
    if let Some(field) = rest.strip_prefix('.') {
        return match value {
            DeValue::Table(table) => find(table, field),
            _ => None,
        };
    }
    let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
    let DeValue::Array(items) = value else { return None };
    let item = items.get(index.parse::<usize>().ok()?)?;
    Some(within(item.get_ref(), rest).unwrap_or_else(|| item.span()))
}

#[cfg(test)]
mod tests;
